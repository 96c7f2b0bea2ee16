"""What the tests of streams share: no data of this machine, a local web server, small sets."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from bioncl.streams.files import DataPlaces
from bioncl.streams.stream import Examples, LabelledSet


@pytest.fixture(autouse=True)
def _no_places(monkeypatch, tmp_path):
    """No test finds data that happens to lie on this machine, or asks a proxy."""
    for name in ("BIONCL_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BIONCL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def full_places():
    """The folder of full data sets that BIONCL_DATA names, without the network."""
    folder = os.environ.get("BIONCL_DATA")
    if not folder:
        pytest.skip("needs the full data sets: BIONCL_DATA names no folder")
    return DataPlaces(Path(folder), download=False)


@dataclass
class WebServer:
    """Mirrors are top folders: `bodies` is what each serves, `truncated` and `slow` how."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    truncated: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def mirror(self, folder: str) -> str:
        return f"{self.address}/{folder}/"


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that goes away is part of the tests."""


@pytest.fixture
def server():
    """A web server on this machine, told by the test what to serve."""
    told = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            folder = self.path.split("/")[1]
            told.asked.append(folder)
            if folder not in told.bodies:
                self.send_error(404)
                return
            body = told.bodies[folder]
            half = len(body) // 2
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:half])
            if folder in told.slow:
                self.wfile.flush()
                time.sleep(1)
            if folder not in told.truncated:
                self.wfile.write(body[half:])

        def log_message(self, *_):
            """Tests are quiet."""

    http = _Quiet(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(scope="session")
def numbered():
    """Makes sets whose every input [1, 2, 3] holds numbers that no other input holds."""

    def make(classes=4, train=40, test=12, name="numbered", labels=None):
        def examples(count, start, y):
            x = torch.arange(start, start + count * 6, dtype=torch.float32)
            return Examples(x.reshape(count, 1, 2, 3), y)

        y = torch.arange(train) % classes if labels is None else torch.tensor(labels)
        held = examples(test, 1_000_000, torch.arange(test) % classes)
        return LabelledSet(name, examples(len(y), 0, y), held, classes)

    return make


@pytest.fixture(scope="session")
def source_of():
    """Makes sources that hand out given sets by their names."""

    class Given:
        def __init__(self, *sets):
            self.sets = {one.name: one for one in sets}

        def labelled(self, choice):
            return self.sets[choice]

    return Given
