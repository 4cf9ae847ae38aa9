"""Parameters of a module factory, set one by one as ``module__name`` or together as a dict."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn

__all__ = ["ModuleParamsMixin", "make_module", "make_tried"]

PREFIX = "module__"


class ModuleParamsMixin:
    """Makes each entry of the parameter `module_params`, a dict or None, a parameter ``module__name`` of its own.

    A search, a pipeline and `clone` treat them like any other; a change makes a new dict.
    """

    module_params: dict[str, Any] | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether the entries of `module_params` are among them as ``module__name``.

        Returns
        -------
        dict
        """
        params: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]
        entries = params["module_params"] if deep and isinstance(params["module_params"], dict) else {}
        return {**params, **{f"{PREFIX}{name}": value for name, value in entries.items()}}

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Parameters; ``module__name=value`` sets one entry of `module_params` and leaves the others.

        Returns
        -------
        self
        """
        entries = {name.removeprefix(PREFIX): params.pop(name) for name in list(params) if name.startswith(PREFIX)}
        super().set_params(**params)  # type: ignore[misc]
        if entries:
            self.module_params = {**(self.module_params or {}), **entries}
        return self


def make_module(owner: str, factory: Callable[..., Any], *arguments: Any, **params: Any) -> nn.Module:
    """Call a module factory.

    Raises
    ------
    ValueError
        If it does not take these parameters, fails with them, or does not give a module.
    """
    try:
        inspect.signature(factory).bind(*arguments, **params)
    except TypeError as error:
        given = f" with {', '.join(f'{PREFIX}{name}' for name in params)}" if params else ""
        raise ValueError(
            f"{owner}: module must be a factory f(event_shape, n_outputs, **parameters), and its parameters those of "
            f"module_params. {getattr(factory, '__name__', factory)!r} cannot be called so{given}: {error}. It takes "
            f"{inspect.signature(factory)}."
        ) from error
    try:
        module = factory(*arguments, **params)
    except Exception as error:
        called = ", ".join([*map(repr, arguments), *(f"{name}={value!r}" for name, value in params.items())])
        raise ValueError(f"{owner}: the factory of the module failed, called with ({called}): {error}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{owner}: module must make a torch.nn.Module, got {module!r}.")
    return module


def make_tried(wanted: str, factory: Callable[..., Any], shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    """Call a factory ``f(shape, n_outputs)``, and try its module on two samples of zeros.

    Raises
    ------
    ValueError
        If the module is not one from such samples to so many numbers. The message begins with `wanted`.
    """
    try:
        module: nn.Module = factory(shape, n_outputs)
        with torch.no_grad():
            came = tuple(module.eval()(torch.zeros(2, *shape)).shape)
        module.train()
    except Exception as error:  # of the user's code, or of torch in it
        raise ValueError(f"{wanted}; it raised {type(error).__name__}: {error}") from error
    if came != (2, n_outputs):
        raise ValueError(f"{wanted}; it gave shape {came} for 2 samples.")
    return module
