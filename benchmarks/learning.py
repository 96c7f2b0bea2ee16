"""What learning costs: beside plain torch loops, beside Avalanche, and outside its mathematics.

    python benchmarks/learning.py [--rounds N] [--hidden SIZES ...] [--share-rounds N] [--no-shares]
        [--out FILE]

Split MNIST, class-incremental, whole: five tasks of two digits, one pass each, 471 steps of 128 in
all, SGD with lr 0.1. After each task all test data is scored, 50,000 images in all, in batches of
2,000. One process, one thread, CPU time; each round runs every contestant once, and a figure is the
least of all rounds. All begin with the same weights.

    plain loader     a loop as most people write it, over DataLoader(TensorDataset(x, y))
    plain slices     the same over slices of the tensors
    bioncl           train_task and scores, as a run calls them
    bare sums        GEM's matrix products alone, written out without autograd, and bioncl's solver:
                     what any GEM on dense matrices has to pay
    Avalanche        its own SplitMNIST benchmark, whose images are made tensors one by one
    Avalanche fast   Avalanche over tensors that are ready, as fast as it gets

Avalanche measures accuracy in evaluation alone and logs nothing, which is less than it does as it
comes. It takes part where it can be imported, with quadprog. Where it cannot, its cost is estimated
by the ratios in `PUBLISHED`, measured elsewhere once beside a plain loop on a network that was not
noted: training from the plain loader's time, evaluation from that of the plain slices. Where both
were measured, on 784-100-100-10, this agreed within a third.

The methods are the same in kind, not in every detail. Rehearsal has 1,000 stored examples, and 128
of them beside each 128 new ones: Avalanche draws both into one batch, bioncl appends the stored
ones to the task's data until they are as many (its other way, mix=loss, has a row of its own). GEM
judges each step by 256 examples of each old task. SplitMNIST also standardises its pixels.

Then `learning_shares` tells how much of its time each method spends outside its mathematics.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.metadata
import io
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import learning_shares
import night
import torch
from bare_gem import BareGEM
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from bioncl.learning.learner import Learner
from bioncl.learning.loop import train_task
from bioncl.learning.method import Method, Together
from bioncl.learning.training import Training
from bioncl.methods.gem import GEM
from bioncl.methods.naive import Naive
from bioncl.methods.rehearsal import Rehearsal
from bioncl.models.mlp import MLP, MLPNetwork
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.mnist import Mnist
from bioncl.streams.source import DataSource
from bioncl.streams.split import Split
from bioncl.streams.stream import Examples, Stream, Task

LR, BATCH, EVALUATION_BATCH, SEED = 0.1, 128, 2000, 0
PUBLISHED = {"naive": (18.7, 9.8), "rehearsal": (27.1, 10.1), "gem": (29.0, 8.0)}
PUBLISHED_PLAIN = (3.6, 0.5)
"""CPU seconds of Avalanche, and of a plain loop beside it: training and evaluation, 471 steps."""

Contestant = tuple[Callable[[int], object], Callable[[], float]]
"""Learns the task at an index; scores all test data."""


@dataclass(frozen=True)
class Setting:
    """What all contestants learn, and on which network."""

    stream: Stream
    hidden: tuple[int, ...]

    def network(self) -> MLPNetwork:
        """The untrained network of bioncl."""
        groups = [self.stream.task(i).outputs for i in range(len(self.stream))]
        return MLP(self.hidden).build(self.stream.input_shape, self.stream.outputs, groups, SEED)

    def sequential(self) -> nn.Sequential:
        """The same network as the others have it."""
        linear = [m for m in self.network().modules() if isinstance(m, nn.Linear)]
        between = [part for layer in linear[:-1] for part in (layer, nn.ReLU())]
        return nn.Sequential(nn.Flatten(), *between, linear[-1])


# -- contestants ---------------------------------------------------------------------------------

Cutting = Callable[[Examples, int, bool], Iterable[tuple[Tensor, Tensor]]]


def loader(examples: Examples, size: int, shuffle: bool) -> Iterable[tuple[Tensor, Tensor]]:
    """Batches from a DataLoader."""
    return DataLoader(TensorDataset(examples.x, examples.y), batch_size=size, shuffle=shuffle)


def slices(examples: Examples, size: int, shuffle: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches by slicing and indexing."""
    if not shuffle:
        yield from zip(examples.x.split(size), examples.y.split(size), strict=True)
        return
    for chosen in torch.randperm(len(examples)).split(size):
        yield examples.x[chosen], examples.y[chosen]


def plain(cut: Cutting, setting: Setting) -> Contestant:
    """Naive training as a plain loop."""
    model = setting.sequential()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    tasks = list(setting.stream.tasks())

    def learn(index: int) -> None:
        for x, y in cut(tasks[index].train, BATCH, True):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    return learn, lambda: right_share(model, tasks, cut)


def right_share(model: nn.Module, tasks: Sequence[Task], cut: Cutting) -> float:
    """The share of all test data that `model` gets right."""
    right = 0
    with torch.no_grad():
        for task in tasks:
            for x, y in cut(task.test, EVALUATION_BATCH, False):
                right += int((model(x).argmax(1) == y).sum())
    return right / sum(len(task.test) for task in tasks)


def ours(make: Callable[[], Method], setting: Setting) -> Contestant:
    """A method of bioncl."""
    training = Training(lr=LR, batch_size=BATCH)
    learner = Learner(setting.network, setting.stream, training, seed=SEED)
    methods = Together([make()])
    methods.attach(learner)
    tasks = list(setting.stream.tasks())
    return lambda i: train_task(learner, methods, tasks[i]), lambda: learner.scores().all


def bare_gem(setting: Setting) -> Contestant:
    """GEM's sums and nothing else."""
    model = setting.sequential()
    sums = BareGEM([m for m in model if isinstance(m, nn.Linear)], memory=256, margin=0.5, lr=LR)
    tasks = list(setting.stream.tasks())

    def learn(index: int) -> None:
        sums.learn(slices(tasks[index].train, BATCH, True))

    return learn, lambda: right_share(model, tasks, slices)


def avalanche(name: str, root: Path | None, setting: Setting) -> Contestant:
    """A method of Avalanche, on SplitMNIST from files in `root`, or on tensors for None."""
    from avalanche.evaluation.metrics import accuracy_metrics
    from avalanche.training import supervised
    from avalanche.training.plugins import EvaluationPlugin

    kinds = {
        "naive": supervised.Naive,
        "rehearsal": partial(supervised.Replay, mem_size=1000),
        "gem": partial(supervised.GEM, patterns_per_exp=256, memory_strength=0.5),
    }
    model = setting.sequential()
    benchmark = as_tensors(setting.stream) if root is None else split_mnist(root)
    strategy = kinds[name](
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=LR),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=BATCH,
        train_epochs=1,
        eval_mb_size=EVALUATION_BATCH,
        evaluator=EvaluationPlugin(accuracy_metrics(experience=True, stream=True), loggers=[]),
    )
    experiences = list(benchmark.train_stream)

    def score() -> float:
        found = strategy.eval(benchmark.test_stream)
        return float(next(v for k, v in found.items() if k.startswith("Top1_Acc_Stream")))

    return lambda i: strategy.train(experiences[i]), score


def split_mnist(root: Path) -> Any:
    """Avalanche's own benchmark."""
    from avalanche.benchmarks.classic import SplitMNIST

    return SplitMNIST(5, fixed_class_order=list(range(10)), dataset_root=root)


def as_tensors(stream: Stream) -> Any:
    """Avalanche's benchmark over tensors."""
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as made

    train = [made(task.train.x, task.train.y, task_labels=0) for task in stream.tasks()]
    test = [made(task.test.x, task.test.y, task_labels=0) for task in stream.tasks()]
    return benchmark_from_datasets(train=train, test=test)


def unpacked(folder: Path) -> Path:
    """`folder`, with MNIST's files in it as torchvision looks for them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in Mnist().paths(DataPlaces()):
        with gzip.open(path) as packed, (raw / path.stem).open("wb") as file:
            shutil.copyfileobj(packed, file)
    return folder


# -- costs ---------------------------------------------------------------------------------------


def contestants(root: Path | None) -> dict[tuple[str, str], Callable[[Setting], Contestant]]:
    """All of them, by method and name; those of Avalanche where `root` holds its files."""
    kinds: dict[str, Callable[[], Method]] = {
        "naive": Naive,
        "rehearsal": partial(Rehearsal, memory=1000, mix="append", repeat=True),
        "gem": partial(GEM, memory=256, margin=0.5),
    }
    found: dict[tuple[str, str], Callable[[Setting], Contestant]] = {
        ("naive", "plain loader"): partial(plain, loader),
        ("naive", "plain slices"): partial(plain, slices),
    }
    found["rehearsal", "bioncl mix=loss"] = partial(ours, partial(Rehearsal, memory=1000))
    found["gem", "bare sums"] = bare_gem
    for method, make in kinds.items():
        found[method, "bioncl"] = partial(ours, make)
        if root is not None:
            found[method, "Avalanche"] = partial(avalanche, method, root)
            found[method, "Avalanche fast"] = partial(avalanche, method, None)
    return found


def cost(make: Callable[[Setting], Contestant], setting: Setting) -> tuple[float, float, float]:
    """CPU seconds of training and of evaluation, and the accuracy in the end."""
    torch.manual_seed(SEED)
    learn, score = make(setting)
    train = evaluate = accuracy = 0.0
    for index in range(len(setting.stream)):
        start = time.process_time()
        learn(index)
        learnt = time.process_time()
        accuracy = score()
        evaluate += time.process_time() - learnt
        train += learnt - start
    return train, evaluate, accuracy


def costs(setting: Setting, rounds: int, root: Path | None) -> dict[str, Any]:
    """What every contestant costs: method by method."""
    runs: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for _ in range(rounds):
        for who, make in contestants(root).items():
            with contextlib.redirect_stdout(io.StringIO()):
                runs.setdefault(who, []).append(cost(make, setting))
    table: dict[str, Any] = {method: {} for method, _ in runs}
    for (method, name), each in runs.items():
        train, evaluate, accuracy = (list(column) for column in zip(*each, strict=True))
        table[method][name] = {
            "train": min(train),
            "evaluate": min(evaluate),
            "accuracy": accuracy[0],
            "all": {"train": train, "evaluate": evaluate},
        }
    if root is None:
        estimate(table)
    return table


def estimate(table: dict[str, Any]) -> None:
    """Add what Avalanche would cost by the published ratios."""
    naive = table["naive"]
    plain_loop = (naive["plain loader"]["train"], naive["plain slices"]["evaluate"])
    for method, published in PUBLISHED.items():
        times = zip(plain_loop, published, PUBLISHED_PLAIN, strict=True)
        train, evaluate = (own * theirs / base for own, theirs, base in times)
        row = {"train": train, "evaluate": evaluate, "accuracy": None}
        table[method]["Avalanche, estimated"] = row


def show(hidden: tuple[int, ...], table: dict[str, Any]) -> None:
    """Print the costs, and how many times those of bioncl they are."""
    print("-".join(map(str, (784, *hidden, 10))))
    print(f"  {'':32}{'training':>16}{'evaluation':>20}{'accuracy':>14}")
    for method, rows in table.items():
        own = rows["bioncl"]
        for name, row in rows.items():
            times = (row["train"] / own["train"], row["evaluate"] / own["evaluate"])
            accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:12.3f}"
            print(
                f"  {method:10} {name:21}{row['train']:8.2f} s {times[0]:5.1f}x"
                f"{row['evaluate']:11.2f} s {times[1]:5.1f}x{accuracy}"
            )


# -- all together --------------------------------------------------------------------------------


def missing() -> str:
    """Why Avalanche cannot take part; empty if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import avalanche.training.supervised  # noqa: F401
            import quadprog  # noqa: F401
    except (ImportError, RuntimeError) as error:
        return str(error)
    return ""


def versions() -> dict[str, str]:
    """Those of what is compared with."""
    names = ("avalanche-lib", "torchvision", "quadprog", "qpsolvers")
    found = importlib.metadata.packages_distributions().values()
    there = {name for names in found for name in names}
    return {name: importlib.metadata.version(name) for name in names if name in there}


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="figures are the least of them")
    parser.add_argument("--hidden", nargs="+", default=["100,100", "400,400"], metavar="SIZES")
    parser.add_argument("--share-rounds", type=int, default=1, help="shares are their medians")
    parser.add_argument("--no-shares", action="store_true", help="costs alone")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    stream = Split().build(DataSource(), SEED)
    nets = [tuple(map(int, sizes.split(","))) for sizes in options.hidden]
    result: dict[str, Any] = {"machine": night.machine() | versions(), "costs": {}}
    why = missing()
    if why:
        print(f"Avalanche cannot be imported ({why}): its cost is estimated.")
    with tempfile.TemporaryDirectory() as name:
        root = None if why else unpacked(Path(name))
        for hidden in nets:
            table = costs(Setting(stream, hidden), options.rounds, root)
            result["costs"]["-".join(map(str, hidden))] = table
            show(hidden, table)
    result["shares"] = {}
    for hidden in nets * (not options.no_shares):
        shares = learning_shares.shares(hidden, options.share_rounds)
        result["shares"]["-".join(map(str, hidden))] = shares
        learning_shares.show(hidden, shares)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
