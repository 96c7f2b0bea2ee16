"""`comparison_page`: a comparison as one HTML page."""

from __future__ import annotations

from typing import Any

from bioncl import __version__
from bioncl.experiments.comparison.files import run_records, summary_records
from bioncl.experiments.comparison.summary import Comparison
from bioncl.report.comparison_page.marks import COLOURS
from bioncl.report.comparison_page.sections import PageSettings, sections
from bioncl.report.page.document import render

SCHEMA = 1
_SCRIPTS = ("sort.js",)


def comparison_page(found: Comparison, title: str, how: PageSettings | None = None) -> str:
    """The text of the page: it opens offline, and asks nothing of the network.

    Args:
        found: What it is about.
        title: Of the page.
        how: What it tells besides.
    """
    how = how or PageSettings()
    return render(
        "comparison.html",
        title=title,
        numbers=_numbers(found, title, how),
        scripts=_SCRIPTS,
        values={"blocks": sections(found, how), "marks": COLOURS},
    )


def _numbers(found: Comparison, title: str, how: PageSettings) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "page": "comparison",
        "bioncl": __version__,
        "title": title,
        "how": how,
        "seeds": found.seeds,
        "runs": run_records(found),
        "summary": summary_records(found),
        "pairs": {problem.name: problem.pairs for problem in found.problems},
        "matrices": {
            row.label: {str(seed): values["accuracy"] for seed, values in row.values.items()}
            for row in found.rows
        },
    }
