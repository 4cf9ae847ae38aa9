"""A classifying network whose activations can be seen, and the centroids that they are pulled to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional as F

__all__ = ["CentroidNetwork", "Centroids"]


class Centroids(nn.Module):
    """Centroids of one layer, with the moments of its activations.

    Distances are squared and divided by the variance of the activations, summed over features: the mean distance
    to the nearest centroid is then the share of the variance that the centroids leave unexplained, in any layer.

    Parameters
    ----------
    n_centroids : int
        J.
    n_features : int
        D, the width of the activations once they are pooled.

    Attributes
    ----------
    centers : Parameter of shape (J, D)
        C_j.
    mean : Tensor of shape (D,)
        m, the mean of the activations.
    variance : Tensor of shape ()
        v, their variance, summed over features.
    within : Tensor of shape ()
        Mean squared distance to the nearest centroid.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import Centroids
    >>> Centroids(3, 2).distances(torch.rand(5, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(self, n_centroids: int, n_features: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(n_centroids, n_features))
        self.mean: Tensor
        self.variance: Tensor
        self.within: Tensor
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("within", torch.ones(()))

    @property
    def unexplained(self) -> Tensor:
        """rho, the share of the variance that the centroids leave unexplained, in [0, 1]."""
        return (self.within / self.variance).clamp(0, 1)

    def distances(self, f: Tensor) -> Tensor:
        """|f - C_j|^2 / v, (B, J)."""
        with torch.autocast(f.device.type, enabled=False):  # bfloat16 would cancel
            f, centers = f.to(self.mean.dtype) - self.mean, self.centers - self.mean
            square = f.square().sum(1, keepdim=True) - 2 * f @ centers.T + centers.square().sum(1)
        return square.clamp_min(0) / self.variance

    def spread(self, f: Tensor) -> Tensor:
        """|f - m|^2 / v, (B,); 1 on average."""
        return (f.to(self.mean.dtype) - self.mean).square().sum(1) / self.variance


DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class CentroidNetwork(nn.Module):
    """q(y|x) of any network, with the activations of some of its layers.

    Activations are seen by forward hooks that exist during a call only, so nothing of them is left in the network.

    Parameters
    ----------
    network : Module
        (B, ...) -> (B, K), logits.
    shift, scale : Tensor of the shape of a sample
        Inputs are standardized by them.
    layers : sequence of str
        Names of submodules of `network`, as in ``named_modules``.
    average : bool
        Whether activations (B, channels, ...) are averaged over all places, or flattened.
    input_dropout, output_dropout : float
        Probability to drop a standardized input, or an activation that leaves the last of `layers`.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklvae.nn import CentroidNetwork
    >>> network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> model = CentroidNetwork(network, torch.zeros(6), torch.ones(6), ["1"])
    >>> q, activations = model(torch.rand(5, 6))
    >>> q.probs.shape, [f.shape for f in activations]
    (torch.Size([5, 3]), [torch.Size([5, 8])])
    """

    def __init__(
        self,
        network: nn.Module,
        shift: Tensor,
        scale: Tensor,
        layers: Sequence[str],
        *,
        average: bool = True,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.network, self.layers, self.average = network, tuple(layers), average
        self.input_dropout, self.output_dropout = input_dropout, output_dropout
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.pulled_to = nn.ModuleList()

    @property
    def centroids(self) -> list[Centroids]:
        """Those of each layer, once `add_centroids` was called."""
        return [each for each in self.pulled_to if isinstance(each, Centroids)]

    def add_centroids(self, n_centroids: Sequence[int], n_features: Sequence[int]) -> None:
        """Give each layer its centroids."""
        self.pulled_to = nn.ModuleList(map(Centroids, n_centroids, n_features)).to(self.shift.device)

    def forward(self, x: Tensor) -> tuple[Categorical, list[Tensor]]:
        """q(y|x), batch (B,), and the activations of each layer, (B, D)."""
        x = F.dropout((x - self.shift) / self.scale, self.input_dropout, self.training)
        with self._seen() as activations:
            logits = self.network(x)
        seen = [self._pooled(name, activations) for name in self.layers]
        return Categorical(logits=logits.to(self.shift.dtype), validate_args=False), seen

    def classify(self, x: Tensor) -> Categorical:
        """q(y|x), batch (B,)."""
        return self(x)[0]

    @property
    def drops(self) -> bool:
        """Whether any unit is dropped in training."""
        shares = [self.input_dropout, self.output_dropout, *(part.p for part in self._dropouts())]
        return any(share > 0 for share in shares)

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Drop units as in training within the block, and normalize as in prediction; in evaluation mode after it."""
        parts = [self, *self._dropouts()]
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # the fused layers of attention drop nothing in evaluation mode
        for part in parts:
            part.training = True  # not train(), which is for their children, too
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for part in parts:
                part.training = False

    def _dropouts(self) -> list[Any]:
        return [part for part in self.network.modules() if isinstance(part, DROPOUTS)]

    @contextmanager
    def _seen(self) -> Iterator[dict[str, Any]]:
        """What each layer gives in its last call within the block."""
        activations: dict[str, Any] = {}
        modules = dict(self.network.named_modules())

        def see(name: str, output: Any) -> Any:
            activations[name] = output.clone() if isinstance(output, Tensor) else output  # a next layer may write to it
            dropped = name == self.layers[-1] and self.output_dropout and isinstance(output, Tensor)
            return F.dropout(output, self.output_dropout, self.training) if dropped else output

        hooks = [
            modules[name].register_forward_hook(lambda module, args, output, name=name: see(name, output))
            for name in self.layers
        ]
        try:
            yield activations
        finally:
            for hook in hooks:
                hook.remove()

    def _pooled(self, name: str, activations: dict[str, Any]) -> Tensor:
        f = activations.get(name)
        if not isinstance(f, Tensor) or f.ndim < 2:
            came = "was not called" if f is None else f"gave {_described(f)}"
            raise ValueError(
                f"layers: {name!r} {came}, but the activations of a layer must be a tensor (batch, features, ...). "
                "Name another layer."
            )
        return f.flatten(2).mean(2) if self.average and f.ndim > 2 else f.flatten(1)


def _described(f: Any) -> str:
    return f"a tensor of shape {tuple(f.shape)}" if isinstance(f, Tensor) else f"a {type(f).__name__}"
