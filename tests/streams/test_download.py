"""Downloads against a server on this machine: whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import time

import pytest

from bioncl.errors import DataError, StorageError
from bioncl.streams.files import DataPlaces, RemoteFile, cache_folder

BODY = bytes(range(256)) * 2000


def described(server, *mirrors, body=BODY):
    return RemoteFile(
        dataset="toy",
        folder="toy",
        name="toy.bin",
        size=len(body),
        checksum="sha256:" + hashlib.sha256(body).hexdigest(),
        mirrors=tuple(server.mirror(name) for name in mirrors),
    )


@pytest.fixture
def target():
    return cache_folder() / "toy" / "toy.bin"


def left_over(target):
    """Everything beside the lock that a download left in the folder."""
    return [path.name for path in target.parent.iterdir() if path.suffix != ".lock"]


class CountingBar:
    def __init__(self):
        self.amount = 0

    def advance(self, amount=1):
        self.amount += amount

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Told:
    """Progress that remembers."""

    def __init__(self):
        self.bars, self.notes = [], []

    def start(self, what, total):
        self.bars.append((what, total, CountingBar()))
        return self.bars[-1][2]

    def note(self, text):
        self.notes.append(text)


def test_right_file_comes_whole_and_is_kept(server, target):
    """The second call takes it from the cache and asks no server."""
    server.bodies["a"] = BODY
    file = described(server, "a")
    assert DataPlaces().locate(file) == target
    assert target.read_bytes() == BODY
    assert left_over(target) == ["toy.bin"]
    assert DataPlaces(download=False).locate(file) == target
    assert server.asked == ["a"]


def test_bar_counts_every_byte_once(server):
    """The bar ends at the size of the file although pooch reports whole chunks."""
    server.bodies["a"] = BODY
    told = Told()
    DataPlaces(progress=told).locate(described(server, "a"))
    (what, total, bar) = told.bars[0]
    assert "toy/toy.bin" in what
    assert total == bar.amount == len(BODY)


@pytest.mark.parametrize("fault", ["absent", "wrong", "truncated"])
def test_faulty_mirror_gives_way_to_the_next(server, target, fault):
    """404, other bytes of the same size, and a cut connection all lead to the second mirror."""
    server.bodies["good"] = BODY
    if fault != "absent":
        server.bodies["bad"] = BODY if fault == "truncated" else BODY[:-1] + b"!"
    if fault == "truncated":
        server.truncated.add("bad")
    told = Told()
    DataPlaces(progress=told).locate(described(server, "bad", "good"))
    assert target.read_bytes() == BODY
    assert server.asked == ["bad", "good"]
    assert server.mirror("bad") in told.notes[0]


def test_when_all_mirrors_fail_each_is_named_with_its_fault(server, target):
    """Nothing stays under the final name, nor beside it."""
    server.bodies["wrong"] = b"a captive portal's page"
    server.bodies["cut"] = BODY
    server.truncated.add("cut")
    file = described(server, "none", "wrong", "cut")
    with pytest.raises(DataError) as caught:
        DataPlaces().locate(file)
    told = str(caught.value)
    assert "404" in told
    assert hashlib.sha256(b"a captive portal's page").hexdigest() in told
    assert file.checksum in told
    assert all(server.mirror(name) in told for name in ("none", "wrong", "cut"))
    assert left_over(target) == []


def test_only_failed_transfers_are_tried_again(server):
    """A cut connection may heal; a wrong file and a 404 do not."""
    server.bodies |= {"wrong": b"no", "cut": BODY}
    server.truncated.add("cut")
    with pytest.raises(DataError):
        DataPlaces().locate(described(server, "wrong", "none", "cut"))
    assert server.asked == ["wrong", "none", "cut", "cut"]


def test_unreachable_mirror_is_passed_over(server, target):
    """A refused connection is one mirror's failure."""
    server.bodies["a"] = BODY
    file = described(server, "a")
    dead = RemoteFile(**{**vars(file), "mirrors": ("http://127.0.0.1:9/x", *file.mirrors)})
    DataPlaces().locate(dead)
    assert target.read_bytes() == BODY


def test_damaged_cache_is_fetched_again(server, target):
    """A flipped byte in the cache heals by itself."""
    server.bodies["a"] = BODY
    target.parent.mkdir(parents=True)
    target.write_bytes(b"!" + BODY[1:])
    DataPlaces().locate(described(server, "a"))
    assert target.read_bytes() == BODY


def test_no_download_asks_no_server(server):
    """`download=False` keeps off the network."""
    server.bodies["a"] = BODY
    with pytest.raises(DataError, match="downloading is off"):
        DataPlaces(download=False).locate(described(server, "a"))
    assert server.asked == []


def test_cache_that_cannot_be_written_is_a_storage_error(server, tmp_path, monkeypatch):
    """The way out is another cache folder."""
    server.bodies["a"] = BODY
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BIONCL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="BIONCL_CACHE"):
        DataPlaces().locate(described(server, "a"))


def test_full_disk_is_a_storage_error_and_leaves_nothing(server, target, monkeypatch):
    """A full disk is not mistaken for a mirror's failure, though requests' errors are OSErrors."""
    server.bodies["a"] = BODY

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", full)
    with pytest.raises(StorageError, match="No space left"):
        DataPlaces().locate(described(server, "a"))
    assert left_over(target) == []


FETCH = """
import sys
from bioncl.streams.files import DataPlaces, RemoteFile
DataPlaces().locate(RemoteFile("toy", "toy", "toy.bin", int(sys.argv[1]), sys.argv[2],
                               mirrors=(sys.argv[3],)))
"""


def fetching(file):
    """Another process that fetches `file`."""
    command = [sys.executable, "-c", FETCH, str(file.size), file.checksum, file.mirrors[0]]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_killed_half_way_leaves_no_file_and_the_next_try_succeeds(server, target):
    """SIGKILL in the middle: nothing under the final name, no lock that stays."""
    server.bodies["a"] = BODY
    server.slow.add("a")
    file = described(server, "a")
    with fetching(file) as process:
        part = target.with_name("toy.bin.part")
        deadline = time.monotonic() + 30
        while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert 0 < part.stat().st_size < len(BODY)
    assert not target.exists()
    server.slow.clear()
    DataPlaces().locate(file)
    assert target.read_bytes() == BODY
    assert left_over(target) == ["toy.bin"]


def test_two_processes_at_once_fetch_once(server, target):
    """The second waits for the first and takes its file."""
    server.bodies["a"] = BODY
    server.slow.add("a")
    file = described(server, "a")
    with fetching(file) as one, fetching(file) as two:
        told = one.communicate(timeout=60)[1] + two.communicate(timeout=60)[1]
    assert (one.returncode, two.returncode) == (0, 0), told
    assert target.read_bytes() == BODY
    assert server.asked == ["a"]


def test_gzip_is_stored_as_served(server):
    """A .gz keeps its bytes: it is not unpacked on the way."""
    body = gzip.compress(BODY)
    server.bodies["a"] = body
    path = DataPlaces().locate(described(server, "a", body=body))
    assert path.read_bytes() == body
