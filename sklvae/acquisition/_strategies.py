"""The acquisitions that have a name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ._acquisitions import Acquisition, Score, Selection, Stochastic, Uniform
from ._anchors import distant_least_confident, farthest_per_class
from ._badge import badge
from ._balanced import informative_representative_diverse
from ._batch_bald import batch_bald
from ._clusters import medoids, typiclust
from ._cover import prob_cover
from ._discriminative import discriminative
from ._farthest import farthest_first
from ._norms import expected_change, expected_norm
from ._scores import bald, discriminator_score, entropy, least_confident, margin, variation_ratio

__all__ = ["STRATEGIES", "strategy"]

ANCHORED = ("proba", "embedding", "labeled_proba", "labeled_embedding", "labeled_codes")
NORMED = ("embedding", "labeled_embedding", "labeled_codes")
SPATIAL = ("embedding", "labeled_embedding")

STRATEGIES: dict[str, Acquisition] = {
    "random": Uniform(),
    "least_confident": Score(least_confident, ("proba",)),
    "margin": Score(margin, ("proba",)),
    "entropy": Score(entropy, ("proba",)),
    "variation_ratio": Score(variation_ratio, ("sampled_proba",)),
    "bald": Score(bald, ("sampled_proba",)),
    "discriminator": Score(discriminator_score, ("discriminator",)),
    "discriminative": Selection(discriminative, SPATIAL),
    "expected_norm": Score(expected_norm, NORMED, row_by_row=False),
    "expected_change": Score(expected_change, NORMED, row_by_row=False),
    "distant_least_confident": Score(distant_least_confident, ANCHORED, row_by_row=False),
    "farthest_per_class": Selection(farthest_per_class, ANCHORED),
    "coreset": Selection(farthest_first, SPATIAL),
    "badge": Selection(badge, ("proba", "embedding")),
    "typiclust": Selection(typiclust, SPATIAL),
    "medoids": Selection(medoids, ("embedding",)),
    "prob_cover": Selection(prob_cover, SPATIAL),
    "batch_bald": Selection(batch_bald, ("sampled_proba",)),
    "informative_representative_diverse": Selection(informative_representative_diverse, ("proba", *SPATIAL)),
    "power_entropy": Stochastic(Score(entropy, ("proba",))),
    "power_bald": Stochastic(Score(bald, ("sampled_proba",))),
}


def strategy(name: str, **options: Any) -> Acquisition:
    """Look up an acquisition by its name, with options other than the default.

    Parameters
    ----------
    name : str
        A key of `STRATEGIES`.
    **options
        Keyword arguments of the function of that name, or attributes of `Stochastic`.

    Returns
    -------
    Acquisition

    Raises
    ------
    ValueError
        If there is no such name, or no such option; the message lists those there are.

    Examples
    --------
    >>> from sklvae.acquisition import strategy
    >>> strategy("prob_cover", delta=0.5).needs
    ('embedding',)
    >>> strategy("entropi")
    Traceback (most recent call last):
    ValueError: acquisition must be one of random, least_confident, ..., power_bald; got 'entropi'.
    """
    if name not in STRATEGIES:
        raise ValueError(f"acquisition must be one of {', '.join(STRATEGIES)}; got {name!r}.")
    found: Any = STRATEGIES[name]
    of_function = isinstance(found, (Score, Selection))
    known = found.known_options if of_function else ["beta", "form"] if isinstance(found, Stochastic) else []
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ValueError(f"acquisition {name!r} has no option {unknown[0]!r}. It has: {', '.join(known) or 'none'}.")
    chosen: Acquisition = replace(found, options=options) if of_function else replace(found, **options)
    return chosen
