"""Parts of a conversion: which examples, how long, in which units."""

import pytest
import torch

from bioncl.errors import InputError
from bioncl.experiments.convert import Choice, in_units_of_logits, spread
from bioncl.spiking.graph.normalise import normalise
from bioncl.spiking.graph.populations import INPUT, Graph, Linear, Path, Population
from bioncl.streams.stream import Examples


def test_examples_are_spread_over_all_parts():
    parts = [Examples(torch.full((n, 1), float(n)), torch.arange(n)) for n in (10, 30)]
    chosen = spread(parts, 8)
    assert chosen.x.flatten().tolist() == [10, 10, 30, 30, 30, 30, 30, 30]
    assert chosen.y.tolist() == [0, 5, 0, 5, 10, 15, 20, 25]
    for count in (0, 40, 100):
        assert len(spread(parts, count)) == 40


@pytest.mark.parametrize(
    ("steps", "times"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])]
)
def test_the_twin_is_read_at_powers_of_two_and_at_the_end(steps, times):
    assert Choice("norse", steps=steps).times == times


def test_nir_resets_to_zero_and_starts_there():
    assert (Choice("nir").coding.reset, Choice("nir").coding.start()) == ("zero", 0.0)
    assert (Choice("norse").coding.reset, Choice("norse").coding.start()) == ("subtract", 0.5)
    assert Choice("norse", reset="zero").coding.start() == 0.0


def test_signed_spikes_are_refused_where_the_reset_is_to_zero():
    assert Choice("snntorch", signed=True).coding.signed
    for wrong in ({"to": "nir"}, {"to": "norse", "reset": "zero"}):
        with pytest.raises(InputError, match="Signed spikes with reset to zero"):
            Choice(**wrong, signed=True)


@pytest.mark.parametrize("wrong", [{"to": "onnx"}, {"steps": 0}, {"examples": -1}])
def test_wrong_choices_are_refused(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        Choice(**{"to": "nir"} | wrong)


def test_the_output_gets_its_units_back():
    """Hidden activations reach 4, outputs −6: at full rate the output's current is −6 again."""
    hidden = Population("hidden", (1,), (Path(INPUT, (Linear("a", torch.tensor([[4.0]])),)),))
    to_output = Path("hidden", (Linear("b", torch.tensor([[-1.5], [2.0]])),))
    output = Population("output", (2,), (to_output,), torch.tensor([0.5, -1.0]))
    graph = Graph((1,), [hidden, output])
    scales = normalise(graph, torch.tensor([[1.0], [0.5]]), "max")
    in_units_of_logits(graph, scales)
    path = output.paths[0]
    current = path.gain * path(torch.ones(1, 1)) + output.bias
    torch.testing.assert_close(current, torch.tensor([[-5.5, 7.0]]))
    assert scales == {"input": 1.0, "hidden": 4.0, "output": 1.0}
