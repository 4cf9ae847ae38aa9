"""Pictures of inputs in a grid: of classes, of centroids, of reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._canvas import CELL_WIDTH, INK, PALE, draw_input, figure_class, shades_of

__all__ = ["plot_centroids", "plot_classes", "plot_reconstructions"]


def plot_classes(
    classifier: Any, *, n_styles: int = 10, image_shape: Sequence[int] | None = None, figure: Any = None
) -> Any:
    """Draw decoded samples of every class, a class a row.

    Samples of a column share their style (the same noise in latent space), where the `random_state` of the
    classifier is an integer.

    Parameters
    ----------
    classifier : estimator
        Fitted, with `classes_` and ``sample(n_samples, label=...)``, such as `GMDGMClassifier`.
    n_styles : int, default=10
        Samples of a class.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the samples, where they are flat; None takes the
        parameter `image_shape` of the classifier.
    figure : matplotlib Figure or SubFigure, optional
        What to draw in; a new Figure otherwise.

    Returns
    -------
    Figure
        The figure, to be shown by a notebook or written with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `image_shape` is not that of the samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae import M2Classifier
    >>> from sklvae.plotting import plot_classes
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> model = M2Classifier(max_epochs=1, hidden_units=(16,), random_state=0).fit(X / 16, y)
    >>> len(plot_classes(model, n_styles=4, image_shape=(8, 8)).axes)
    12
    """
    Figure = figure_class()
    classes = classifier.classes_.tolist()
    samples = np.concatenate([classifier.sample(n_styles, label=label) for label in classes])
    shades = shades_of(list(samples), image_shape or getattr(classifier, "image_shape", None))
    if figure is None:
        figure = Figure(figsize=(CELL_WIDTH * n_styles + 0.6, CELL_WIDTH * len(classes)), layout="constrained")
    grid = figure.subplots(len(classes), n_styles, squeeze=False)
    for axes, x in zip(grid.flat, shades, strict=True):
        draw_input(axes, x)
    for axes, label in zip(grid[:, 0], classes, strict=True):
        axes.set_ylabel(str(label), rotation=0, ha="right", va="center", color=INK)
    return figure


def plot_centroids(
    classifier: Any,
    X: ArrayLike,
    *,
    layer: str | None = None,
    n_nearest: int = 10,
    image_shape: Sequence[int] | None = None,
    figure: Any = None,
) -> Any:
    """Draw the samples nearest to each centroid, a centroid a row, the nearest first.

    The number before a row is the share of the samples that have this centroid as their nearest.

    Parameters
    ----------
    classifier : estimator
        Fitted, with ``centroid_distances(X, layer)``, such as `CentroidRegularizedClassifier`.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples to choose from.
    layer : str, default=None
        The layer whose centroids are shown; None is the last one.
    n_nearest : int, default=10
        Samples of a centroid.
    image_shape : tuple of int, optional
        As in `plot_classes`.
    figure : matplotlib Figure or SubFigure, optional
        What to draw in; a new Figure otherwise.

    Returns
    -------
    Figure
        The figure, to be shown by a notebook or written with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `layer` has no centroids, or `image_shape` is not that of the samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae import CentroidRegularizedClassifier
    >>> from sklvae.plotting import plot_centroids
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> model = CentroidRegularizedClassifier(module="mlp", max_epochs=1, n_centroids=5, random_state=0).fit(X, y)
    >>> len(plot_centroids(model, X, n_nearest=4, image_shape=(8, 8)).axes)
    20
    """
    Figure = figure_class()
    distances = classifier.centroid_distances(X, layer)
    n_nearest = min(n_nearest, len(distances))
    n_centroids = distances.shape[1]
    shares = np.bincount(distances.argmin(axis=1), minlength=n_centroids) / len(distances)
    nearest = distances.argsort(axis=0)[:n_nearest].T  # (n_centroids, n_nearest)
    shades = shades_of(list(np.asarray(X)[nearest.ravel()]), image_shape or getattr(classifier, "image_shape", None))
    if figure is None:
        figure = Figure(figsize=(CELL_WIDTH * n_nearest + 0.6, CELL_WIDTH * n_centroids), layout="constrained")
    grid = figure.subplots(n_centroids, n_nearest, squeeze=False)
    for axes, x in zip(grid.flat, shades, strict=True):
        draw_input(axes, x)
    for axes, share in zip(grid[:, 0], shares, strict=True):
        axes.set_ylabel(f"{share:.0%}", rotation=0, ha="right", va="center", color=PALE)
    return figure


def plot_reconstructions(
    model: Any, X: ArrayLike, *, image_shape: Sequence[int] | None = None, figure: Any = None
) -> Any:
    """Draw samples and, under each, what a VAE makes of it: encoded and decoded.

    Parameters
    ----------
    model : estimator
        Fitted, with `transform` and `inverse_transform`, such as `VariationalAutoencoder`.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The samples, a column each.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the samples, where they are flat; None takes the
        parameter `image_shape` of the model.
    figure : matplotlib Figure or SubFigure, optional
        What to draw in; a new Figure otherwise.

    Returns
    -------
    Figure
        The figure, to be shown by a notebook or written with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `image_shape` is not that of the samples.

    References
    ----------
    VAE-transfer paper, Figure 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae import VariationalAutoencoder
    >>> from sklvae.plotting import plot_reconstructions
    >>> X = load_digits().data[:50] / 16
    >>> vae = VariationalAutoencoder(max_epochs=1, image_shape=(8, 8), random_state=0).fit(X)
    >>> len(plot_reconstructions(vae, X[:4]).axes)
    8
    """
    Figure = figure_class()
    X = np.asarray(X)
    drawn = [*X, *np.asarray(model.inverse_transform(model.transform(X))).reshape(X.shape)]
    shades = shades_of(drawn, image_shape or getattr(model, "image_shape", None))
    if figure is None:
        figure = Figure(figsize=(CELL_WIDTH * len(X) + 1, 2 * CELL_WIDTH), layout="constrained")
    grid = figure.subplots(2, len(X), squeeze=False)
    for axes, x in zip(grid.flat, shades, strict=True):
        draw_input(axes, x)
    for axes, name in zip(grid[:, 0], ("original", "decoded"), strict=True):
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
    return figure
