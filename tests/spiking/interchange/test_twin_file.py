"""Files that hold a twin: all of it comes back, and nothing foreign is taken for one."""

import json

import pytest
import torch
from safetensors import safe_open

from bioncl.errors import CheckpointError, InputError
from bioncl.models.checkpoint import Checkpoint, load, save
from bioncl.spiking.graph.populations import Graph
from bioncl.spiking.interchange import FORMATS, write
from bioncl.spiking.interchange.twin import Twin
from bioncl.spiking.interchange.twin_file import load_twin, save_twin


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pool", ["avg", "max"])
def test_a_twin_comes_back_as_it_was(branched, slowly, tmp_path, dtype, pool):
    twin = Twin(branched(dtype=dtype, pool=pool), 0.93, "subtract", 0.5, "current", "count")
    save_twin(tmp_path / "twin", twin, "norse")
    found = load_twin(tmp_path / "twin")
    for name in ("decay", "reset", "start", "output", "pooling"):
        assert getattr(found, name) == getattr(twin, name)
    assert found.graph.input_shape == twin.graph.input_shape
    assert [p.name for p in found.graph.populations] == ["a", "block.b", "output"]
    inputs = torch.rand(12, 2, 2, 6, 6, dtype=dtype)
    assert torch.equal(slowly(found, inputs), slowly(twin, inputs))


def test_an_operation_in_several_paths_is_stored_once(branched, tmp_path):
    graph = branched()
    middle = graph.populations[1]
    middle.paths = (*middle.paths, middle.paths[0])
    save_twin(tmp_path / "twin", Twin(graph), "snntorch")
    paths = load_twin(tmp_path / "twin").graph.populations[1].paths
    assert all(x is y for x, y in zip(paths[0].ops, paths[2].ops, strict=True))
    assert sum(name.startswith("ops.") for name in load(tmp_path / "twin").tensors) == 5


def test_the_file_is_tensors_and_json(branched, tmp_path):
    """Read with safetensors alone: nothing of ours is needed to look into it."""
    save_twin(tmp_path / "twin", Twin(branched()), "snntorch")
    with safe_open(tmp_path / "twin", framework="pt") as file:
        header = json.loads(file.metadata()["header"])
        assert file.get_tensor("biases.output").shape == (4,)
    assert header["kind"] == "spiking twin"
    assert header["library"] == "snntorch"
    assert header["populations"][1]["paths"][1] == {"source": "input", "gain": 0.7, "ops": [4]}


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    save(tmp_path / "day", Checkpoint({"model.w": torch.ones(2)}, {"tasks_done": 1}))
    with pytest.raises(CheckpointError, match="holds no spiking twin.*bioncl convert"):
        load_twin(tmp_path / "day")


@pytest.mark.parametrize("lost", ["ops", "decay", "populations"])
def test_a_header_with_a_hole_is_refused(branched, tmp_path, lost):
    save_twin(tmp_path / "twin", Twin(branched()), "snntorch")
    whole = load(tmp_path / "twin")
    header = {key: value for key, value in whole.header.items() if key != lost}
    save(tmp_path / "twin", Checkpoint(whole.tensors, header))
    with pytest.raises(CheckpointError, match=f"not a spiking twin.*{lost}"):
        load_twin(tmp_path / "twin")


def test_a_flipped_byte_is_noticed(branched, tmp_path):
    save_twin(tmp_path / "twin", Twin(branched()), "snntorch")
    content = bytearray((tmp_path / "twin").read_bytes())
    content[-5] ^= 1
    (tmp_path / "twin").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_twin(tmp_path / "twin")


@pytest.mark.parametrize(
    "wrong",
    [{"decay": 1.5}, {"reset": "soft"}, {"output": "rates"}, {"pooling": "mean"}],
)
def test_wrong_numbers_are_refused(branched, wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        Twin(branched(), **wrong)


def test_a_twin_needs_a_population():
    with pytest.raises(InputError, match="at least one population"):
        Twin(Graph((1,)))


def test_an_unknown_format_is_refused_by_name(branched, tmp_path):
    with pytest.raises(InputError, match="Unknown format 'nri'.*Did you mean 'nir'"):
        write(Twin(branched()), "nri", tmp_path / "twin")
    assert FORMATS.names() == ["nir", "snntorch", "norse"]
    assert list(tmp_path.iterdir()) == []
