"""NIR graphs: other libraries load them and give the twin's output."""

import numpy as np
import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Flatten,
    Graph,
    Linear,
    Path,
    Pool,
    Population,
)
from bioncl.spiking.interchange import write
from bioncl.spiking.interchange.nir_format import DT, to_nir
from bioncl.spiking.interchange.twin import Twin, chain_twin
from bioncl.traces import MemoryRecorder, Spikes

STEPS = 100
# norse 1.1.0 loads with a function that nirtorch has replaced.
pytestmark = pytest.mark.filterwarnings("ignore:nirtorch.load is being deprecated")


@pytest.fixture
def snntorch(need):
    """A function that loads a NIR file with snntorch."""
    nir, importer = need("nir"), need("snntorch.import_nir")
    return lambda path: importer.import_from_nir(nir.read(path))


@pytest.fixture(params=["snntorch", "norse"])
def read(request, need):
    """A function that loads a NIR file with another library, knowing nothing of ours but dt."""
    if request.param == "snntorch":
        return request.getfixturevalue("snntorch")
    nir, norse = need("nir"), need("norse.torch")
    return lambda path: norse.from_nir(nir.read(path), dt=DT)


@pytest.fixture
def nir(need):
    return need("nir")


def outputs(network, raster):
    """The spikes of the last layer in a night that learns nothing, bool [steps, n]."""
    recorder = MemoryRecorder()
    Dense().run(network, [Spikes.from_raster(raster.numpy())], recorder)
    found = np.zeros((len(raster), network.sizes[-1]), bool)
    found[tuple(recorder.events()[-1].T)] = True
    return found


@pytest.mark.parametrize(
    ("decay", "grid", "inhibition"),
    [
        (0.999, False, 0.0),
        (0.999, False, 0.4),
        (0.9, True, 0.0),
        (0.5, True, 0.0),
        (0.0, True, 0.0),
        (1.0, False, 0.0),
        (1.0, True, 0.0),
    ],
)
def test_a_chain_gives_the_twins_output_spikes(
    read, chain, stepwise, tmp_path, decay, grid, inhibition
):
    """Also where sums meet thresholds exactly, and where membranes do not leak."""
    raster = torch.rand(STEPS, 30, generator=torch.Generator().manual_seed(1)) < 0.15
    made = chain(3, decay, grid=grid, inhibition=inhibition)
    true = outputs(chain(3, decay, grid=grid, inhibition=inhibition), raster)
    write(chain_twin(made), "nir", tmp_path / "twin.nir")
    found = stepwise(read(tmp_path / "twin.nir"), raster.unsqueeze(1).float())
    np.testing.assert_array_equal(found.squeeze(1).numpy() > 0, true)
    assert true.sum() > 20


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_a_convolutional_chain_gives_the_twins_currents(
    read, branched, slowly, stepwise, tmp_path, decay
):
    """Groups, average pooling, scales, gains and flattening."""
    graph = branched(4, torch.float32)
    graph.populations[1].paths = graph.populations[1].paths[:1]
    check(read, Twin(graph, decay, "zero", 0.0, "current"), slowly, stepwise, tmp_path)


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_a_branched_network_gives_the_twins_currents(
    snntorch, branched, slowly, stepwise, tmp_path, decay
):
    """With strides and two paths into one population; norse runs branches in a wrong order."""
    twin = Twin(branched(4, torch.float32), decay, "zero", 0.0, "current")
    check(snntorch, twin, slowly, stepwise, tmp_path)


def check(read, twin, slowly, stepwise, folder):
    """Another library's currents over 100 steps are those of the slow way."""
    write(twin, "nir", folder / "twin.nir")
    generator = torch.Generator().manual_seed(2)
    inputs = torch.rand(STEPS, 3, *twin.graph.input_shape, generator=generator)
    true = slowly(twin, inputs)
    found = stepwise(read(folder / "twin.nir"), inputs)
    torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-4)
    assert true.std() > 0.2


def test_skips_without_weights_and_outputs_that_add_up(snntorch, slowly, stepwise, tmp_path):
    """A path without weights gets a gain of its own; two paths into an output of currents."""
    rng = np.random.default_rng(5)
    fc1, fc2, fc3 = (
        Linear(f"fc{n}", torch.tensor(rng.normal(0, 0.6, (6, 6)), dtype=torch.float32))
        for n in (1, 2, 3)
    )
    one = Population("one", (6,), (Path(INPUT, (fc1,), 0.9),), torch.full((6,), 0.1))
    paths = (Path("one", (), 0.4), Path("one", (fc2,), 1.1), Path(INPUT, (), 0.3))
    two = Population("two", (6,), paths, torch.full((6,), 0.05))
    output = Population("output", (6,), (Path("one", (fc3,)), Path("two", (), 2.0)))
    twin = Twin(Graph((6,), [one, two, output]), 0.95, "zero", 0.0, "current")
    check(snntorch, twin, slowly, stepwise, tmp_path)


def test_padded_average_pooling_and_a_bias_behind_flattening(read, slowly, stepwise, tmp_path):
    conv = Convolution("conv", torch.randn(3, 2, 3, 3), (1, 1), (0, 0), (1, 1))
    pool = Pool("avg", (2, 2), (2, 2), (1, 1))
    path = Path(INPUT, (conv, pool, Flatten()), 0.8)
    graph = Graph((2, 6, 6), [Population("output", (27,), (path,), torch.linspace(0, 0.2, 27))])
    twin = Twin(graph, 0.9, "zero", 0.0, "current")
    check(read, twin, slowly, stepwise, tmp_path)


def test_convolutions_in_one_dimension(snntorch, slowly, stepwise, tmp_path):
    """norse knows no Conv1d."""
    conv = Convolution("conv", torch.randn(4, 1, 3), (1,), (1,), (1,), groups=2)
    pool, last = Pool("avg", (2,), (2,), (0,)), Linear("fc", torch.randn(3, 16))
    graph = Graph(
        (2, 8),
        [
            Population("a", (4, 8), (Path(INPUT, (conv,)),), torch.full((4, 1), 0.1)),
            Population("output", (3,), (Path("a", (pool, Flatten(), last)),)),
        ],
    )
    twin = Twin(graph, 0.9, "zero", 0.0, "current")
    check(snntorch, twin, slowly, stepwise, tmp_path)


def test_the_equations_are_those_of_the_twin(nir, chain, tmp_path):
    """By hand: tau = dt/(1 − decay), weights · gain · tau/dt, threshold a millionth below."""
    network = chain(decay=0.9)
    write(chain_twin(network), "nir", tmp_path / "twin.nir")
    graph = nir.read(tmp_path / "twin.nir")
    neurons, weights = graph.nodes["layer2"], graph.nodes["layer2_weight"]
    np.testing.assert_allclose(neurons.tau, 1e-3)
    assert (neurons.r == 1).all()
    assert (neurons.v_leak == 0).all()
    assert (neurons.v_threshold < 0.5).all()
    np.testing.assert_allclose(neurons.v_threshold, 0.5, rtol=1.1e-6)
    np.testing.assert_allclose(weights.weight, 10 * 0.5 * network.weights[1].numpy(), rtol=1e-6)
    np.testing.assert_allclose(weights.bias, 10 * 0.5 * network.biases[1].numpy(), rtol=1e-6)
    assert float(graph.metadata["dt"]) == 1e-4
    assert float(graph.metadata["decay"]) == 0.9
    assert graph.metadata["output"] == "spikes"


def test_shapes_are_known_without_running(nir, branched, tmp_path):
    """nir's own check of types passes, and input and output are those of the network."""
    write(Twin(branched(), output="current"), "nir", tmp_path / "twin.nir")
    graph = nir.read(tmp_path / "twin.nir")
    assert graph.check_types()
    assert graph.input_type["input"].tolist() == [2, 6, 6]
    assert graph.output_type["out"].tolist() == [4]


def pixel_bias(graph):
    graph.populations[0].bias = torch.rand(3, 6, 6)


def oblong(graph):
    graph.populations[0].paths[0].ops[0].weight = torch.rand(3, 2, 3, 1)


def dark(graph):
    graph.populations[0].paths = ()


@pytest.mark.parametrize(
    ("change", "numbers", "reason"),
    [
        (None, {"reset": "subtract"}, "reset 'subtract'.*--reset zero"),
        (None, {"start": 0.5}, "begin at 0.5"),
        (pixel_bias, {}, "bias of a, which differs between pixels"),
        (oblong, {}, "not square"),
        (dark, {}, "a reads nothing but its bias"),
    ],
)
def test_what_nir_cannot_say_is_refused(nir, branched, tmp_path, change, numbers, reason):
    graph = branched()
    if change:
        change(graph)
    (tmp_path / "twin.nir").write_text("kept")
    with pytest.raises(UnsupportedError, match=reason):
        write(Twin(graph, **numbers), "nir", tmp_path / "twin.nir")
    assert (tmp_path / "twin.nir").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1


def test_max_pooling_is_refused_with_a_way_out(nir, branched):
    with pytest.raises(UnsupportedError, match="max pooling.*average pooling, or convert to snn"):
        to_nir(Twin(branched(pool="max")))


def test_partial_flattening_and_layers_on_many_dimensions_are_refused(nir):
    flat = Path(INPUT, (Flatten(2),))
    wide = Path(INPUT, (Linear("fc", torch.ones(3, 4)),))
    for path, shape, reason in ((flat, (2, 12), "some dimensions"), (wide, (2, 3, 3), "fc: a lin")):
        graph = Graph((2, 3, 4), [Population("output", shape, (path,))])
        with pytest.raises(UnsupportedError, match=reason):
            to_nir(Twin(graph))


def test_without_the_library_it_says_how_to_install_it(chain, monkeypatch, tmp_path):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr("importlib.import_module", refuse)
    from bioncl.spiking.interchange import nir_format

    with pytest.raises(UnsupportedError, match=r"nir.*pip install 'bioncl\[snn\]'"):
        nir_format.write(chain_twin(chain()), tmp_path / "twin.nir")
