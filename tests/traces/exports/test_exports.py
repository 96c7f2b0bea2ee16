"""What holds for every format: whole files or none, and clear words."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bioncl
from bioncl.errors import InputError, StorageError, TraceError, UnsupportedError
from bioncl.traces import exports
from bioncl.traces.exports import Selection, export, nights_frame, to_dataset, to_frame, to_neo
from bioncl.traces.hdf5_reader import open_trace

LIBRARIES = {"nwb": "pynwb", "parquet": "pyarrow", "netcdf": "h5netcdf"}


def test_a_failed_export_leaves_the_old_file(run, monkeypatch):
    """The disk fills up half-way."""

    def half(trace, out, which):
        out.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(exports.EXPORTS), "load", lambda self, name: half)
    with run.recorded() as (trace, folder):
        (folder / "out.h5").write_bytes(b"old")
        with pytest.raises(StorageError, match="No space left"):
            export(trace, "sonata", folder / "out.h5")
        assert (folder / "out.h5").read_bytes() == b"old"
        assert {path.name for path in folder.iterdir()} == {"out.h5", "trace.h5"}


FULL = """
import json, resource, sys
from bioncl.errors import StorageError
from bioncl.traces.exports import EXPORTS, export
from bioncl.traces.hdf5_reader import open_trace

path, to, out = sys.argv[1:]
EXPORTS.load(to)
with open_trace(path) as trace:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        export(trace, to, out)
    except StorageError as error:
        print(json.dumps(str(error)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the limits of POSIX")
@pytest.mark.parametrize(
    ("to", "module"), [(to, LIBRARIES.get(to)) for to in exports.EXPORTS.names()]
)
def test_a_file_that_may_not_grow_is_a_storage_error(run, to, module):
    """The system itself refuses after 100 bytes; the program ends cleanly, nothing is left."""
    if module:
        pytest.importorskip(module, reason=f"{module} is not installed")
    with run.recorded() as (trace, folder):
        arguments = [sys.executable, "-c", FULL, str(trace.path), to, str(folder / "out")]
        here = {**os.environ, "PYTHONPATH": str(Path(bioncl.__file__).parents[1])}
        done = subprocess.run(arguments, env=here, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Cannot write" in json.loads(done.stdout)
        assert [path.name for path in folder.iterdir()] == ["trace.h5"]


def test_the_trace_itself_is_never_replaced(run):
    """Neither by its own name, nor by that of the night that is being exported unfinished."""
    with run.recorded() as (trace, folder):
        with pytest.raises(InputError, match="is the trace itself"):
            export(trace, "csv", folder / "trace.h5")
        (folder / "night.h5.part").write_bytes(trace.path.read_bytes())
        with (
            open_trace(folder / "night.h5.part") as unfinished,
            pytest.raises(InputError, match="unfinished night"),
        ):
            export(unfinished, "csv", folder / "night.h5")
        assert export(trace, "csv", folder / "out.csv") == len(run.events())


def test_nothing_is_written_for_a_wrong_choice(run):
    with run.recorded() as (trace, folder):
        for which, error in [
            (Selection(night=9), TraceError),
            (Selection(layers=["x"]), TraceError),
            (Selection(start=900), InputError),
        ]:
            with pytest.raises(error):
                export(trace, "sonata", folder / "out.h5", which)
        with pytest.raises(InputError, match="Did you mean 'sonata'"):
            export(trace, "sonat", folder / "out.h5")
        assert [path.name for path in folder.iterdir()] == ["trace.h5"]


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("pynwb", "nwb", lambda trace, out: export(trace, "nwb", out)),
        ("pyarrow", "frames", lambda trace, out: export(trace, "parquet", out)),
        ("h5netcdf", "xarray", lambda trace, out: export(trace, "netcdf", out)),
        ("neo", "neo", lambda trace, out: to_neo(trace)),
        ("pandas", "frames", lambda trace, out: to_frame(trace)),
        ("pandas", "frames", lambda trace, out: nights_frame(trace)),
        ("xarray", "xarray", lambda trace, out: to_dataset(trace)),
    ],
)
def test_a_missing_library_is_named_with_its_extra(run, module, extra, use, monkeypatch):
    """As Python behaves where it is not installed."""
    monkeypatch.setitem(sys.modules, module, None)
    with run.recorded() as (trace, folder):
        with pytest.raises(
            UnsupportedError, match=rf"needs the package {module}.*bioncl\[{extra}\]"
        ):
            use(trace, folder / "out")
        assert [path.name for path in folder.iterdir()] == ["trace.h5"]
