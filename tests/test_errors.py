"""Messages: what is wrong, expected, got, way out; and the two families with their exit codes."""

import pytest

from bioncl import errors
from bioncl.errors import BionclError, InputError, Interrupted, RunError, describe, did_you_mean


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "Decay."),
        ({"expected": "0 to 1"}, "Decay: expected 0 to 1."),
        ({"got": 2}, "Decay: got 2."),
        ({"expected": "0 to 1", "got": 2}, "Decay: expected 0 to 1, got 2."),
        ({"got": 0}, "Decay: got 0."),
        ({"got": 2, "hint": "Lower it."}, "Decay: got 2. Lower it."),
    ],
)
def test_describe_puts_the_parts_in_order(parts, message):
    assert describe("Decay", **parts) == message


def test_describe_doubles_no_full_stop():
    assert describe("No such file.", hint="Look again.") == "No such file. Look again."


def test_a_near_name_is_suggested():
    text = did_you_mean("evnt", ["dense", "event"])
    assert text == "Did you mean 'event'? Known: dense, event."


def test_a_far_name_gets_the_list():
    assert did_you_mean("zzz", ["event", "dense"]) == "Known: dense, event."


def test_nothing_known_is_said():
    assert did_you_mean("zzz", []) == "Known: none."


def test_every_error_belongs_to_a_family_and_has_its_code():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if issubclass(kind, BionclError) and kind is not BionclError]
    assert len(ours) >= 9
    for kind in ours:
        assert kind.exit_code == (2 if issubclass(kind, InputError) else 1), kind
        assert issubclass(kind, InputError) != issubclass(kind, RunError), kind


def test_an_interrupt_passes_where_errors_are_caught():
    """`except Exception` around a plug-in must not swallow the user's wish to stop."""
    assert not issubclass(Interrupted, Exception)
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert Interrupted("Go on with x").hint == "Go on with x"
