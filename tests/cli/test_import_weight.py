"""What is imported when: `import bioncl` and every --help stay light."""

import subprocess
import sys

import pytest

from bioncl.cli.main import COMMANDS

HEAVY = {"torch", "numpy", "numba", "h5py", "matplotlib", "pydantic", "sklearn", "rich", "pooch"}

# Python's own module `copy` looks for `org.python.core`, to know whether it runs on Jython.
PROBED = {"org"}


def imported(*arguments: str) -> set[str]:
    """Top-level names of the modules that `python ARGUMENTS` imports, told by the interpreter."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().partition(".")[0] for line in lines}


def foreign(names: set[str]) -> set[str]:
    """Those of other projects, the interpreter's own start-up left out."""
    own = imported("-c", "pass") | sys.stdlib_module_names | PROBED
    return {name for name in names - own if not name.startswith("_")}


def test_the_package_imports_nothing_foreign():
    assert foreign(imported("-c", "import bioncl")) == {"bioncl"}


def test_help_imports_only_click():
    assert foreign(imported("-m", "bioncl", "--help")) == {"bioncl", "click"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command):
    assert not imported("-m", "bioncl", command, "--help") & HEAVY


def test_the_check_sees_a_heavy_import():
    """Otherwise the tests above could not fail."""
    assert "numpy" in foreign(imported("-c", "import bioncl.traces.spikes"))
