"""The callback inside the real Trainer."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bioncl
from bioncl.adapters.night import night_seed
from bioncl.errors import InputError, UnsupportedError

try:
    import lightning.pytorch as pl
except (ImportError, RuntimeError) as error:  # a torchvision of another torch raises the latter
    pytest.skip(f"Lightning cannot be imported ({error})", allow_module_level=True)

from bioncl.adapters.lightning import SleepCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own


class Module(pl.LightningModule):
    """A small classifier with its network in `net`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4, bias=False))

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Noted:
    """A night that notes what it is given, and does not sleep."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, inputs, *, labels, seed):
        self.calls.append((copy.deepcopy(model.state_dict()), inputs, labels, seed))
        return len(self.calls)


def data(task):
    """x [40, 12] in order, y [40] of two classes."""
    x = torch.rand(40, 12, generator=torch.Generator().manual_seed(task))
    return x, torch.arange(40) % 2 + 2 * task


def fit(module, callback, task, folder):
    loader = DataLoader(TensorDataset(*data(task)), batch_size=16)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(module, loader)


def test_a_night_follows_each_fit(tmp_path):
    """With the first inputs of that fit, after its training, and a seed of its own."""
    night, module = Noted(), Module()
    callback = SleepCallback(night, network="net", examples=25)
    for task in range(2):
        fit(module, callback, task, tmp_path)
        state, inputs, labels, seed = night.calls[task]
        x, y = data(task)
        assert torch.equal(inputs, x[:25])
        assert torch.equal(labels, y[:25])
        assert seed == night_seed(0, task)
        assert all(torch.equal(v, module.net.state_dict()[k]) for k, v in state.items())
    assert callback.reports == [1, 2]


def test_the_network_sleeps(tmp_path):
    """As it does outside: the weights are those of `bioncl.sleep` with the same inputs and seed."""
    awake, asleep, noted = Module(), Module(), Noted()
    night = partial(bioncl.sleep, steps=60, thresholds=0.1, rule="constant")
    callback = SleepCallback(night, network="net")
    fit(awake, SleepCallback(noted, network="net"), 0, tmp_path)
    fit(asleep, callback, 0, tmp_path)
    assert sum(callback.reports[0].changed.values()) > 0
    _, inputs, labels, seed = noted.calls[0]
    night(awake.net, inputs, labels=labels, seed=seed)
    for key, weights in awake.state_dict().items():
        assert torch.equal(weights, asleep.state_dict()[key])
    fit(asleep, callback, 1, tmp_path)  # and training goes on
    assert len(callback.reports) == 2


def test_inputs_may_come_in_any_batch(tmp_path):
    """A batch that is a dictionary, without labels."""
    night, module = Noted(), Module()
    callback = SleepCallback(night, network="net", pair_of=lambda batch: (batch[0] + 1, None))
    fit(module, callback, 0, tmp_path)
    assert torch.equal(night.calls[0][1], data(0)[0].repeat(2, 1) + 1)
    assert night.calls[0][2] is None


def test_several_processes_are_refused():
    class Many:
        world_size = 2

    with pytest.raises(UnsupportedError, match="several processes"):
        SleepCallback().on_train_start(Many(), Module())


def test_a_night_without_examples_is_refused():
    with pytest.raises(InputError, match="≥ 1"):
        SleepCallback(examples=0)
