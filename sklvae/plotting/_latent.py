"""A picture of a latent space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.manifold import TSNE
from sklearn.utils import check_array, check_consistent_length, check_random_state

from .._labels import UNLABELED, split_labels
from ._canvas import BAR, colors_of, figure_class

__all__ = ["plot_latent"]


def plot_latent(
    Z: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    ax: Any = None,
    max_samples: int = 2000,
    random_state: Any = None,
) -> Any:
    """Scatter latent vectors in two dimensions, colored by label.

    Two columns are drawn as they are; more are embedded with t-SNE. Unlabeled samples are gray.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_latent)
        Latent vectors, at least two columns.
    labels : array-like of shape (n_samples,), optional
        Classes, -1 (or ``None`` or ``nan``) where unlabeled.
    ax : matplotlib Axes, optional
        Where to draw; axes of a new Figure otherwise.
    max_samples : int, default=2000
        Of more samples than this, so many are drawn at random.
    random_state : int, RandomState instance or None, default=None
        Determines the choice of samples and the embedding.

    Returns
    -------
    Axes
        The axes; ``ax.figure.savefig(path)`` writes their figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If Z has fewer than two columns, or `labels` another length.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.plotting import plot_latent
    >>> ax = plot_latent(np.eye(4)[:, :2], ["ant", "ant", "cat", "cat"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['ant', 'cat']
    """
    Figure = figure_class()
    points = check_array(Z, ensure_min_features=2, input_name="Z")
    none = np.empty(0), np.full(len(points), UNLABELED)
    classes, codes = none if labels is None else split_labels(labels)
    check_consistent_length(points, codes)
    rng = check_random_state(random_state)
    if len(points) > max_samples:
        chosen = np.sort(rng.choice(len(points), max_samples, replace=False))
        points, codes = points[chosen], codes[chosen]
    if points.shape[1] > 2:
        seed = rng.randint(np.iinfo(np.int32).max)
        tsne = TSNE(perplexity=min(30, (len(points) - 1) / 3), random_state=seed)
        points = tsne.fit_transform(points)
    if ax is None:
        ax = Figure(figsize=(6, 5), layout="constrained").subplots()
    style = {"s": 8, "linewidths": 0}
    unlabeled = codes == UNLABELED
    if unlabeled.any():
        color, name = (BAR, None) if labels is None else ("#cccccc", "unlabeled")
        ax.scatter(*points[unlabeled].T, color=color, label=name, **style)
    for code, color in enumerate(colors_of(len(classes))):
        ax.scatter(*points[codes == code].T, color=color, label=str(classes[code]), **style)
    if labels is not None:
        ax.legend(
            loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, ncols=1 + len(classes) // 21
        )
    ax.set(xticks=[], yticks=[])
    return ax
