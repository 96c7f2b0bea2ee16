"""Settings that ship with bioncl, and how a settings argument is read."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bioncl.errors import SettingsError, describe

FOLDER = Path(__file__).with_name("shipped_settings")


@dataclass(frozen=True)
class Shipped:
    """A shipped settings file: its name, title and paper."""

    name: str
    title: str
    paper: str


def names() -> list[str]:
    """Names of all shipped settings."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def catalogue() -> list[Shipped]:
    """All shipped settings with their titles."""
    found = []
    for name in names():
        tables = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
        found.append(Shipped(name, tables.get("title", ""), tables.get("paper", "")))
    return found


def read(settings: str | Path) -> tuple[str, str, Path]:
    """Find settings by path or by shipped name; return name, text and folder.

    Raises:
        SettingsError: There is neither such a file nor such a name.
    """
    path = Path(settings)
    if not path.is_file() and (FOLDER / f"{settings}.toml").is_file():
        path = FOLDER / f"{settings}.toml"
    if not path.is_file():
        raise SettingsError(describe(f"No settings '{settings}'", hint=_hint(path)))
    try:
        return path.stem, path.read_text(encoding="utf-8"), path.parent
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(describe(f"Settings {path} cannot be read ({error})")) from error


def _hint(path: Path) -> str:
    """Names like the one given: all of them would be too many."""
    close = difflib.get_close_matches(path.name.removesuffix(".toml"), names(), n=3)
    likely = f"Did you mean {', '.join(close)}? " if close else ""
    why = "There is neither such a file nor such a shipped name."
    return f"{why} {likely}`bioncl run --list` shows them all."
