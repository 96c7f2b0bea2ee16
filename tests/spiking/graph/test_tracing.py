"""Graphs against the networks they were traced from, in eval mode."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from bioncl.errors import InputError, UnsupportedError
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.populations import Convolution, Linear, Scale
from bioncl.spiking.graph.tracing import Traced, trace

TASKS = [[0, 1, 2], [3, 4]]


def ready(model: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with BatchNorm of statistics and scales of any sign, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.2, 2.0, generator=generator)
            if module.affine:
                module.weight.data.normal_(generator=generator)
                module.bias.data.normal_(generator=generator)
    return model.double().eval()


def check(model: nn.Module, *shape: int, seed: int = 0) -> Traced:
    """The traced graph, which must compute what the network does."""
    torch.manual_seed(seed)
    x = torch.randn(5, *shape, dtype=torch.float64)
    traced = trace(model, x[:1])
    with torch.no_grad():
        # Blocked outputs are −1e11 and anything small beside it.
        pair = [y.clamp(min=-1e6) for y in (activations(traced.graph, x)["output"], model(x))]
        torch.testing.assert_close(*pair, rtol=1e-11, atol=1e-11)
    return traced


class PostBlock(nn.Module):
    """A residual unit with ReLU behind the addition; one ReLU module in place, used twice."""

    def __init__(self, pre: int, post: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(pre, post, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(post), nn.BatchNorm2d(post)
        self.conv2 = nn.Conv2d(post, post, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or pre != post:
            parts = nn.Conv2d(pre, post, 1, stride, bias=False), nn.BatchNorm2d(post)
            self.downsample = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


def post_activation() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.MaxPool2d(3, 2, 1),
        PostBlock(4, 4, 1),
        PostBlock(4, 6, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


NETS = {
    "mlp with BatchNorm": (
        lambda: nn.Sequential(
            nn.Linear(12, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 4)
        ),
        (12,),
    ),
    "BatchNorm before layers": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4),
            nn.Flatten(), nn.BatchNorm1d(144), nn.Linear(144, 3),
        ),
        (2, 6, 6),
    ),
    "max pooling before ReLU": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(4, 4, 3, bias=False), nn.MaxPool2d(2, 1), nn.Flatten(), nn.ReLU(),
            nn.Linear(16, 3),
        ),
        (1, 12, 12),
    ),
    "grouped, dilated and depthwise": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 8, 3, groups=2, dilation=2), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8),
            nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6, affine=False), nn.ReLU(),
            nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(54, 3),
        ),
        (4, 10, 10),
    ),
    "one dimension": (
        lambda: nn.Sequential(
            nn.MaxPool1d(2), nn.Conv1d(3, 6, 5, stride=2, padding="valid"), nn.BatchNorm1d(6),
            nn.ReLU(), nn.AvgPool1d(2), nn.Conv1d(6, 6, 3, padding="same"), nn.ReLU(),
            nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 3),
        ),
        (3, 40),
    ),
    "linear layers on the last of two dimensions": (
        lambda: nn.Sequential(
            nn.Linear(5, 7), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(7, 2), nn.Flatten(),
            nn.Linear(8, 3),
        ),
        (4, 5),
    ),
    "average pooling of a current": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.AvgPool2d(2, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(108, 2),
        ),
        (1, 12, 12),
    ),
    "ReLU at the end": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU()), (5,)),
    "a bare layer": (lambda: nn.Linear(5, 4), (5,)),
    "no ReLU": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2)), (5,)),
    "post-activation residual": (post_activation, (1, 16, 16)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_graph_computes_what_the_network_computes(name: str) -> None:
    """Outputs of graph and network are equal in float64."""
    make, shape = NETS[name]
    torch.manual_seed(1)
    check(ready(make()), *shape)


OWN = {
    "mlp": MLP((7, 6)),
    "mlp, dropout scaled at test": MLP((7,), dropout=0.3, dropout_scaling="test"),
    "mlp, published output": MLP((7,), bias=False, output="relu"),
    "convnet": ConvNet((3, 4), hidden=(8,), batch_norm=True),
    "convnet, average, no hidden": ConvNet((3,), kernel=3, hidden=(), pooling="avg", dropout=0.1),
    "resnet": ResNet(1, 3),
    "resnet, 2 blocks a stage": ResNet(2, 3),
}


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
@pytest.mark.parametrize("task", [None, 1])
@pytest.mark.parametrize("name", OWN)
def test_own_networks(name: str, task: int | None, head: str) -> None:
    """Every shipped architecture under every head, with and without a task chosen."""
    from dataclasses import replace

    if name == "mlp, published output" and head != "single":
        pytest.skip("squared error needs the single head")
    model = replace(OWN[name], head=head).build((1, 8, 8), 5, TASKS, 0)
    model.start_task(0)
    model.use_task(task if head != "growing" else None)
    check(ready(model), 1, 8, 8)


def test_float32_is_close() -> None:
    """In single precision outputs agree to 1e-5."""
    torch.manual_seed(0)
    model = ready(post_activation()).float()
    x = torch.randn(8, 1, 16, 16)
    found = activations(trace(model, x).graph, x)["output"]
    torch.testing.assert_close(found, model(x).detach(), rtol=1e-5, atol=1e-5)


LAYERS = st.sampled_from(["conv", "bn", "relu", "avg", "max", "group", "block", "dropout", "scale"])


class Residual(nn.Module):
    """A stack beside a way around it, plus a number."""

    def __init__(self, body: nn.Module, around: nn.Module) -> None:
        super().__init__()
        self.body, self.around = body, around

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.body(x), self.around(x)) + 0.25


class Times(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.7 * (x - 0.1) / 2


def random_stack(kinds: list[str]) -> nn.Sequential:
    """Layers on 4 channels; max pooling is put behind a ReLU, where any values may follow."""
    made: dict[str, object] = {
        "conv": lambda: nn.Conv2d(4, 4, 3, padding=1),
        "group": lambda: nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False),
        "bn": lambda: nn.BatchNorm2d(4),
        "relu": nn.ReLU,
        "avg": lambda: nn.AvgPool2d(3, 1, 1),
        "max": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1)),
        "dropout": lambda: nn.Dropout(0.5),
        "scale": Times,
        "block": lambda: Residual(
            nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
            nn.Identity(),
        ),
    }
    return nn.Sequential(*[made[kind]() for kind in kinds])  # type: ignore[operator]


@settings(max_examples=60)
@given(
    first=st.lists(LAYERS, max_size=6), second=st.lists(LAYERS, max_size=5), seed=st.integers(0, 99)
)
def test_random_networks(first: list[str], second: list[str], seed: int) -> None:
    """Any order of layers, with a residual connection around some of them."""
    torch.manual_seed(seed)
    ways = random_stack(second), nn.Conv2d(4, 4, 1)
    model = nn.Sequential(
        random_stack(first), Residual(*ways), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3)
    )
    check(ready(model, seed), 4, 5, 5, seed=seed)


class Functional(nn.Module):
    """Everything by functions and methods, with flattening by sizes."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3, padding=1)
        self.last = nn.Linear(3 if way == "mean" else 75, 2)
        self.way = way

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
        y = self.conv2(x) * scale
        functional.relu_(y)
        x = functional.dropout(x - y, 0.5, self.training).relu()
        return functional.log_softmax(self.last(self.flat(x)), dim=1)

    def flat(self, x: Tensor) -> Tensor:
        return {
            "size": lambda: x.view(x.size(0), -1),
            "shape": lambda: x.reshape(x.shape[0], -1),
            "tuple": lambda: torch.reshape(x, (-1, 75)),
            "flatten": lambda: torch.flatten(x, 1),
            "mean": lambda: x.mean((2, 3)),
        }[self.way]()


@pytest.mark.parametrize("way", ["size", "shape", "tuple", "flatten", "mean"])
def test_functions_and_methods(way: str) -> None:
    """A network written with functions; its final softmax is dropped, defaults are kept."""
    torch.manual_seed(0)
    model = Functional(way).double()
    x = torch.randn(4, 1, 12, 12, dtype=torch.float64)
    traced = trace(model, x[:2])
    assert model.training
    model.eval()
    found = activations(traced.graph, x)["output"].log_softmax(1)
    torch.testing.assert_close(found, model(x).detach(), rtol=1e-11, atol=1e-11)
    assert [p.name for p in traced.graph.populations] == ["conv1", "conv2", "conv2.2", "output"]


def test_batch_norm_is_folded_where_only_it_reads_the_layer() -> None:
    """Convolution, BatchNorm: one operation; a stream read twice: one convolution, two scales."""
    plain = check(ready(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())), 1, 5, 5)
    assert [type(op) for op in plain.graph.populations[0].paths[0].ops] == [Convolution]
    model = ready(ResNet(2, 3).build((1, 8, 8), 5, [[0, 1, 2, 3, 4]], 0))
    graph = check(model, 1, 8, 8).graph
    stem = graph.layers()["parts.0"]
    reads = [path for pop in graph.populations for path in pop.paths if path.ops[:1] == (stem,)]
    assert len(reads) == 3
    assert [[type(op) for op in path.ops] for path in reads] == [[Convolution, Scale]] * 3


def test_a_layer_used_twice_is_one_operation() -> None:
    """BatchNorm behind one of two uses of a layer is not folded into it."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.fc(self.fc(x).relu()))

    graph = check(ready(Twice()), 4).graph
    uses = [op for pop in graph.populations for p in pop.paths for op in p.ops]
    assert len({id(op) for op in uses if isinstance(op, Linear)}) == 1


def test_names_are_those_of_modules() -> None:
    """A ReLU's own path, or the layer's before it; "output" last; a reused ReLU gets numbers."""
    model = nn.Sequential(post_activation()[0], PostBlock(4, 4, 1))
    names = [p.name for p in trace(model, torch.zeros(1, 1, 8, 8)).graph.populations]
    assert names == ["0.2", "1.relu", "1.relu.2", "output"]


def test_tracing_leaves_the_model_alone() -> None:
    """No parameter, statistic or mode changes, and the graph's tensors are copies."""
    model = ready(post_activation())
    model.train()
    model[3].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    traced = trace(model, torch.zeros(1, 1, 16, 16, dtype=torch.float64))
    for op in traced.graph.layers().values():
        op.weight.zero_()
    for population in traced.graph.populations:
        if population.bias is not None:
            population.bias.zero_()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert modes == [m.training for m in model.modules()]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)), ["Layer 1 (Sigmoid)"]),
        (nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)), ["Softmax"]),
        (nn.Sequential(nn.Linear(4, 4), nn.MaxPool1d(2)), ["1 (MaxPool1d)", "batch"]),
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)), ["stat"]),
        (nn.Sequential(nn.Linear(3, 4)), ["Layer 0 (Linear)", "shape (4,)"]),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))), ["computed"]),
    ],
)
def test_unsupported_layers_are_named(model: nn.Module, words: list[str]) -> None:
    """The message has the layer's path and type, what is supported, and leave_out."""
    with pytest.raises(UnsupportedError) as caught:
        trace(model, torch.zeros(2, 4))
    for word in [*words, "Linear, Conv1d", "leave_out="]:
        assert word in str(caught.value)


IMAGES = {
    "adds maxima": lambda x: functional.max_pool2d(x - 1, 2) + x.mean((2, 3), keepdim=True),
    "turns channels round": lambda x: (functional.max_pool2d(x - 1, 2) * -1).relu(),
    "sizes must be equal": lambda x: x + x.mean((2, 3), keepdim=True),
    "is the last step": lambda x: functional.max_pool2d(x - 1, 2),
    "without a ReLU": lambda x: functional.avg_pool2d(functional.max_pool2d(x - 1, 2), 2),
    "joins the samples": torch.flatten,
    "only flattening": lambda x: x.view(-1, 2, 18),
    "all pixels": lambda x: x.mean(1),
    "shared out": lambda x: functional.adaptive_avg_pool2d(x, 4),
    "over the border": lambda x: functional.avg_pool2d(x, 4, ceil_mode=True),
    "size of the window": lambda x: functional.avg_pool2d(x, 2, padding=1, count_include_pad=False),
    "dilation": lambda x: functional.max_pool2d(x, 2, dilation=2),
    "drops at inference": functional.dropout,
    "something other": lambda x: x * x,
    "a part of a tensor": lambda x: x[:, 0],
    "sigmoid": torch.sigmoid,
    "changes precision": lambda x: x.to(torch.float64),
    "changes precision or device": lambda x: x.to(device="cpu"),
}


class Only(nn.Module):
    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize("words", IMAGES)
def test_steps_without_twin_say_why(words: str) -> None:
    """Each refusal tells its reason."""
    with pytest.raises(UnsupportedError, match=words):
        trace(Only(IMAGES[words]), torch.zeros(2, 2, 6, 6))


def test_relu_of_what_is_positive_is_no_population() -> None:
    """ReLU twice is one population, unless a negative number stands between."""
    assert len(check(Only(lambda x: x.relu().relu() + 0.5 * x), 3).graph.populations) == 2
    assert len(check(Only(lambda x: (-1 * x.relu()).relu() + x), 3).graph.populations) == 3


def test_order_in_memory_changes_nothing() -> None:
    """As networks choose it for speed, and undo it."""
    image = trace(Only(lambda x: x.relu()), torch.zeros(1, 2, 6, 6)).graph
    there_and_back = trace(
        Only(lambda x: x.to(memory_format=torch.channels_last).relu().contiguous()),
        torch.zeros(1, 2, 6, 6),
    ).graph
    assert str(there_and_back.populations) == str(image.populations)
    named = lambda x: x.contiguous(memory_format=torch.channels_last).relu()  # noqa: E731
    assert trace(Only(named), torch.zeros(1, 2, 6, 6)).graph.populations


def test_forward_that_depends_on_values() -> None:
    """A branch on data cannot be followed."""
    model = Only(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(UnsupportedError, match="cannot be followed"):
        trace(model, torch.zeros(1, 3))


def test_leaving_out() -> None:
    """A left-out layer or function passes its input on, if it keeps the shape."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    graph = trace(model, torch.zeros(1, 4).double(), leave_out=["1"]).graph
    x = torch.randn(3, 4).double()
    expected = model[2](model[0](x)).detach()
    torch.testing.assert_close(activations(graph, x)["output"], expected, rtol=1e-12, atol=1e-12)
    assert trace(Only(torch.sigmoid), x, leave_out=["sigmoid"]).graph.populations
    with pytest.raises(UnsupportedError, match="cannot be left out"):
        trace(model, x, leave_out=["1", "2"])
    with pytest.raises(InputError, match="Unknown name '3'"):
        trace(model, x, leave_out=["3"])


def test_two_inputs_and_bad_samples_are_refused() -> None:
    """The network must depend on one tensor, and a sample needs a batch."""

    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(UnsupportedError, match="one tensor"):
        trace(Two(), torch.zeros(1, 3))
    with pytest.raises(InputError, match="Sample"):
        trace(nn.Linear(3, 3), torch.zeros(3))
