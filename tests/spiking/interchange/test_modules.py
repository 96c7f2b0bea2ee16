"""Modules of snntorch and norse neurons run a twin as its formulas say."""

import copy

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.graph.populations import INPUT, Flatten, Graph, Linear, Path, Pool, Population
from bioncl.spiking.graph.rate import Coding, rate_code
from bioncl.spiking.interchange import norse_module, snntorch_module, write
from bioncl.spiking.interchange.twin import Twin, chain_twin
from bioncl.traces import MemoryRecorder, Spikes

LOADERS = {"snntorch": snntorch_module.load_snntorch, "norse": norse_module.load_norse}
STEPS = 100


@pytest.fixture(params=LOADERS)
def there_and_back(request, need, tmp_path):
    """A function that writes a twin for one of the libraries and loads it as its module."""
    need(request.param)

    def convert(twin):
        write(twin, request.param, tmp_path / "twin")
        return LOADERS[request.param](tmp_path / "twin")

    return convert


@pytest.mark.parametrize("output", ["spikes", "current"])
@pytest.mark.parametrize(
    ("reset", "decay", "start"),
    [("zero", 1.0, 0.0), ("zero", 0.9, 0.25), ("subtract", 1.0, 0.5), ("subtract", 0.9, 0.5)],
)
def test_a_branched_twin_runs_by_its_formulas(
    there_and_back, branched, slowly, stepwise, output, reset, decay, start
):
    twin = Twin(branched(), decay, reset, start, output)
    inputs = torch.rand(STEPS, 3, 2, 6, 6, dtype=torch.float64)
    expected = slowly(twin, inputs)
    found = stepwise(there_and_back(twin), inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert 0.05 < (expected > 0).double().mean() < 0.95


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "options",
    [{"decay": 0.999}, {"decay": 1.0, "grid": True}, {"inhibition": 0.4, "dc": [0.1, 0, -0.05]}],
)
def test_a_chain_spikes_as_the_night_that_does_not_learn(
    there_and_back, chain, stepwise, options, dtype
):
    raster = torch.rand(STEPS, 30, generator=torch.Generator().manual_seed(1)) < 0.15
    recorder = MemoryRecorder()
    Dense().run(chain(dtype=dtype, **options), [Spikes.from_raster(raster.numpy())], recorder)
    module = there_and_back(chain_twin(chain(dtype=dtype, **options)))
    found = stepwise(module, raster.unsqueeze(1).to(dtype))
    assert found.dtype == dtype
    assert found.squeeze(1).nonzero().tolist() == recorder.events()[-1].tolist()
    assert len(recorder.events()[-1]) > 30


@pytest.mark.parametrize("pooling", ["count", "spikes"])
def test_max_pooling_is_that_of_the_rate_code(there_and_back, branched, stepwise, pooling):
    """The mean current after 60 steps of constant input, reset by subtraction."""
    graph = branched(pool="max")
    twin = Twin(graph, 1.0, "subtract", 0.5, "current", pooling)
    x = torch.rand(4, 2, 6, 6, dtype=torch.float64)
    found = stepwise(there_and_back(twin), [x] * 60).mean(0)
    expected = rate_code(graph, x, [60], Coding(pooling=pooling)).logits[60]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_the_two_ways_of_max_pooling_differ(branched):
    """Otherwise the test above could not tell them apart."""
    x = torch.rand(4, 2, 6, 6, dtype=torch.float64)
    ways = [
        rate_code(branched(pool="max"), x, [60], Coding(pooling=p)) for p in ("count", "spikes")
    ]
    assert not torch.allclose(ways[0].logits[60], ways[1].logits[60], atol=1e-3)


@pytest.mark.parametrize("current", [0.3125, 0.25, 0.75, 3.0])
def test_integrate_and_fire_follows_its_closed_form(there_and_back, stepwise, current):
    """floor(t·I/θ) spikes after t steps while I ≤ θ, and one in each step beyond.

    snntorch's own reset by subtraction sticks at I = 3.
    """
    weight = torch.tensor([[current]], dtype=torch.float64)
    population = Population("output", (1,), (Path(INPUT, (Linear("fc", weight),)),))
    module = there_and_back(Twin(Graph((1,), [population]), 1.0, "subtract"))
    found = stepwise(module, torch.ones(40, 1, 1, dtype=torch.float64)).flatten()
    times = torch.arange(1, 41)
    assert found.cumsum(0).tolist() == torch.minimum(times * current, times).floor().tolist()


def test_gradients_pass_through_the_spikes(there_and_back, branched):
    """The library's surrogate: a loaded twin can be trained on."""
    module = there_and_back(Twin(branched(dtype=torch.float32), 0.9, "subtract", 0.0, "spikes"))
    state, total = None, 0.0
    for _ in range(5):
        output, state = module(torch.ones(2, 2, 6, 6), state)
        total = total + output.sum()
    total.backward()
    assert {name for name, p in module.named_parameters() if p.grad is None} == set()
    assert any(p.grad.abs().sum() > 0 for p in module.parameters())


def test_a_copy_has_weights_of_its_own(there_and_back, branched, stepwise):
    """Parameters are found by name, so that a copy runs with what it was given since."""
    module = there_and_back(Twin(branched(), 0.9, output="current"))
    other = copy.deepcopy(module)
    inputs = torch.rand(3, 1, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        other.layers["fc"].weight.zero_()
        other.biases["output"].fill_(0.5)
    assert (stepwise(other, inputs) == 0.5).all()
    assert not (stepwise(module, inputs) == 0.5).any()


def test_names_that_torch_would_confuse_stay_apart(there_and_back, stepwise):
    """ "a.b" and "a_b" are two populations and two layers."""
    one, two = (Linear(name, torch.full((1, 1), w)) for name, w in (("f.c", 1.0), ("f_c", 0.5)))
    first = Population("a.b", (1,), (Path(INPUT, (one,)),), torch.tensor([0.0]))
    last = Population("a_b", (1,), (Path("a.b", (two,)),), torch.tensor([0.25]))
    module = there_and_back(Twin(Graph((1,), [first, last]), output="current"))
    assert stepwise(module, torch.ones(1, 1, 1)).item() == 0.75


def test_states_of_two_inputs_do_not_mix(there_and_back, branched, stepwise):
    """A module has no memory but the state that it is handed."""
    module = there_and_back(Twin(branched(), 0.9))
    inputs = torch.rand(10, 1, 2, 6, 6, dtype=torch.float64)
    first = stepwise(module, inputs)
    stepwise(module, torch.ones(10, 2, 2, 6, 6, dtype=torch.float64))
    assert torch.equal(stepwise(module, inputs), first)


def test_a_population_may_read_nothing_but_its_bias(there_and_back, stepwise):
    """A constant current of 0.4 fires in every third step from 0, reset to zero."""
    last = Path("dark", (Linear("fc", torch.ones(1, 1)),))
    dark = Population("dark", (1,), (), torch.tensor([0.4]))
    graph = Graph((1,), [dark, Population("output", (1,), (last,))])
    found = stepwise(there_and_back(Twin(graph)), torch.zeros(9, 1, 1)).flatten()
    assert found.nonzero().flatten().tolist() == [2, 5, 8]


def test_a_refractory_period_is_refused(chain):
    network = chain()
    network.refractory = 2
    with pytest.raises(UnsupportedError, match="refractory period: got 2 steps"):
        chain_twin(network)


def test_pools_of_one_source_share_a_count(there_and_back, stepwise):
    """Two populations read the same maxima."""
    one = torch.full((1, 1), 1.0, dtype=torch.float64)
    pool = Pool("max", (2,), (2,), (0,))
    a = Population("a", (1, 2), (Path(INPUT, ()),), threshold=0.7)
    b = Population("b", (1,), (Path("a", (pool, Flatten(), Linear("l", one))),))
    c = Population("c", (1,), (Path("a", (pool, Flatten(), Linear("m", one))), Path("b", ())))
    twin = Twin(Graph((1, 2), [a, b, c]), 1.0, "subtract", 0.0, "current", "count")
    x = torch.tensor([[[0.3, 0.5]]], dtype=torch.float64)
    found = stepwise(there_and_back(twin), [x] * 70).sum(0)
    assert found.item() == 2 * int(70 * 0.5 / 0.7 + 1e-9)


def test_precision_can_be_changed_as_in_any_module(there_and_back, branched, slowly, stepwise):
    """Weights, biases and the library's numbers go along."""
    module = there_and_back(Twin(branched(dtype=torch.float32), 0.9)).double()
    inputs = torch.rand(20, 2, 2, 6, 6, dtype=torch.float64)
    twin = Twin(branched(dtype=torch.float64), 0.9)
    found = stepwise(module, inputs)
    assert found.dtype == torch.float64
    assert (found != slowly(twin, inputs)).double().mean() < 0.01
