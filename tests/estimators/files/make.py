"""Makes the files of estimators that later versions must read, with what the estimators gave when they were written.

Run it once for a new format, ``python tests/estimators/files/make.py``, and add its folder; never make one anew.
"""

from pathlib import Path

import numpy as np

from sklvae import (
    INVALID,
    SKIP,
    ActiveLearningClassifier,
    CentroidRegularizedClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAALClassifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)
from sklvae.estimators._persistence import FORMAT_VERSION

FOLDER = Path(__file__).parent

ROW, COLUMN = np.arange(30)[:, None], np.arange(6)
X = np.cos(ROW % 3 * (COLUMN + 1)) + 0.1 * np.sin(7 * ROW + 3 * COLUMN)
NAMES = np.array(["ant", "bee", "cat"])[ROW[:, 0] % 3]
PARTLY = np.where(ROW[:, 0] < 9, NAMES.astype(object), None)
SMALL = {"max_epochs": 2, "hidden_units": (4,), "n_latent": 2, "batch_size": 16, "random_state": 0}


def oracle(queries):
    """INVALID and SKIP once, then the truth with some doubt."""
    said = {0: INVALID, 1: SKIP}
    rows = [query.members[0] if query.index is None else query.index for query in queries]
    labels = [said.get(query.id, str(NAMES[row])) for query, row in zip(queries, rows, strict=True)]
    return labels, [1 - query.id / 100 for query in queries]


def estimators():
    """One of each, fitted."""
    few = {"n_clusters": 3, "n_rounds": 2, "budget": 9}
    return [
        VariationalAutoencoder(**SMALL).fit(X),
        ClusterLabelVAEClassifier(**SMALL, **few, propagation="cluster").fit(X, oracle=oracle),
        M2Classifier(**SMALL).fit(X, PARTLY),
        GMDGMClassifier(**SMALL, n_extra=3).fit(X, PARTLY, oracle=oracle),
        VAETransferClassifier(**SMALL).fit(X, PARTLY),
        CentroidRegularizedClassifier(max_epochs=2, module_params={"hidden_units": (4,)}, random_state=0).fit(
            X, PARTLY
        ),
        VAALClassifier(**SMALL, discriminator="refit", n_rounds=1, budget=4).fit(X, PARTLY, oracle=oracle),
        ActiveLearningClassifier(M2Classifier(**SMALL), batch_size=2, n_rounds=2).fit(X, PARTLY, oracle=oracle),
    ]


def results(estimator):
    """What an estimator makes of X."""
    of_rows = {"latents": "transform", "probabilities": "predict_proba", "bounds": "score_samples"}
    given = {key: getattr(estimator, method)(X) for key, method in of_rows.items() if hasattr(estimator, method)}
    return {**given, **{key: getattr(estimator, key) for key in ("label_confidence_",) if hasattr(estimator, key)}}


if __name__ == "__main__":
    folder = FOLDER / f"format-{FORMAT_VERSION}"
    folder.mkdir()
    expected = {}
    for estimator in estimators():
        name = type(estimator).__name__
        estimator.save(folder / f"{name}.safetensors")
        expected |= {f"{name}.{key}": value for key, value in results(estimator).items()}
    np.savez_compressed(folder / "expected.npz", **expected)
