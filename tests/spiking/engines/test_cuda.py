"""The `cuda` engine: its checks in Triton's interpreter, what it compiles to, and on a real GPU."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bioncl.errors import InputError, UnsupportedError
from bioncl.plasticity import Gated
from bioncl.spiking.engines import ENGINES, cuda
from bioncl.spiking.engines.cuda import Cuda
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, SilentRecorder, Spikes

CHECKS = Path(__file__).with_name("check_cuda.py")
SIZES, STEPS = (784, 1200, 1200, 10), 15_000
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs Triton: pip install 'bioncl[gpu]'"
)


@pytest.fixture
def device():
    """A CUDA device, or a skip that says why there is none."""
    try:
        return Cuda() and torch.device("cuda")
    except UnsupportedError as error:
        pytest.skip(str(error))


def run_checks(environment):
    """Run check_cuda.py in a process of its own: Triton interprets or not from its import on."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"\d+ passed", found.stdout), found.stdout


@needs_triton
def test_in_the_interpreter():
    """All of check_cuda.py on the CPU."""
    run_checks(os.environ | {"TRITON_INTERPRET": "1"})


@pytest.mark.gpu
def test_on_a_device(device):
    """All of check_cuda.py on the GPU."""
    run_checks({k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"})


PROGRAM = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from bioncl.spiking.engines import cuda_kernels
from bioncl.spiking.engines.cuda_events import BATCH

kinds = {"tiled": "*fp32", "membranes": "*fp32", "biases": "*fp32", "numbers": "*fp32"}
kinds |= {"edges": "*i64", "bounds": "*i64"}
kinds |= dict.fromkeys(("streams", "ids", "when", "bits_below", "bits"), "*i32")
kinds |= dict.fromkeys(cuda_kernels.VARYING, "i32")
widths = {"LANES": 32, "BATCH": BATCH, "BLOCK": 256}
kinds |= dict.fromkeys(widths, "constexpr")
for fused in (False, True):
    names = cuda_kernels.run_layer.arg_names
    kernel = triton.compile(
        ASTSource(cuda_kernels.run_layer, {n: kinds[n] for n in names}, widths),
        target=GPUTarget("cuda", 90, 32),
        options=cuda_kernels.OPTIONS | ({"enable_fp_fusion": True} if fused else {}),
    )
    print(kernel.asm["ptx"].count("fma.rn.f32"), kernel.metadata.shared)
"""


@needs_triton
def test_compiled_for_a_gpu_it_fuses_nothing_and_needs_no_shared_memory(tmp_path):
    """Compiling needs no GPU; that fusion is seen when allowed shows that the count counts."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-c", PROGRAM]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    (unfused, shared), (fused, _) = (map(int, line.split()) for line in found.stdout.splitlines())
    assert (unfused, shared) == (0, 0)
    assert fused > 0


def test_without_triton_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"Triton is not installed.*bioncl\[gpu\]"):
        ENGINES.load("cuda")()


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(UnsupportedError, match="no CUDA device"):
        ENGINES.load("cuda")()


@pytest.mark.parametrize("wrong", [{"lanes": 16}, {"programs": -1}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        Cuda(**wrong)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 40])
def test_items_spread_evenly_over_the_programs(size):
    """No program takes two items more than another, and none is without."""
    from bioncl.spiking.engines.cuda_layers import share

    grid = share(size, 8)
    taken = [len(range(first, size, grid)) for first in range(grid)]
    assert sum(taken) == size
    assert max(taken, default=0) == -(-size // 8)
    assert min(taken, default=1) >= 1


def full_size(dtype, seed=0):
    """A night like the published one: the hidden layers fire for a while and then fall silent."""
    rng = np.random.default_rng(seed)
    shapes = zip(SIZES[1:], SIZES[:-1], strict=True)
    weights = [torch.tensor(rng.uniform(-0.01, 0.01, shape), dtype=dtype) for shape in shapes]
    gains, thresholds = (14.0, 1100.0, 1100.0), (14.5, 44.5, 38.0)
    return SpikingNetwork(weights, gains, thresholds, rules=[Gated(0.032, 0.0033)] * 3)


@pytest.fixture(scope="module")
def noise():
    """Input spikes of a whole night, some 14 in a step, in chunks of 1,000 steps."""
    rng = np.random.default_rng(1)
    return [Spikes.from_raster(rng.random((1000, SIZES[0])) < 0.018) for _ in range(STEPS // 1000)]


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_a_full_size_night_is_that_of_event(device, noise, dtype, within):
    """`event` equals `dense`, which would take hours here; prints how long the GPU takes."""
    true, found = full_size(dtype), full_size(dtype)
    recorders = [MemoryRecorder(), MemoryRecorder()]
    Event().run(true, noise, recorders[0])
    Cuda().run(full_size(dtype), noise[:1], SilentRecorder())  # compiles
    begin = time.perf_counter()
    Cuda().run(found, noise, recorders[1])
    print(f"\n{dtype}: {STEPS} steps in {time.perf_counter() - begin:.3f} s")
    for a, b in zip(recorders[1].events(), recorders[0].events(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(recorders[0].events()[2]) > 500
    for a, b in zip(found.weights, true.weights, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=within)


@pytest.mark.gpu
def test_a_busy_full_size_night_is_that_of_event(device):
    """Hidden layers fire, and learn, in every step."""
    rng = np.random.default_rng(2)
    noise = [Spikes.from_raster(rng.random((1000, SIZES[0])) < 0.07)]
    outcomes = []
    for engine in (Event(), Cuda()):
        network, recorder = full_size(torch.float64), MemoryRecorder()
        network.gains, network.thresholds = (1.0,) * 3, (0.2, 0.1, 0.1)
        network.rules = [Gated(1e-6, 1e-7)] * 3
        engine.run(network, noise, recorder)
        outcomes.append((recorder.events(), network.weights))
    for a, b in zip(outcomes[0][0], outcomes[1][0], strict=True):
        assert len(a) > 100
        np.testing.assert_array_equal(a, b)
    for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.gpu
def test_a_population_of_full_size_on_the_gpu_is_its_nights(device, noise):
    """Sixteen nights whose weights lie on the GPU; prints how long they take."""
    together = [full_size(torch.float32, seed) for seed in range(16)]
    for network in together:
        network.weights = [w.to(device) for w in network.weights]
        network.membranes = [m.to(device) for m in network.membranes]
    begin = time.perf_counter()
    chunks, silent = ([chunk] for chunk in noise), [SilentRecorder()] * 16
    Cuda().run_many(together, chunks, [0] * 16, silent)
    seconds = time.perf_counter() - begin
    print(f"\n16 nights: {16 * STEPS / seconds:,.0f} steps/s")
    for seed in (0, 7, 15):
        alone = full_size(torch.float32, seed)
        Cuda().run(alone, noise, SilentRecorder())
        for a, b in zip(together[seed].weights, alone.weights, strict=True):
            assert torch.equal(a.cpu(), b)


def test_default_programs_fill_every_processor(monkeypatch):
    class Properties:
        multi_processor_count = 132

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    assert cuda.default_programs() == 132 * cuda.PROGRAMS_A_PROCESSOR
