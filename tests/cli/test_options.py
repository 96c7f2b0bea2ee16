"""Shared options: JSON that any reader takes, and columns that line up."""

import json

import pytest

from bioncl.cli.options import print_json, print_table


def test_json_is_one_object(capsys):
    print_json({"a": [1, None], "b": "ä"})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None], "b": "ä"}


def test_json_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="JSON"):
        print_json({"a": float("nan")})


def test_columns_line_up(capsys):
    print_table([("name", "what"), ("a", "x y"), ("long name", "")])
    assert capsys.readouterr().out == "name       what\na          x y\nlong name\n"
