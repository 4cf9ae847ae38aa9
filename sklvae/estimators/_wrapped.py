"""What ActiveLearningClassifier must know of the classifier that it wraps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples, check_is_fitted, has_fit_parameter

from ..training import fresh_seed

__all__ = [
    "draws_of",
    "generators_of",
    "gives_draws",
    "labeled_by",
    "last_step",
    "learns_from_unlabeled",
    "seed_where_none",
    "takes_any_labels",
    "warm_start_parameter",
    "was_interrupted",
    "weight_argument",
]

SEMI_SUPERVISED = ("sklvae", "sklearn.semi_supervised")
"""Packages whose classifiers learn from unlabeled rows."""

ENSEMBLES = (RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier, VotingClassifier)
"""Whose members in `estimators_` predict codes of classes, and are draws of the ensemble."""


def learns_from_unlabeled(estimator: Any) -> bool:
    """Whether a classifier, or the last step of a pipeline, takes -1 in y for an unlabeled row."""
    return any(_comes_from(package, estimator) for package in SEMI_SUPERVISED)


def takes_any_labels(estimator: Any) -> bool:
    """Whether a classifier, or the last step of a pipeline, takes an object array that holds -1 beside strings."""
    return _comes_from("sklvae", estimator)


def warm_start_parameter(estimator: BaseEstimator) -> str | None:
    """Name of the parameter that lets a classifier, or the last step of a pipeline, go on; None where it has none."""
    name = f"{estimator.steps[-1][0]}__warm_start" if isinstance(estimator, Pipeline) else "warm_start"
    return name if name in estimator.get_params() else None


def weight_argument(estimator: BaseEstimator) -> str | None:
    """Argument of `fit` for weights of samples, of a classifier or the last step of a pipeline; None if there is none.

    A classifier that has others inside may not hand weights on, and with metadata routing a pipeline does not, unless
    its user says so.
    """
    if isinstance(estimator, Pipeline):
        name = None if get_config()["enable_metadata_routing"] else weight_argument(estimator.steps[-1][1])
        return name and f"{estimator.steps[-1][0]}__{name}"
    has_others = {"estimator", "estimators"} & estimator.get_params(deep=False).keys()
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") and not has_others else None


def seed_where_none(estimator: BaseEstimator, rng: np.random.RandomState) -> dict[str, int]:
    """Give every `random_state` of a classifier and of its parts a seed, unless it has one; returns the seeds.

    Parts that are fitted already stay as they are: a clone shares them with the user.
    """
    seeds = {name: fresh_seed(rng) for name, given in _random_states(estimator).items() if given is None}
    estimator.set_params(**seeds)
    return seeds


def generators_of(estimator: BaseEstimator) -> dict[str, np.random.RandomState]:
    """Every `random_state` of a classifier and of its parts that is a generator, and moves on with each fit."""
    given = _random_states(estimator)
    return {name: value for name, value in given.items() if isinstance(value, np.random.RandomState)}


def _random_states(estimator: BaseEstimator) -> dict[str, Any]:
    parameters = estimator.get_params()
    shared = tuple(f"{key}__" for key, part in parameters.items() if _is_fitted(part))
    names = (key for key in sorted(parameters) if key.split("__")[-1] == "random_state")
    return {key: parameters[key] for key in names if not key.startswith(shared)}


def _is_fitted(part: Any) -> bool:
    if not hasattr(part, "fit") or not hasattr(part, "get_params") or isinstance(part, type):
        return False
    try:
        check_is_fitted(part)
    except NotFittedError:
        return False
    return True


def was_interrupted(estimator: Any) -> bool:
    """Whether somebody cut the training of a network of ours short, in any phase of its fit or of its parts."""
    last = last_step(estimator)
    trained = [last, *(getattr(last, part) for part in getattr(last, "_parts", ()))]
    nets = [getattr(one, "net_", None) for one in trained]
    return any(getattr(one, "_interrupted", False) for one in trained) or any(
        getattr(net, "interrupted_", False) for net in nets
    )


def gives_draws(estimator: Any) -> bool:
    """Whether a classifier, fitted or not, has predictions of several draws."""
    last = last_step(estimator)
    if not isinstance(last, ENSEMBLES):
        return hasattr(last, "sample_proba")
    members = [part for _, part in last.estimators] if isinstance(last, VotingClassifier) else [last.estimator]
    return all(member in (None, "drop") or hasattr(member, "predict_proba") for member in members)


def draws_of(estimator: Any, X: Any) -> NDArray[Any]:
    """Class probabilities of several draws of a fitted classifier, (n_draws, n_samples, n_classes).

    Draws are those of `sample_proba`, or the members of a forest, of bagging or of a vote.
    """
    last, X = last_step(estimator), _as_last_sees(estimator, X)
    if hasattr(last, "sample_proba"):
        draws: NDArray[Any] = last.sample_proba(X)
        return draws
    votes = np.zeros((len(last.estimators_), _num_samples(X), len(last.classes_)), dtype=np.float32)
    for vote, member, seen in zip(votes, last.estimators_, _as_members_see(last, X), strict=True):
        vote[:, np.asarray(member.classes_, dtype=int)] = member.predict_proba(seen)
    return votes


def labeled_by(estimator: Any, X: Any) -> NDArray[Any]:
    """Probability of "labeled" by the discriminator of a fitted classifier, or of the last step of a pipeline, (n,)."""
    labeled: NDArray[Any] = last_step(estimator).predict_labeled(_as_last_sees(estimator, X))
    return labeled


def last_step(estimator: Any) -> Any:
    """A classifier itself, or the last step of a pipeline."""
    return last_step(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def _as_last_sees(estimator: Any, X: Any) -> Any:
    """X as the steps before the last leave it."""
    if not isinstance(estimator, Pipeline):
        return X
    before = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
    return _as_last_sees(estimator.steps[-1][1], before)


def _as_members_see(ensemble: Any, X: Any) -> Iterator[Any]:
    """X for each member: as it is for those of a vote, columns of an array for those of bagging."""
    if isinstance(ensemble, VotingClassifier):
        return repeat(X, len(ensemble.estimators_))
    X = X.tocsr() if issparse(X) else np.asarray(X)
    features = getattr(ensemble, "estimators_features_", [slice(None)] * len(ensemble.estimators_))
    return (X[:, columns] for columns in features)


def _comes_from(package: str, estimator: Any) -> bool:
    return any(f"{kind.__module__}.".startswith(f"{package}.") for kind in type(last_step(estimator)).__mro__)
