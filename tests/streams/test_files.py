"""Where files are looked for, and what counts as the right file."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace

import pytest

from bioncl.errors import DataError
from bioncl.streams.files import DataPlaces, RemoteFile, cache_folder

CONTENT = b"the published bytes" * 50
GZIPPED = gzip.compress(CONTENT, mtime=1)


@pytest.fixture
def file():
    return RemoteFile(
        dataset="toy",
        folder="toy-folder",
        name="toy.gz",
        size=len(GZIPPED),
        checksum="sha256:" + hashlib.sha256(GZIPPED).hexdigest(),
        content_md5=hashlib.md5(CONTENT).hexdigest(),
        mirrors=("http://127.0.0.1:9/never/",),
    )


def put(folder, file, content=GZIPPED, *, flat=False):
    path = folder / ("" if flat else file.folder) / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Notes:
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def test_places_are_searched_in_the_documented_order(tmp_path, monkeypatch, file):
    """Removing the winner each time reveals the next place."""
    given, env, system = (tmp_path / name for name in ("given", "env", "system"))
    monkeypatch.setenv("BIONCL_DATA", str(env))
    order = [
        put(given, file),
        put(given, file, flat=True),
        put(env, file),
        put(env, file, flat=True),
        put(system, file),
        put(cache_folder(), file),
    ]
    places = DataPlaces(given, download=False, system=system)
    for path in order:
        assert places.locate(file) == path
        path.unlink()
    assert places.find(file) is None


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_damaged_file_in_a_named_folder_is_an_error(
    tmp_path, monkeypatch, file, by_environment, flat
):
    """It is not passed over, even though a good copy waits in the cache."""
    put(cache_folder(), file)
    damaged = bytes([GZIPPED[0] ^ 1]) + GZIPPED[1:]
    path = put(tmp_path / "mine", file, damaged, flat=flat)
    if by_environment:
        monkeypatch.setenv("BIONCL_DATA", str(tmp_path / "mine"))
    places = DataPlaces(None if by_environment else tmp_path / "mine")
    with pytest.raises(DataError) as caught:
        places.locate(file)
    told = str(caught.value)
    assert str(path) in told
    assert file.checksum in told
    assert hashlib.sha256(damaged).hexdigest() in told


def test_damaged_file_in_an_unnamed_place_is_passed_over_with_a_note(tmp_path, file):
    """The cache's good copy wins over the system's damaged one, and the user is told."""
    put(tmp_path / "system", file, b"damaged")
    good, notes = put(cache_folder(), file), Notes()
    assert DataPlaces(system=tmp_path / "system", progress=notes).locate(file) == good
    assert "system" in notes.said[0]


def test_other_wrapping_of_the_same_content_is_accepted(tmp_path, file):
    """Debian's .gz has another header; its content decides."""
    rewrapped = gzip.compress(CONTENT, mtime=2)
    assert rewrapped != GZIPPED
    path = put(tmp_path, file, rewrapped)
    assert DataPlaces(tmp_path, download=False).locate(file) == path


def test_other_wrapping_is_refused_where_no_content_is_published(tmp_path, file):
    """Without `content_md5` only the very bytes count."""
    put(tmp_path, file, gzip.compress(CONTENT, mtime=2))
    with pytest.raises(DataError, match="damaged"):
        DataPlaces(tmp_path, download=False).locate(replace(file, content_md5=None))


def test_truncated_gzip_is_damaged(tmp_path, file):
    """Half a .gz has no content to compare, and says so as a damaged file."""
    put(tmp_path, file, GZIPPED[: len(GZIPPED) // 2])
    with pytest.raises(DataError, match="damaged"):
        DataPlaces(tmp_path).locate(file)


def test_namesake_in_a_flat_folder_is_not_damage(tmp_path, file):
    """A flat folder with MNIST's files is simply not the place for Fashion-MNIST's."""
    other = b"another set's bytes"
    known = replace(file, namesakes=(hashlib.md5(other).hexdigest(),))
    put(tmp_path / "mine", file, gzip.compress(other), flat=True)
    good = put(cache_folder(), file)
    assert DataPlaces(tmp_path / "mine").locate(known) == good


def test_namesake_in_the_folder_of_the_set_is_an_error(tmp_path, file):
    """In a folder that bears the set's name, another set's file is a mistake."""
    other = b"another set's bytes"
    known = replace(file, namesakes=(hashlib.md5(other).hexdigest(),))
    put(tmp_path, file, gzip.compress(other))
    with pytest.raises(DataError, match="another file than"):
        DataPlaces(tmp_path).locate(known)


def test_change_after_a_good_verdict_is_noticed(tmp_path, file):
    """The verdict is remembered for the bytes that were read, not for the name."""
    path = put(tmp_path, file)
    places = DataPlaces(tmp_path, download=False)
    places.locate(file)
    path.write_bytes(GZIPPED[:-1] + b"!")
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="damaged"):
        places.locate(file)


def test_second_look_reads_nothing(tmp_path, file, monkeypatch):
    """Loading twice hashes once."""
    put(tmp_path, file)
    places = DataPlaces(tmp_path, download=False)
    first = places.locate(file)
    monkeypatch.setattr("pooch.file_hash", lambda *_, **__: pytest.fail("hashed again"))
    assert places.locate(file) == first


def test_missing_without_download_says_where_it_looked_and_what_to_do(tmp_path, file):
    """The message lists every place and the command that mends it."""
    with pytest.raises(DataError) as caught:
        DataPlaces(tmp_path, download=False, system=tmp_path / "system").locate(file)
    told = str(caught.value)
    for place in (tmp_path / file.folder, tmp_path / "system", cache_folder()):
        assert str(place) in told
    assert "bioncl data fetch toy" in told


def test_file_that_nobody_serves_gives_its_own_advice(file):
    """Without mirrors no download is tried, although it is allowed."""
    with pytest.raises(DataError, match="made by hand"):
        DataPlaces().locate(replace(file, mirrors=(), advice="It is made by hand."))


def test_named_folder_must_exist(tmp_path, file):
    """A mistyped --data-dir is said at once instead of starting a download."""
    with pytest.raises(DataError, match=r"no data folder .*nowhere"):
        DataPlaces(tmp_path / "nowhere").locate(file)


def test_cache_is_in_the_users_cache_unless_moved(monkeypatch, tmp_path):
    """BIONCL_CACHE wins, else the platform's folder for caches."""
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("BIONCL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "bioncl"
