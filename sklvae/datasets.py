"""MNIST and Fashion-MNIST, from a local folder or from OpenML."""

from __future__ import annotations

import gzip
import importlib.util
import os
import zlib
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml

__all__ = ["ImageDataset", "load_fashion_mnist", "load_mnist"]


class ImageDataset(NamedTuple):
    """Gray images of 28 x 28 pixels and their labels, split as published.

    Attributes
    ----------
    x_train : ndarray of shape (60000, 28, 28), uint8
        Training images, 0 is black and 255 white.
    y_train : ndarray of shape (60000,), int64
        Their labels, 0 to 9.
    x_test : ndarray of shape (10000, 28, 28), uint8
        Test images.
    y_test : ndarray of shape (10000,), int64
        Their labels.
    """

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


class _Source(NamedTuple):
    name: str  # of the loader, the npz file and the subfolder
    openml: str
    subfolder_only: bool  # in SKLVAE_DATA, which both data sets share: their idx files have the same names


_MNIST = _Source("mnist", openml="mnist_784", subfolder_only=False)
_FASHION_MNIST = _Source("fashion_mnist", openml="Fashion-MNIST", subfolder_only=True)

_IDX_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_IDX_UINT8 = b"\0\0\x08"


def load_mnist(*, data_home: str | PathLike[str] | None = None) -> ImageDataset:
    """Load the handwritten digits of MNIST.

    The folder may hold ``mnist.npz`` (arrays `x_train`, `y_train`, `x_test`, `y_test`), or the four original
    idx files, gzipped or not, in the folder itself or in its subfolder ``mnist``. Without them, the data come
    from OpenML.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to look in, and where a download is cached. By default, the folder that the environment
        variable ``SKLVAE_DATA`` names, and scikit-learn's own cache for a download.

    Returns
    -------
    ImageDataset
        A named tuple ``(x_train, y_train, x_test, y_test)`` of uint8 images and int64 labels.

    Raises
    ------
    FileNotFoundError
        If there are no local files and OpenML cannot be reached.
    ValueError
        If a local file is damaged or holds something else.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> from sklvae.datasets import load_mnist
    >>> x_train, y_train, x_test, y_test = load_mnist()  # doctest: +SKIP
    >>> x_train.shape, x_train.dtype  # doctest: +SKIP
    ((60000, 28, 28), dtype('uint8'))
    """
    return _load(_MNIST, data_home)


def load_fashion_mnist(*, data_home: str | PathLike[str] | None = None) -> ImageDataset:
    """Load the pieces of clothing of Fashion-MNIST.

    The folder may hold ``fashion_mnist.npz`` (arrays `x_train`, `y_train`, `x_test`, `y_test`), or the four
    original idx files, gzipped or not, in its subfolder ``fashion_mnist``; in a `data_home` also directly.
    Without them, the data come from OpenML.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to look in, and where a download is cached. By default, the folder that the environment
        variable ``SKLVAE_DATA`` names, and scikit-learn's own cache for a download.

    Returns
    -------
    ImageDataset
        A named tuple ``(x_train, y_train, x_test, y_test)`` of uint8 images and int64 labels.

    Raises
    ------
    FileNotFoundError
        If there are no local files and OpenML cannot be reached.
    ValueError
        If a local file is damaged or holds something else.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", 2017.

    Examples
    --------
    >>> from sklvae.datasets import load_fashion_mnist
    >>> load_fashion_mnist().y_test[:5]  # doctest: +SKIP
    array([9, 2, 1, 1, 6])
    """
    return _load(_FASHION_MNIST, data_home)


def _load(source: _Source, data_home: str | PathLike[str] | None) -> ImageDataset:
    home = data_home if data_home is not None else os.environ.get("SKLVAE_DATA") or None
    folder = None if home is None else Path(home).expanduser()
    if folder is not None:
        npz = folder / f"{source.name}.npz"
        if npz.is_file():
            return _from_npz(npz)
        folders = [folder / source.name]
        if data_home is not None or not source.subfolder_only:
            folders.append(folder)
        for candidate in folders:
            found = [file for stem in _IDX_STEMS if (file := _find_idx(candidate, stem))]
            if len(found) == len(_IDX_STEMS):
                return _checked([_read_idx(file) for file in found], candidate)
    try:
        return _from_openml(source, None if data_home is None else folder)
    except (OSError, HTTPException, ValueError) as error:
        raise FileNotFoundError(_not_found(source, folder, error)) from error


def _not_found(source: _Source, folder: Path | None, error: Exception) -> str:
    if folder is None:
        looked = "no data_home was given and SKLVAE_DATA is not set"
    else:
        looked = (
            f"{str(folder)!r} holds neither {source.name}.npz nor, in itself or in {source.name!r} below it, "
            "the four files train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], "
            "t10k-images-idx3-ubyte[.gz] and t10k-labels-idx1-ubyte[.gz]"
        )
    return (
        f"load_{source.name} found no data: {looked}; and {source.openml!r} could not be fetched from OpenML "
        f"({type(error).__name__}: {error}). Put {source.name}.npz or the four files in a folder, and pass "
        "its name as data_home or in the environment variable SKLVAE_DATA."
    )


def _from_npz(file: Path) -> ImageDataset:
    try:
        # np.load, given a name, leaves a damaged file open.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as npz:
            arrays = dict(npz)
    except (ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is not a whole npz file ({error}). Download it again.") from error
    missing = [name for name in ImageDataset._fields if name not in arrays]
    if missing:
        raise ValueError(
            f"{file} must hold the arrays {', '.join(ImageDataset._fields)}, "
            f"got one without {', '.join(missing)}. "
            "Save it with np.savez(file, x_train=..., y_train=..., x_test=..., y_test=...)."
        )
    return _checked([arrays[name] for name in ImageDataset._fields], file)


def _find_idx(folder: Path, stem: str) -> Path | None:
    n_axes = 3 if stem.endswith("images") else 1
    names = (f"{stem}{mark}idx{n_axes}-ubyte{gz}" for mark in "-." for gz in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_idx(file: Path) -> NDArray[np.uint8]:
    """Read an array of bytes: magic number with the number of axes, their lengths (big-endian), the items."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        if content[:3] != _IDX_UINT8:
            raise ValueError(f"it begins with {content[:3]!r}, not with {_IDX_UINT8!r}")
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        items = np.frombuffer(content, np.uint8, offset=4 + shape.nbytes)
        return items.reshape(shape).copy()  # a copy can be written to, a view of bytes cannot
    except (ValueError, IndexError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is not a whole idx file of bytes ({error}). Download it again.") from error


def _from_openml(source: _Source, data_home: Path | None) -> ImageDataset:
    # The pandas parser takes seconds instead of a minute, but pandas is no dependency of ours.
    parser = "liac-arff" if importlib.util.find_spec("pandas") is None else "pandas"
    bunch = fetch_openml(source.openml, version=1, as_frame=False, parser=parser, data_home=data_home)
    images = np.asarray(bunch.data, dtype=np.uint8).reshape(-1, 28, 28)
    labels = np.asarray(bunch.target).astype(np.int64)
    return _checked([images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]], source.openml)


def _checked(arrays: list[NDArray[Any]], origin: object) -> ImageDataset:
    x_train, y_train, x_test, y_test = arrays
    for part, images, labels in (("train", x_train, y_train), ("test", x_test, y_test)):
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
            raise ValueError(
                f"{origin}: x_{part} must be uint8 images of shape (n, 28, 28), "
                f"got {images.dtype} of shape {images.shape}."
            )
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{origin}: y_{part} must be integers of shape {images.shape[:1]}, one per image, "
                f"got {labels.dtype} of shape {labels.shape}."
            )
    return ImageDataset(x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))
