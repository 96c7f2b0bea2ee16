"""A training step of the convolutional networks, channels first or last in memory, on one thread.

`python benchmarks/memory_layout.py` prints CPU milliseconds a step, the least of several rounds.
"""

from __future__ import annotations

import argparse
import time
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bioncl.models import convolution
from bioncl.models.backbone import Backbone
from bioncl.models.convnet import ConvNet
from bioncl.models.resnet import ResNet

NETS: dict[str, tuple[ConvNet | ResNet, tuple[int, int, int]]] = {
    "convnet with BatchNorm, 28×28": (ConvNet((16, 32), kernel=3, batch_norm=True), (1, 28, 28)),
    "convnet without, 28×28": (ConvNet(), (1, 28, 28)),
    "resnet, 1 block, width 8, 32×32": (ResNet(), (3, 32, 32)),
    "resnet, 2 blocks, width 16, 32×32": (ResNet(blocks=2, width=16), (3, 32, 32)),
}
BATCH, STEPS, ROUNDS = 128, 8, 5


def milliseconds(net: Backbone, x: Tensor, y: Tensor) -> float:
    """CPU time of a forward and backward pass, the mean of several."""
    started = time.process_time()
    for _ in range(STEPS):
        net.zero_grad()
        cross_entropy(net(x), y).backward()
    return 1000 * (time.process_time() - started) / STEPS


def main() -> None:
    """Measure every network both ways, in turns."""
    argparse.ArgumentParser(description=str(__doc__).partition("\n")[0]).parse_args()
    torch.set_num_threads(1)
    print(f"{'network':<36}{'first':>8}{'last':>8}{'gain':>8}")
    for name, (settings, shape) in NETS.items():
        net = settings.build(shape, 10, [list(range(10))], 0)
        x, y = torch.rand(BATCH, *shape), torch.arange(BATCH) % 10
        first, last = [], []
        for _ in range(ROUNDS):
            last.append(milliseconds(net, x, y))
            with patch.object(convolution, "channels_last", lambda images: images):
                first.append(milliseconds(net, x, y))
        print(f"{name:<36}{min(first):8.1f}{min(last):8.1f}{min(first) / min(last):8.2f}")


if __name__ == "__main__":
    main()
