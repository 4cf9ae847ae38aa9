"""A fitted estimator as one safetensors file: arrays, and JSON in the header. No code, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..labeling import array_digest
from ..training import Net
from ._codec import Arrays, CannotPackError, pack, unpack

__all__ = [
    "PersistenceMixin",
    "content_digest",
    "load",
    "read_safetensors",
    "require_safetensors",
    "shapes",
    "sklvae_version",
    "sync_folder",
    "write_whole",
]

FORMAT, FORMAT_VERSION = "sklvae", 1
NET = "net_."
"""What the names of a network's arrays begin with."""

NOT_SAVED = {"net_", "_device", "_metadata_request", "_is_clone", "embedding_"}
"""Attributes that are not data, or matter in training only; all others are saved."""

NEEDED = {"format_version", "sklvae_version", "class", "params", "fitted", "digest"}
"""What the header of every file has, beside the format."""


class PersistenceMixin(ABC):
    """`save` and `load`, for every estimator that can build its network without training it."""

    _for_fit_only: ClassVar[tuple[str, ...]] = ("callbacks", "session_dir")
    """Parameters that are saved as None."""
    _parts: ClassVar[tuple[str, ...]] = ()
    """Fitted attributes that are estimators of this library, saved with it."""
    _fitted_part: ClassVar[str] = "net_"
    """The attribute that a fitted estimator has."""
    net_: Net

    @abstractmethod
    def _untrained_net(self, state: Mapping[str, Tensor]) -> Net:
        """The net of this estimator, whose module has the parameters and buffers that `state` names."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, joblib and copies keep all attributes as they are, code too."""
        return with_attributes, (type(self), dict(vars(self)))

    def __getstate__(self) -> dict[str, Any]:
        """What skops keeps: what `save` keeps, as strings and arrays."""
        header, arrays = self._packed()
        return {"header": header, "arrays": arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(vars(self._unpacked(state["header"], state["arrays"])))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, which `load` reads without running any code from it.

        The file holds the networks, the fitted attributes and the parameters, except that `callbacks`, `vae`,
        `stopping` and `session_dir`, which matter in training only, are saved as None, and that `embedding_` and
        metadata requests are left out. It is written as a whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Where to; a file that is there is replaced. The usual ending is ``.safetensors``.

        Raises
        ------
        ImportError
            If safetensors is not installed.
        ValueError
            If a parameter is code, such as a function, parameters have been changed since `fit`, or the classifier in
            an `ActiveLearningClassifier` is not one of sklvae. Nothing is written then.
        """
        safetensors = require_safetensors("save and load need")
        check_is_fitted(self, self._fitted_part)
        metadata, arrays = self._packed()
        self._unpacked(metadata, arrays)  # what could not be loaded is not saved
        metadata["digest"] = content_digest(metadata, arrays)
        write_whole(Path(path), safetensors.numpy.save(arrays, metadata))  # its save_file grants the owner only

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: Any = None) -> Self:
        """Read an estimator that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            The file.
        device : str or torch.device, optional
            Replaces the parameter `device`, for a file that was saved where there was another one.

        Returns
        -------
        estimator
            Fitted: its results are those of the estimator that was saved, to the bit on the same machine.

        Raises
        ------
        ImportError
            If safetensors is not installed.
        ValueError
            If the file is damaged, or was not written by `save`, by another estimator's, or by a later version's.
        """
        metadata, arrays = read_estimator(path)
        if metadata["class"] != cls.__name__:
            raise ValueError(f"{path} holds a {metadata['class']}, not a {cls.__name__}. Use {metadata['class']}.load.")
        return cls._unpacked(metadata, arrays, **({} if device is None else {"device": device}))

    def _packed(self) -> tuple[dict[str, str], Arrays]:
        """The header and the arrays of a file."""
        params = self._saved_params()
        parts = [name for name in self._parts if hasattr(self, name)]
        fitted, arrays = self._packed_fit(name for name in vars(self) if name not in {*params, *parts, *NOT_SAVED})
        metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "sklvae_version": sklvae_version(),
            "class": type(self).__name__,
            "params": json.dumps({k: self._pack(k, v, arrays) for k, v in params.items()}),
            "fitted": json.dumps(fitted),
        }
        for name in parts:
            part = getattr(self, name)
            if not isinstance(part, PersistenceMixin):
                raise ValueError(
                    f"{type(self).__name__}: save has a place for estimators of sklvae only, and {name} is a "
                    f"{type(part).__module__.partition('.')[0]} {type(part).__name__}. Keep the whole estimator with "
                    "skops.io.dump, which writes no code either, or with joblib.dump."
                )
            header, its_arrays = part._packed()
            metadata[name] = json.dumps(header)
            arrays |= {f"{name}.{key}": array for key, array in its_arrays.items()}
        return metadata, arrays

    def _saved_params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.get_params(deep=False)  # type: ignore[attr-defined]
        return params | {name: None for name in self._for_fit_only if name in params}

    def _packed_fit(self, names: Iterable[str]) -> tuple[dict[str, Any], Arrays]:
        """Fitted attributes as JSON, and all arrays of them and of the network."""
        state = self.net_.module_.model.state_dict() if hasattr(self, "net_") else {}
        # safetensors writes memory as it lies, whatever the strides say
        arrays = {NET + name: tensor.cpu().contiguous().numpy() for name, tensor in state.items()}
        return {name: self._pack(name, getattr(self, name), arrays) for name in names}, arrays

    def _pack(self, name: str, value: Any, arrays: Arrays) -> Any:
        try:
            return pack(value, name, arrays)
        except CannotPackError as error:
            raise ValueError(
                f"{type(self).__name__}: {name} cannot be saved, since {error}. Give it as numbers, strings "
                "or an estimator of scikit-learn (with set_params, if it matters in training only), or keep "
                "the whole estimator with joblib.dump, which can refer to code."
            ) from error

    @classmethod
    def _unpacked(cls, metadata: Mapping[str, str], arrays: Arrays, **replaced: Any) -> Self:
        params, fitted = (unpack(json.loads(metadata[part]), arrays) for part in ("params", "fitted"))
        names = set(cls._get_param_names())  # type: ignore[attr-defined]
        unknown = sorted(set(params) - names)
        if unknown:
            raise ValueError(
                f"{cls.__name__}: the file was written by sklvae {metadata['sklvae_version']} and has "
                f"parameters that sklvae {sklvae_version()} does not know: {', '.join(unknown)}. Update sklvae."
            )
        estimator = cls(**params | {name: value for name, value in replaced.items() if name in names})
        for name in cls._parts:
            if name in metadata:
                header = json.loads(metadata[name])
                part = {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
                setattr(estimator, name, named(header)._unpacked(header, part, **replaced))
        estimator._restore_fit(fitted, arrays)
        return estimator

    def _restore_fit(self, fitted: Mapping[str, Any], arrays: Arrays) -> None:
        """Set fitted attributes, and the network whose parameters are among `arrays`."""
        for name, value in fitted.items():
            setattr(self, name, value)
        state = {k.removeprefix(NET): torch.from_numpy(v) for k, v in arrays.items() if k.startswith(NET)}
        if not state:
            return
        net = self._untrained_net(state)
        try:
            net.module_.model.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(
                f"{type(self).__name__}: the parameters do not describe the network that was fitted. Were they "
                "changed after fit? Set them back, or fit again."
            ) from error
        self.net_ = net

    def _require_same_network(self) -> nn.Module:
        """The network as the parameters describe it, untrained; one of other shapes than the last fit's is refused."""
        last = self.net_.module_.model
        described: nn.Module = self._untrained_net(last.state_dict()).module_.model
        if shapes(described) != shapes(last):
            raise ValueError(
                f"{type(self).__name__}: warm_start=True goes on from the network of the last fit, but the parameters "
                "describe another one now. Set them back, or use warm_start=False."
            )
        return described


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Names and shapes of the parameters and buffers of a module."""
    return {name: value.shape for name, value in module.state_dict().items()}


def load(path: str | os.PathLike[str], *, device: Any = None) -> Any:
    """Read an estimator that its `save` wrote, whichever it is; no code of the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, optional
        Replaces the parameter `device`, for a file that was saved where there was another one.

    Returns
    -------
    estimator
        Fitted: its results are those of the estimator that was saved, to the bit on the same machine.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError
        If the file is damaged, or was not written by `save`, or by a later version's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import sklvae
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> vae = sklvae.VariationalAutoencoder(hidden_units=(8,), max_epochs=1, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     vae.save(Path(folder, "vae.safetensors"))
    ...     again = sklvae.load(Path(folder, "vae.safetensors"))
    >>> type(again).__name__, np.array_equal(again.transform(X), vae.transform(X))
    ('VariationalAutoencoder', True)
    """
    metadata, arrays = read_estimator(path)
    try:
        kind = named(metadata)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return kind._unpacked(metadata, arrays, **({} if device is None else {"device": device}))


def named(metadata: Mapping[str, str]) -> type[PersistenceMixin]:
    """The class of an estimator of ours, by its name in a header."""
    name, estimators = metadata["class"], sys.modules[__name__.rpartition(".")[0]]
    kind = getattr(estimators, name, None) if name in estimators.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, PersistenceMixin)):
        raise ValueError(
            f"it holds a {name}, written by sklvae {metadata['sklvae_version']}; sklvae {sklvae_version()} has no such "
            f"estimator. Update sklvae, or call {name}.load where that is a class of your own."
        )
    return kind


def read_estimator(path: str | os.PathLike[str]) -> tuple[dict[str, str], Arrays]:
    """Header and arrays of a file that `save` wrote.

    Raises
    ------
    ValueError
        If it did not, or a later version's did, or it is not as it was written.
    """
    metadata, arrays = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is not an estimator of sklvae: load reads what save wrote.")
    version, writer = metadata.get("format_version", ""), metadata.get("sklvae_version", "")
    if version.isdecimal() and int(version) > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, written by sklvae {writer}, but sklvae {sklvae_version()} reads up "
            f"to format {FORMAT_VERSION}. Update sklvae."
        )
    if not set(metadata) >= NEEDED or metadata["digest"] != content_digest(metadata, arrays):
        raise ValueError(f"{path} is damaged: it is not as save wrote it. Use a copy, or fit again.")
    return metadata, arrays


def content_digest(metadata: Mapping[str, str], arrays: Arrays) -> str:
    """A digest of all that a file holds."""
    content = [
        sorted(item for item in metadata.items() if item[0] != "digest"),
        sorted((name, array_digest(array)) for name, array in arrays.items()),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def with_attributes(kind: type[PersistenceMixin], attributes: dict[str, Any]) -> Any:
    """An estimator as it was pickled."""
    estimator = kind.__new__(kind)
    estimator.__dict__.update(attributes)
    return estimator


def require_safetensors(what: str) -> Any:
    """The package, or an error that says what needs it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(f'{what} safetensors: pip install "sklvae[files]"') from error
    return safetensors


def write_whole(path: Path, data: bytes) -> None:
    """Write a file as a whole, on the disk when this returns; or leave the one that is there."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_bytes(data)
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """See that the names in a folder are on the disk, too, where folders can be synced."""
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, str], Arrays]:
    """Header and arrays of a file.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    safetensors = require_safetensors("save and load need")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            # A copy each: tensors of their own, which may be written to.
            return file.metadata() or {}, {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged, or is no safetensors file: {error}.") from error


def sklvae_version() -> str:
    """The version of sklvae."""
    # No import statement: imports point from the package to its parts.
    return str(sys.modules[__name__.partition(".")[0]].__version__)
