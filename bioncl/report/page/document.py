"""Turns a template and numbers into one HTML file that nothing in it can make load anything.

Whatever comes from a file is escaped by the template engine. A policy in the page itself forbids
all requests and runs only the script whose hash it names, so that even a text that slipped through
would stay a text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bioncl import __version__
from bioncl.report import style
from bioncl.report.page import pictures
from bioncl.report.page.text import plain

AWAKE_DARK = "#E69F00"
ASLEEP_DARK = "#56B4E9"
"""Lighter neighbours of the colours in `style`, also from Okabe and Ito, for dark pages."""


def render(
    template: str,
    *,
    title: str,
    numbers: Mapping[str, Any],
    scripts: Sequence[str],
    values: Mapping[str, Any],
) -> str:
    """The text of a page.

    Args:
        template: Name of a template that extends `base.html`.
        title: Title of the page.
        numbers: All numbers of the page; they stand in it as JSON, in the element "numbers".
        scripts: Names of the scripts beside the template, in order.
        values: What else the template uses.
    """
    engine = _engine()
    script = "\n".join(_script(name) for name in scripts)
    own = {
        "title": title,
        "numbers": plain(numbers),
        "script": Markup(script),  # noqa: S704 - our own file
        "policy": _policy(script),
        "version": __version__,
    }
    return engine.get_template(template).render(_colours() | dict(values) | own)


@cache
def _engine() -> Environment:
    engine = Environment(
        loader=PackageLoader("bioncl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return engine


def _script(name: str) -> str:
    return _engine().get_template(name).render()


def _policy(script: str) -> str:
    """Content-Security-Policy: no requests at all, and no script but `script`."""
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashed}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _colours() -> dict[str, str]:
    return {
        "awake": style.AWAKE,
        "asleep": style.ASLEEP,
        "awake_dark": AWAKE_DARK,
        "asleep_dark": ASLEEP_DARK,
        "old": style.AGES["old"],
        "new": style.AGES["new"],
        "ink": style.INK,
        "faint": style.FAINT,
        "above": pictures.ABOVE,
        "below": pictures.BELOW,
    }
