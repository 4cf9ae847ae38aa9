"""The beta-VAE as a transformer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..graph import edge_chances
from ..nn import VAE
from ..objectives import beta_vae_loss, neighbor_vae_loss
from ..training import Options, Rows, WithNeighbors, choose_augment
from ._base import LatentEstimator, auto_epochs, warn_if_interrupted
from ._constraints import Constraint, at_least, augment_like
from ._points import inputs_graph

__all__ = ["VariationalAutoencoder"]

STEPS = 4000
MOST_EPOCHS = 200


class VariationalAutoencoder(LatentEstimator):
    """beta-VAE as a transformer: encodes to posterior means, decodes, samples and scores.

    Minimizes ``-E_q[log p(x|z)] + beta KL(q(z|x) || p(z))``, summed over features and latents, averaged
    over samples. With `attraction`, neighbors among the inputs are drawn together in the latent space, all else apart.

    Parameters
    ----------
    n_latent : int, default=10
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    attraction : float, default=0.0
        Weight of the term that gives the posterior means of views of neighbors the same direction, per sample; 0 makes
        neither views nor a graph of neighbors. 100, as `ClusterLabelVAEClassifier` has it for images, made latents of
        MNIST better ones to classify, at the cost of reconstructions; on Fashion-MNIST it finds poorer neighbors. The
        learning rate falls to zero along a cosine then.
    augment : callable, "auto" or None, default="auto"
        What makes the views that `attraction` draws together: "auto" moves images by up to a tenth of
        their size, turns (by 15 degrees at most), scales and shears them (10 and 15%) as far as they still lie among
        the images of X, and does nothing to a table; a callable takes a batch (B, channels, height, width) or
        (B, n_features), and returns one of the same shape; None is nothing.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        "auto" is Bernoulli for uint8 pixels and for data in [0, 1], otherwise a Gaussian whose variances
        are learned, over inputs that are standardized inside: each feature; images, and columns that PCA made
        of these rows, by one standard deviation.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="auto"
        Dense layers, or convolutions before them: one ("conv") or two ("conv2") with strides and a decoder that
        mirrors them, or three that are normalized over the batch and pooled, with a dense decoder ("conv3"); "auto" is
        "conv" for images and "mlp" for tables. A callable ``f(event_shape, n_outputs)`` makes a module from
        (batch, ...) to (batch, n_outputs), with ``n_outputs = 2 n_latent``.
    hidden_units : tuple of int or "auto", default=(500, 500)
        Widths of the dense hidden layers of encoder and decoder; () makes both linear, "auto" is (128,) with "conv3",
        and otherwise (500, 500).
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step.
    max_epochs : int or "auto", default="auto"
        Passes over the data; "auto" is about 4000 steps, at most 200 epochs.
    lr : float, default=1e-3
        Learning rate.
    optimizer : {"adam", "adamw", "sgd"} or optimizer class, default="adam"
        From torch.
    device : str or torch.device, default="auto"
        "auto" is a GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training; "auto" is bfloat16 where the processor has it.
    random_state : int, RandomState or None, default=None
        Decides everything random.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        Called in training.
    warm_start : bool, default=False
        Go on from the network of the last fit.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The net that was trained.
    history_ : list of dict
        One record an epoch; losses in nats per sample.
    likelihood_ : str
        The likelihood in use.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    Raises
    ------
    ValueError
        If a parameter or X is not as described.
    NonFiniteLossError
        A ValueError: if the loss becomes infinite or nan.

    References
    ----------
    Kingma and Welling, 2014, "Auto-encoding variational Bayes"; Higgins et al., 2017, "beta-VAE". `attraction`: Dwibedi
    et al., 2021, "With a little help from my friends", Equation 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae import VariationalAutoencoder
    >>> X = load_digits().data[:200] / 16
    >>> vae = VariationalAutoencoder(n_latent=2, max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape, vae.sample(3).shape, vae.score_samples(X).shape
    ((200, 2), (3, 64), (200,))
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "attraction": at_least(0.0),
        "augment": augment_like,
    }

    def __init__(
        self,
        *,
        n_latent: int = 10,
        beta: float = 1.0,
        attraction: float = 0.0,
        augment: Any = "auto",
        likelihood: str = "auto",
        encoder: Any = "auto",
        hidden_units: tuple[int, ...] | str = (500, 500),
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 256,
        max_epochs: int | str = "auto",
        lr: float = 1e-3,
        optimizer: Any = "adam",
        device: Any = "auto",
        precision: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.n_latent = n_latent
        self.beta = beta
        self.attraction = attraction
        self.augment = augment
        self.likelihood = likelihood
        self.encoder = encoder
        self.hidden_units = hidden_units
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.warm_start = warm_start

    @property
    def _model(self) -> VAE:
        vae: VAE = self.net_.module_.model
        return vae

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Train on X.

        An interruption from the keyboard ends training early, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        previous = self._model if self.warm_start and hasattr(self, "net_") else None
        rows, rng = self._start(X)
        if previous is None:
            self.__dict__.pop("net_", None)  # it does not fit what comes now, however that ends
            self.history_: list[dict[str, Any]] = []
        else:
            self._require_same_network()
        vae = previous or self._build_vae(rows, rng)
        auto = auto_epochs(len(rows), self.batch_size, STEPS, MOST_EPOCHS)
        epochs = auto if self.max_epochs == "auto" else int(self.max_epochs)
        objective: Any = partial(beta_vae_loss, beta=self.beta)
        data = Rows(rows, self._event)
        if self.attraction:
            augment = choose_augment(self.augment, self._event, rows) or nn.Identity()
            objective = partial(neighbor_vae_loss, beta=self.beta, attraction=self.attraction, augment=augment)
            data = WithNeighbors(rows, self._event, edge_chances(inputs_graph(rows, self._event)))
        net = self._train(vae, objective, data, max_epochs=epochs, rng=rng, phase="pretrain")
        warn_if_interrupted(net, epochs)
        return self

    def _options(self) -> Options:
        return replace(super()._options(), anneal=self.attraction > 0)

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Mean ELBO per sample, in nats; higher is better."""
        check_is_fitted(self)
        return float(np.mean(self.score_samples(X)))
