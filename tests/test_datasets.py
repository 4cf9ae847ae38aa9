import gzip
import os
from urllib.error import URLError

import numpy as np
import pytest
from sklearn.utils import Bunch

from sklvae import datasets
from sklvae.datasets import ImageDataset, load_fashion_mnist, load_mnist

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def tiny(seed=0, n_train=3, n_test=2):
    rng = np.random.default_rng(seed)
    return ImageDataset(
        rng.integers(0, 256, (n_train, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, n_train),
        rng.integers(0, 256, (n_test, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, n_test),
    )


def write_npz(file, dataset):
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **dataset._asdict())


def idx_bytes(array):
    """The published format: two zeros, 8 for bytes, the number of axes, each length as a big-endian int32."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes()


def write_idx(folder, dataset, *, mark="-", gz=False):
    folder.mkdir(parents=True, exist_ok=True)
    for field, array in dataset._asdict().items():
        name = IDX_NAMES[field].replace("-idx", f"{mark}idx")
        content = idx_bytes(array)
        if gz:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def assert_same(loaded, expected):
    assert isinstance(loaded, ImageDataset)
    for got, want in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(got, want)
    assert [array.dtype for array in loaded] == [np.uint8, np.int64, np.uint8, np.int64]


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    """No variable from outside, and no test reaches the network."""
    monkeypatch.delenv("SKLVAE_DATA", raising=False)

    def unreachable(*args, **kwargs):
        raise URLError("no network in tests")

    monkeypatch.setattr(datasets, "fetch_openml", unreachable)


@pytest.mark.parametrize(("load", "name"), [(load_mnist, "mnist"), (load_fashion_mnist, "fashion_mnist")])
def test_npz_round_trip(tmp_path, load, name):
    write_npz(tmp_path / f"{name}.npz", tiny())
    assert_same(load(data_home=tmp_path), tiny())
    assert_same(load(data_home=str(tmp_path)), tiny())


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist])
def test_idx_files_hold_the_arrays_they_were_written_from(tmp_path, load, mark, gz):
    write_idx(tmp_path, tiny(), mark=mark, gz=gz)
    loaded = load(data_home=tmp_path)
    assert_same(loaded, tiny())
    assert all(array.flags.writeable for array in loaded)


def test_data_home_goes_before_the_environment(tmp_path, monkeypatch):
    write_npz(tmp_path / "env" / "mnist.npz", tiny(seed=1))
    write_npz(tmp_path / "home" / "mnist.npz", tiny(seed=2))
    monkeypatch.setenv("SKLVAE_DATA", str(tmp_path / "env"))
    assert_same(load_mnist(), tiny(seed=1))
    assert_same(load_mnist(data_home=tmp_path / "home"), tiny(seed=2))


def test_one_folder_holds_the_idx_files_of_both_data_sets(tmp_path, monkeypatch):
    write_idx(tmp_path / "mnist", tiny(seed=1))
    write_idx(tmp_path / "fashion_mnist", tiny(seed=2), gz=True)
    monkeypatch.setenv("SKLVAE_DATA", str(tmp_path))
    assert_same(load_mnist(), tiny(seed=1))
    assert_same(load_fashion_mnist(), tiny(seed=2))


def test_idx_files_of_mnist_are_not_taken_for_fashion_mnist(tmp_path, monkeypatch):
    write_idx(tmp_path, tiny())
    monkeypatch.setenv("SKLVAE_DATA", str(tmp_path))
    assert_same(load_mnist(), tiny())
    with pytest.raises(FileNotFoundError, match="load_fashion_mnist found no data"):
        load_fashion_mnist()


@pytest.mark.parametrize(("load", "name"), [(load_mnist, "mnist_784"), (load_fashion_mnist, "Fashion-MNIST")])
def test_without_files_openml_is_asked_and_its_first_60000_rows_are_for_training(monkeypatch, load, name):
    pixels = np.zeros((60_002, 784))
    pixels[59_999], pixels[60_000], pixels[60_001, 28] = 7, 255, 3
    labels = np.full(60_002, "5", dtype=object)
    labels[60_000] = "9"
    asked = {}

    def fetch(name, **options):
        asked.update(options, name=name)
        return Bunch(data=pixels, target=labels)

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    x_train, y_train, x_test, y_test = load()
    assert (asked["name"], asked["version"], asked["as_frame"]) == (name, 1, False)
    assert asked["data_home"] is None
    assert (x_train.shape, x_test.shape) == ((60_000, 28, 28), (2, 28, 28))
    assert (x_train.dtype, y_train.dtype) == (np.uint8, np.int64)
    assert (x_train[-1] == 7).all()
    assert (x_test[0] == 255).all()
    assert np.argwhere(x_test[1]).tolist() == [[1, 0]]
    assert (y_train == 5).all()
    assert y_test.tolist() == [9, 5]


def test_a_download_is_cached_in_data_home_but_not_in_the_shared_folder(tmp_path, monkeypatch):
    asked = []

    def fetch(name, *, data_home, **options):
        asked.append(data_home)
        raise URLError("seen enough")

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    monkeypatch.setenv("SKLVAE_DATA", str(tmp_path))
    for home in (tmp_path, None):
        with pytest.raises(FileNotFoundError, match="seen enough"):
            load_mnist(data_home=home)
    assert asked == [tmp_path, None]


def test_the_error_says_where_it_looked_for_what_and_the_way_out(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        load_mnist(data_home=tmp_path)
    for part in (
        str(tmp_path),
        "mnist.npz",
        "t10k-labels-idx1-ubyte[.gz]",
        "no network in tests",
        "SKLVAE_DATA",
    ):
        assert part in str(raised.value)


def test_the_error_without_a_folder_says_that_none_was_named():
    with pytest.raises(FileNotFoundError, match="no data_home was given and SKLVAE_DATA is not set"):
        load_mnist()


def test_an_incomplete_set_of_idx_files_is_not_used(tmp_path):
    write_idx(tmp_path, tiny())
    (tmp_path / IDX_NAMES["y_test"]).unlink()
    with pytest.raises(FileNotFoundError, match="found no data"):
        load_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    "damage",
    [lambda good: good[:-1], lambda good: good[:3], lambda good: b"", lambda good: b"<html>" + good],
    ids=["cut", "header", "empty", "page"],
)
@pytest.mark.parametrize("gz", [False, True])
def test_a_damaged_idx_file_is_named(tmp_path, damage, gz):
    write_idx(tmp_path, tiny(), gz=gz)
    file = tmp_path / (IDX_NAMES["x_test"] + (".gz" if gz else ""))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"t10k-images.* is not a whole idx file"):
        load_mnist(data_home=tmp_path)


def test_a_damaged_npz_file_is_named(tmp_path):
    file = tmp_path / "mnist.npz"
    write_npz(file, tiny())
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"mnist\.npz is not a whole npz file"):
        load_mnist(data_home=tmp_path)


def test_pickled_objects_are_never_loaded(tmp_path):
    write_npz(tmp_path / "mnist.npz", tiny()._replace(y_test=np.array([0, None], dtype=object)))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_mnist(data_home=tmp_path)


def test_an_npz_file_without_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=tiny().x_train)
    with pytest.raises(ValueError, match="without y_train, x_test, y_test"):
        load_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x_train": np.zeros((3, 28, 28))}, "x_train must be uint8 images"),
        ({"x_test": np.zeros((2, 784), np.uint8)}, r"x_test must be .*, got uint8 of shape \(2, 784\)"),
        ({"y_train": np.zeros(2, int)}, r"y_train must be integers of shape \(3,\)"),
        ({"y_test": np.zeros(2)}, "y_test must be integers"),
    ],
)
def test_arrays_that_are_no_28_by_28_images_are_refused(tmp_path, wrong, message):
    write_npz(tmp_path / "mnist.npz", tiny()._replace(**wrong))
    with pytest.raises(ValueError, match=message):
        load_mnist(data_home=tmp_path)


REAL = os.environ.get("SKLVAE_DATA")


@pytest.mark.skipif(not REAL, reason="SKLVAE_DATA names no folder with the real data")
@pytest.mark.parametrize(("load", "first"), [(load_mnist, [5, 0, 4, 1, 9]), (load_fashion_mnist, [9, 0, 0, 3, 0])])
def test_the_real_data_have_their_published_shape_and_order(monkeypatch, load, first):
    monkeypatch.setenv("SKLVAE_DATA", REAL)
    x_train, y_train, x_test, y_test = load()
    assert (x_train.shape, x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (x_train.dtype, x_test.dtype) == (np.uint8, np.uint8)
    assert (y_train.dtype, y_test.dtype) == (np.int64, np.int64)
    assert y_train[:5].tolist() == first
    assert set(y_test.tolist()) == set(range(10))
