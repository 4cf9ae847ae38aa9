"""Each wrong input has its message, and costs no answer."""

import re

import numpy as np
import pandas as pd
import pytest

from sklvae import INVALID, SKIP, VariationalAutoencoder
from sklvae.labeling import OracleError


def bad_values():
    X = np.random.default_rng(0).normal(size=(40, 4))
    with_nan, with_inf = X.copy(), X.copy()
    with_nan[3, 1], with_inf[3, 1] = np.nan, np.inf
    return {
        "nan": (with_nan, {}, "contains NaN"),
        "inf": (with_inf, {}, "contains infinity"),
        "image_shape": (X, {"image_shape": (3, 3)}, r"image_shape \(3, 3\) has 9 values a sample, but X has shape"),
        "image_shape of images": (X.reshape(-1, 2, 2), {"image_shape": (3, 3)}, "image_shape"),
        "conv on a table": (X, {"encoder": "conv"}, "needs images"),
        "bernoulli": (X, {"likelihood": "bernoulli"}, r"needs values in \[0, 1\], got values from"),
        "one sample": (X[:1], {}, "1 sample"),
        "one feature": (X[:, :1], {}, r"1 feature\(s\)"),
        "constant features": (np.ones((40, 4)), {}, "constant features"),
        "no number": (np.full((40, 4), "x"), {}, r"columns \[0, 1, 2, 3\] do not: could not convert string"),
        "a column of text": (
            pd.DataFrame(X, columns=[*"abcd"]).assign(color="red"),
            {},
            r"but columns \['color'\] do not: .* Drop them, or encode",
        ),
        "a column of dates": (
            pd.DataFrame(X, columns=[*"abcd"]).assign(day=pd.Timestamp("2026-11-30")),
            {},
            r"but columns \['day'\] do not: (?s:.*) Drop them",
        ),
        "n_latent": (X, {"n_latent": 0}, "n_latent must be an integer >= 1, got 0"),
        "beta": (X, {"beta": -1}, "beta must be a finite number >= 0"),
        "likelihood": (X, {"likelihood": "poisson"}, "likelihood must be one of 'auto', 'bernoulli', 'gaussian'"),
        "optimizer": (X, {"optimizer": "newton"}, "optimizer must be one of"),
        "device": (X, {"device": "abacus"}, 'device must be "auto" or a device'),
        "max_epochs": (X, {"max_epochs": 0}, "max_epochs must be an integer >= 1 or one of 'auto'"),
        "lr": (X, {"lr": 0.0}, "lr must be a finite number > 0"),
        "precision": (X, {"precision": "float8"}, "precision must be one of"),
    }


@pytest.mark.parametrize("case", bad_values())
def test_bad_data_or_parameter_is_named(case, quick):
    X, parameters, message = bad_values()[case]
    with pytest.raises(ValueError, match=message):
        VariationalAutoencoder(**{"max_epochs": 2, **parameters}).fit(X)
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(X, np.arange(len(X)) % 2)


def test_values_on_another_scale_than_those_of_the_fit_get_a_warning(digits):
    X, _ = digits
    vae = VariationalAutoencoder(max_epochs=1, random_state=0).fit(X)
    vae.transform(np.where(X > 0, 1.2 * X, -0.1))
    with pytest.warns(
        UserWarning, match=r"fitted on values in \[0, 1\].*, got values from 0 to 255. Give X on the scale"
    ):
        vae.transform(255 * X)


def test_some_constant_features_are_no_harm(blobs):
    X = np.hstack([blobs[0], np.full((120, 2), 7.0)])
    assert np.isfinite(VariationalAutoencoder(max_epochs=5, random_state=0).fit(X).score(X))


def test_diverging_training_says_where_and_what_to_try(blobs):
    with pytest.raises(ValueError, match=r"loss became (nan|inf) in epoch \d+, batch \d+\. Try a smaller lr"):
        VariationalAutoencoder(lr=1e6, optimizer="sgd", max_epochs=50, random_state=0).fit(blobs[0])


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, None, "requires y to be passed, but the target y is None"),
        ({}, "unlabeled", r"at least 2 classes, got 0 class\(es\) among 0 labeled of 120 rows"),
        ({}, "single", r"at least 2 classes, got 1 class\(es\)"),
        ({}, "string", r'the string "-1", which is not the mark'),
        ({"budget": 5}, "oracle", "budget must cover the clusters of the first round, n_clusters=6; got budget=5"),
        ({"n_clusters": 121, "budget": 200}, "oracle", "at least n_clusters=121 samples, got 120"),
        ({"n_clusters": 0}, "oracle", "n_clusters must be an integer >= 1"),
        ({"clusterer": "dbscan"}, "oracle", "clusterer must be one of 'gmm', 'kmeans' or a scikit-learn clusterer"),
        ({"propagation": "cluster", "confidence": "linear"}, "oracle", "confidence must be one of"),
        ({"propagation": "cluster", "confidence": lambda d: d + 2}, "oracle", r"as many numbers in \[0, 1\]"),
        ({}, "no callable", "oracle must be callable"),
    ],
)
def test_a_fit_that_cannot_start_says_why(parameters, y, message, blobs, quick, truth):
    X, labels = blobs
    arguments = {
        "unlabeled": {"y": np.full(120, -1)},
        "single": {"y": np.zeros(120, dtype=int)},
        "string": {"y": np.where(labels == 0, "-1", "a")},
        "oracle": {"oracle": truth(labels)},
        "no callable": {"oracle": 3},
    }.get(y, {})
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(X, **arguments)


def replies():
    def with_(labels, position, value):
        changed = list(labels)
        changed[position] = value
        return changed

    return {
        "too few": (lambda y: y[:-2], 4, "one answer per query, 6 in all, but query 4 has none"),
        "too many": (lambda y: [*y, 0], 6, "gave more: query 5 is the last"),
        "nested": (lambda y: [[label] for label in y], 0, "query 0 must be a single label, not a nested answer"),
        "probabilities": (lambda y: np.eye(3)[y], 0, "nested"),
        "confidence": (lambda y: (y, [1, 1, 1.5, 1, 1, 1]), 2, r"query 2 must be a confidence in \[0, 1\]; got 1.5"),
        "kinds": (lambda y: with_(y, 3, "three"), 3, "query 3 must be a label of the same kind"),
        "unlabeled": (lambda y: with_(y, 1, -1), 1, "query 1 must be a label: answer INVALID"),
        "nothing": (lambda y: None, 0, "must return a sequence of answers, got None"),
        "a string": (lambda y: "abcdef", 0, "must return a sequence of answers"),
    }


@pytest.mark.parametrize("case", replies())
def test_a_wrong_reply_names_the_query_and_keeps_the_answers_before(case, blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    make, n_kept, message = replies()[case]
    classifier = quick()
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, oracle=lambda queries: make(expert(queries)))
    assert len(classifier.answers_) == n_kept


@pytest.mark.parametrize(("error", "raised"), [(RuntimeError, OracleError), (KeyboardInterrupt, KeyboardInterrupt)])
def test_an_oracle_that_raises_costs_no_answer(error, raised, blobs, quick, truth):
    X, y = blobs
    expert = truth(y)

    def oracle(queries):
        if len(expert.batches) == 1:
            raise error("the line went dead")
        return expert(queries)

    classifier = quick()
    with pytest.raises(raised, match=re.escape("after 6 answers, which are kept in answers_")):
        classifier.fit(X, oracle=oracle)
    assert [answer.label for answer in classifier.answers_] == expert(expert.batches[0]).tolist()
    assert classifier.predict(X).shape == (120,)


@pytest.mark.parametrize("answer", [INVALID, SKIP, None])
@pytest.mark.parametrize("propagation", ["graph", "cluster"])
def test_answers_without_any_label_are_an_error_that_keeps_them(answer, propagation, blobs, quick):
    X, _ = blobs
    classifier = quick(propagation=propagation)
    with pytest.raises(
        ValueError,
        match=r"at least 2 classes are needed, but (\d+) answers gave 0 class\(es\), \[\]; \1 were INVALID or SKIP",
    ):
        classifier.fit(X, oracle=lambda queries: [answer] * len(queries))
    assert 0 < len(classifier.answers_) <= 12


def test_answers_of_a_single_class_are_an_error_that_keeps_them(blobs, quick):
    X, _ = blobs
    classifier = quick()
    with pytest.raises(ValueError, match=r"12 answers gave 1 class\(es\), \['only'\]"):
        classifier.fit(X, oracle=lambda queries: ["only"] * len(queries))
    assert classifier.n_queries_ == 12
