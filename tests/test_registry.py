"""The registry: lazy, clear about unknown names, and open to other packages."""

import fractions
import subprocess
import sys

import pytest

from bioncl.errors import InputError
from bioncl.registry import Registry


@pytest.fixture
def number():
    return Registry(
        "number",
        {
            "fraction": ("fractions:Fraction", "a quotient"),
            "ghost": ("bioncl_no_such_module:Ghost", "not there"),
        },
    )


def test_names_keep_their_order_and_summaries(number):
    assert number.names() == ["fraction", "ghost"]
    assert number.entries["fraction"].summary == "a quotient"


def test_load_gives_the_class(number):
    assert number.load("fraction") is fractions.Fraction


def test_an_unknown_name_is_refused_with_a_suggestion(number):
    with pytest.raises(InputError, match=r"Unknown number 'fractoin'\. Did you mean 'fraction'\?"):
        number.load("fractoin")


def test_a_missing_library_says_its_name(number):
    with pytest.raises(ModuleNotFoundError, match="bioncl_no_such_module"):
        number.load("ghost")


def test_listing_imports_nothing():
    code = (
        "import sys; from bioncl.registry import Registry\n"
        "r = Registry('x', {'a': ('wave:Wave_read', 'sound')}); r.names(); r.entries\n"
        "sys.exit('wave' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed package (as its metadata says) with two entry points for numbers."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[bioncl.numbers]\nexact = decimal:Decimal\nfraction = decimal:Decimal\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugin")
def test_another_package_adds_a_name(number):
    import decimal

    assert number.names() == ["fraction", "ghost", "exact"]
    assert number.load("exact") is decimal.Decimal
    assert "decimal:Decimal" in number.entries["exact"].summary


@pytest.mark.usefixtures("plugin")
def test_another_package_cannot_replace_a_name(number):
    assert number.load("fraction") is fractions.Fraction
