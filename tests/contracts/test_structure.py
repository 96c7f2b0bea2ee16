"""The size budget and the naming of the code, file by file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "bioncl").rglob("*.py"))
VAGUE = {"util", "utils", "common", "misc", "helper", "helpers", "base"}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of(function: FUNCTION) -> int:
    """Lines of a function, its docstring left out."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def functions_of(tree: ast.AST) -> list[FUNCTION]:
    """All functions and methods, nested ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTION)]


def classes_of(tree: ast.AST) -> list[ast.ClassDef]:
    """All classes."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(ROOT)))
def file(request):
    return request.param


@pytest.fixture
def tree(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def test_a_file_has_at_most_400_lines(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_a_name_says_what_is_inside(file):
    assert not {part.strip("_") for part in file.relative_to(ROOT).with_suffix("").parts} & VAGUE


def test_a_function_has_at_most_60_lines(tree):
    sizes = {function.name: lines_of(function) for function in functions_of(tree)}
    assert {name: size for name, size in sizes.items() if size > 60} == {}


def test_a_class_has_at_most_20_methods(tree):
    for kind in classes_of(tree):
        methods = [f.name for f in kind.body if isinstance(f, FUNCTION)]
        assert len([name for name in methods if not name.startswith("__")]) <= 20, kind.name


def test_arguments_are_named(tree, file):
    """`**kwargs` only at the edges: where click's are passed on, and where Avalanche passes its."""
    if file.name in {"lazy.py", "trace_options.py"} and file.parent.name == "cli":
        return
    if file.name == "avalanche.py" and file.parent.name == "adapters":
        return
    assert [f.name for f in functions_of(tree) if f.args.kwarg] == []
