"""Arrays from files: what is accepted, and every way in which they can be wrong."""

from __future__ import annotations

import h5py
import numpy
import pytest

from bioncl.errors import DataError
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.features import Cifar10Features, Features

PLACES = DataPlaces(download=False)
RANDOM = numpy.random.default_rng(0)


def arrays() -> dict[str, numpy.ndarray]:
    return {
        "X_train": RANDOM.random((6, 4)) * 8,
        "y_train": numpy.array([0, 1, 2, 0, 1, 2]),
        "X_test": RANDOM.random((3, 4)) * 9,
        "y_test": numpy.array([2, 1, 0], dtype=numpy.uint8),
    }


def saved(path, content):
    if path.suffix == ".npz":
        numpy.savez(path, **content)
    else:
        with h5py.File(path, "w") as file:
            for key, value in content.items():
                file[key] = value
    return path


@pytest.mark.parametrize("name", ["mine.npz", "mine.h5", "mine.HDF5"])
def test_arrays_are_read_as_they_stand(tmp_path, name):
    """All formats give the same float32 inputs and labels."""
    content = arrays()
    loaded = Features(saved(tmp_path / name, content)).load(PLACES)
    assert (loaded.name, loaded.classes, loaded.input_shape) == ("mine", 3, (4,))
    assert numpy.array_equal(loaded.train.x.numpy(), content["X_train"].astype(numpy.float32))
    assert loaded.test.y.tolist() == [2, 1, 0]


def test_names_may_differ_in_capitals_or_be_given(tmp_path):
    """x_train stands for X_train; other names are settings."""
    lower = {key.lower(): value for key, value in arrays().items()}
    assert len(Features(saved(tmp_path / "a.npz", lower)).load(PLACES).train) == 6
    keys = ("f_train", "y_train", "f_test", "y_test")
    other = dict(zip(keys, arrays().values(), strict=True))
    assert len(Features(saved(tmp_path / "b.npz", other), keys).load(PLACES).test) == 3


def test_normalising_divides_by_the_largest_training_input(tmp_path):
    """The test part is divided by the training part's largest value too, so it may exceed 1."""
    content = arrays()
    loaded = Features(saved(tmp_path / "a.npz", content), normalise="max").load(PLACES)
    largest = content["X_train"].max()
    assert loaded.train.x.max().item() == 1
    assert numpy.allclose(loaded.test.x.numpy(), content["X_test"] / largest, atol=1e-7)


def test_labels_stored_as_whole_floats_are_labels(tmp_path):
    """MATLAB and HDF5 tables often hold doubles."""
    content = arrays()
    content["y_train"] = content["y_train"].astype(numpy.float64)
    assert Features(saved(tmp_path / "a.h5", content)).load(PLACES).train.y.tolist()[:3] == [
        0,
        1,
        2,
    ]


def changed(**changes):
    return arrays() | changes


BROKEN = {
    "input is not finite": (changed(X_test=numpy.full((3, 4), numpy.nan)), "12 that are not"),
    "input overflows": (changed(X_train=numpy.full((6, 4), 1e300)), "24 that are not"),
    "labels and inputs differ": (changed(y_train=numpy.arange(5)), r"\[6, 4\] and \[5\]"),
    "labels are a table": (changed(y_test=numpy.zeros((3, 1), int)), r"\[3, 1\]"),
    "inputs are single numbers": (changed(X_train=numpy.zeros(6)), r"\[6\]"),
    "no examples": (changed(X_test=numpy.zeros((0, 4)), y_test=numpy.zeros(0, int)), "at least 1"),
    "shapes of parts differ": (changed(X_test=numpy.zeros((3, 5))), r"expected \(4,\), got \(5,\)"),
    "labels have a gap": (changed(y_train=numpy.array([0, 1, 3, 0, 1, 3])), "3 different.*to 3"),
    "labels from 1": (changed(y_train=numpy.array([1, 2, 3, 1, 2, 3])), "from 1 to 3"),
    "labels are negative": (changed(y_train=numpy.array([-1, 0, 1, 0, 1, 0])), "from -1"),
    "test label is unknown": (changed(y_test=numpy.array([0, 1, 7])), r"got \[7\]"),
    "labels are fractions": (changed(y_test=numpy.array([0.5, 1, 2])), "expected integers"),
    "labels are texts": (changed(y_test=numpy.array([b"a", b"b", b"c"])), "expected numbers"),
    "inputs are complex": (changed(X_test=numpy.zeros((3, 4), complex)), "expected numbers"),
}


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("fault", BROKEN)
def test_arrays_that_do_not_fit_are_refused(tmp_path, fault, suffix):
    """Each fault is one DataError that names the file and what was found."""
    content, told = BROKEN[fault]
    path = saved(tmp_path / f"broken{suffix}", content)
    with pytest.raises(DataError, match=told) as caught:
        Features(path).load(PLACES)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_missing_array_is_named_with_those_present(tmp_path, suffix):
    """The message says which key was asked for."""
    content = arrays()
    content["y_tset"] = content.pop("y_test")
    path = saved(tmp_path / f"a{suffix}", content)
    with pytest.raises(DataError, match="no array 'y_test'"):
        Features(path).load(PLACES)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "flipped"])
def test_damaged_files_are_refused(tmp_path, suffix, damage):
    """Whatever NumPy or HDF5 makes of the damage, it ends in one DataError."""
    content = arrays() | {"X_train": RANDOM.random((6, 4000)), "X_test": RANDOM.random((3, 4000))}
    path = saved(tmp_path / f"a{suffix}", content)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "truncated": whole[:middle],
            "text": b"X_train,y_train\n1,2\n" * 50,
            "flipped": bytes(64) + whole[64:] if suffix == ".h5" else _flipped(whole, middle),
        }[damage]
    )
    with pytest.raises(DataError, match="Cannot read"):
        Features(path).load(PLACES)


def _flipped(whole, at):
    return whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]


def test_pickled_objects_are_never_unpickled(tmp_path):
    """An .npz with objects inside is refused, whatever they would do."""
    path = tmp_path / "a.npz"
    numpy.savez(path, **changed(X_test=numpy.array([{}, {}, {}], dtype=object)))
    with pytest.raises(DataError, match="Cannot read"):
        Features(path).load(PLACES)


def test_other_kinds_of_file_are_refused(tmp_path):
    """A .npy, a single array under the name .npz, a missing file."""
    path = tmp_path / "a.npy"
    numpy.save(path, numpy.zeros(3))
    with pytest.raises(DataError, match=r"ends in \.npz"):
        Features(path).load(PLACES)
    path.rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match="one array"):
        Features(tmp_path / "a.npz").load(PLACES)
    with pytest.raises(DataError, match="no file"):
        Features(tmp_path / "none.npz").load(PLACES)


def test_inputs_without_a_positive_value_cannot_be_normalised(tmp_path):
    """Dividing by 0 would make every input NaN."""
    path = saved(tmp_path / "a.npz", changed(X_train=numpy.zeros((6, 4))))
    with pytest.raises(DataError, match="more than 0"):
        Features(path, normalise="max").load(PLACES)


def test_cifar10_features_say_that_nobody_serves_them():
    """The missing file is explained, although downloads are allowed."""
    with pytest.raises(DataError, match="cannot be downloaded"):
        Cifar10Features().load(DataPlaces())


@pytest.mark.full_data
def test_cifar10_features_are_the_files_in_mixed_order(full_places):
    """Same rows, another order: per class the sums of the raw bytes agree."""
    loaded = Cifar10Features().load(full_places)
    with numpy.load(Cifar10Features().paths(full_places)[0]) as raw:
        inputs, labels = raw["f_train"], raw["y_train"]
    assert loaded.train.x.shape == (50000, 512)
    assert loaded.test.y.bincount().tolist() == [1000] * 10
    assert loaded.train.x.max().item() == 1
    for label in range(10):
        whole = inputs[labels == label].astype(numpy.int64).sum(0)
        mine = loaded.train.x[loaded.train.y == label].double().mul(inputs.max()).round().sum(0)
        assert numpy.array_equal(mine.numpy(), whole)
    assert len(loaded.train.y[:100].unique()) == 10
