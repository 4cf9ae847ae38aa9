import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression

from sklvae import ActiveLearningClassifier, ClusterLabelVAEClassifier


@pytest.fixture(scope="session")
def blobs():
    """Three well separated classes of 40 rows in 5 dimensions."""
    X, y = make_blobs(n_samples=120, centers=3, n_features=5, cluster_std=0.5, random_state=0)
    return X, y


@pytest.fixture(scope="session")
def digits():
    """200 images of 8 x 8 in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, y[:200]


@pytest.fixture
def quick():
    """Make a classifier that is fitted in a moment."""

    def make(**parameters):
        defaults = {
            "n_clusters": 6,
            "budget": 12,
            "n_rounds": 2,
            "max_epochs": 15,
            "hidden_units": (32,),
            "batch_size": 16,
        }
        return ClusterLabelVAEClassifier(**{**defaults, "random_state": 0, **parameters})

    return make


class TruthOracle:
    """Knows the class of every row, goes by the real row nearest to a center, and keeps what it is asked."""

    def __init__(self, y):
        self.y, self.batches = np.asarray(y), []

    def __call__(self, queries):
        self.batches.append(queries)
        return self.y[[query.members[0] if query.index is None else query.index for query in queries]]


@pytest.fixture
def truth():
    return TruthOracle


@pytest.fixture
def nobody():
    """An oracle that must not be asked."""

    def oracle(queries):
        raise AssertionError(f"asked about {[query.id for query in queries]}")

    return oracle


@pytest.fixture
def assert_same_fit():
    """Two fits of a session, or of none, gave the same; the answers of a batch may have come in another order."""

    def compare(one, other, X, *, order=True):
        for name in ("classes_", "labels_", "label_confidence_"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
        losses = [[epoch["train_loss"] for epoch in getattr(fit, "history_", [])] for fit in (one, other)]
        assert losses[0] == losses[1]
        said = [[(a.query.id, a.label, a.confidence) for a in fit.answers_] for fit in (one, other)]
        assert said[0] == said[1] if order else sorted(said[0], key=str) == sorted(said[1], key=str)

    return compare


@pytest.fixture
def learner():
    """Make an active learner, by default around a logistic regression."""

    def make(estimator=None, **parameters):
        defaults = {"batch_size": 4, "n_rounds": 3, "random_state": 0}
        estimator = LogisticRegression() if estimator is None else estimator
        return ActiveLearningClassifier(estimator, **{**defaults, **parameters})

    return make


@pytest.fixture
def tiny():
    """Make a classifier that is fitted at once."""

    def make(**parameters):
        defaults = {"n_clusters": 4, "n_rounds": 2, "budget": 9, "max_epochs": 2, "hidden_units": (8,), "n_latent": 3}
        return ClusterLabelVAEClassifier(**{**defaults, "random_state": 0, **parameters})

    return make


@pytest.fixture(scope="session")
def assert_same():
    """Compare two values: equal to the bit, of the same types, all the way down."""

    def compare(a, b):
        assert type(a) is type(b)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes() if a.dtype != object else True
            if a.dtype == object:
                compare(a.tolist(), b.tolist())
        elif isinstance(a, dict):
            assert list(a) == list(b)
            for key in a:
                compare(a[key], b[key])
        elif isinstance(a, list | tuple):
            assert len(a) == len(b)
            for one, other in zip(a, b, strict=True):
                compare(one, other)
        elif hasattr(a, "__dataclass_fields__"):
            compare(vars(a), vars(b))
        elif hasattr(a, "get_params"):
            compare(a.get_params(), b.get_params())
        else:
            assert a == b or (a != a and b != b)

    return compare
