"""What is declared is what is used: requirements, constraints and files that ship."""

import ast
import configparser
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bioncl

ROOT = Path(__file__).parents[2]
IMPORT_NAMES = {"scikit-learn": "sklearn"}
# Parts of a declared requirement that are modules of their own.
PARTS = {"pydantic_core"}


def settings() -> configparser.ConfigParser:
    """setup.cfg, as it is written."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> dict[str, Requirement]:
    """The requirements in `text`, one a line, by name."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {canonicalize_name(r.name): r for r in map(Requirement, filter(None, lines))}


def declared() -> dict[str, Requirement]:
    """What the package itself needs."""
    return requirements(settings()["options"]["install_requires"])


def extras() -> dict[str, Requirement]:
    """What the extras need, but for the package itself, whose extras they join."""
    groups = map(requirements, settings()["options.extras_require"].values())
    found = {name: requirement for group in groups for name, requirement in group.items()}
    return {name: r for name, r in found.items() if name != "bioncl"}


def imported() -> set[str]:
    """Top-level names that the package imports, wherever it does so."""
    found = set()
    for path in (ROOT / "bioncl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module)
    return {name.partition(".")[0] for name in found}


def test_every_import_is_declared():
    needed = {**declared(), **extras()}
    names = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in needed}
    assert imported() - names - sys.stdlib_module_names - PARTS - {"bioncl"} == set()


def test_constraints_pin_every_requirement_within_its_range():
    pins = requirements((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    wanted = [declared(), extras()]
    assert set(pins) == {name for group in wanted for name in group}
    for group in wanted:
        for name, requirement in group.items():
            (pin,) = pins[name].specifier
            assert pin.operator == "=="
            assert requirement.specifier.contains(pin.version), name


def test_every_file_beside_the_modules_ships():
    data = settings()["options.package_data"]
    patterns = [
        (Path(*package.split(".")), pattern)
        for package, value in data.items()
        for pattern in value.split()
    ]
    shipped = {path for folder, pattern in patterns for path in (ROOT / folder).glob(pattern)}
    present = {
        path
        for path in (ROOT / "bioncl").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts
    }
    assert present - shipped == set()
    assert ROOT / "bioncl" / "py.typed" in shipped


def test_the_version_is_a_version_and_the_changelog_is_kept():
    assert re.fullmatch(r"\d+\.\d+\.\d+", bioncl.__version__)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changes
