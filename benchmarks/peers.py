"""Ways to a classifier from images and a few answers.

Every method is a function ``(X, y, X_test, budget, seed) -> predictions``: y is what the expert knows, of which the
method may look up `budget` rows. `label_spreading`, `self_training`, `m2` and `supervised` get random rows, as their
users mostly have; `medoids_spread` shows what label spreading makes of chosen ones. The networks of `typiclust`,
`margin` and `supervised` have the shape of our encoder and see the views that ours sees in training. They are trained
at a constant rate for `STEPS` steps after each batch of answers, and predict an image as it is; ours lowers its rate,
and predicts by five small moves.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from sklvae import M2Classifier
from sklvae.nn import mlp_decoder, mlp_encoder, pooled_encoder
from sklvae.training import choose_augment

STEPS = 2000
"""Steps of the supervised networks."""

AUTOENCODER_STEPS = 6000
ACTIVE_ROUNDS, LEAST_BATCH = 5, 10
"""Rounds of margin sampling, where there are so many questions."""


def flat(X):
    """Rows of floats; pixels as fractions of 255."""
    return np.asarray(X, dtype=np.float32).reshape(len(X), -1) / (255 if X.dtype == np.uint8 else 1)


def some(y, budget, seed):
    """Random rows, and labels that are -1 for all others."""
    rows = np.random.default_rng(seed).choice(len(y), budget, replace=False)
    return rows, of_rows(rows, y)


def of_rows(rows, y):
    """The labels of some rows, -1 for all others."""
    labels = np.full(len(y), -1)
    labels[rows] = y[rows]
    return labels


def m2(X, y, X_test, budget, seed):
    """The defaults, on random labels."""
    _, labels = some(y, budget, seed)
    return M2Classifier(random_state=seed).fit(X, labels).predict(X_test)


def label_spreading(X, y, X_test, budget, seed):
    """scikit-learn's, over ten nearest neighbors, from random labels."""
    _, labels = some(y, budget, seed)
    return by_neighbors().fit(flat(X), labels).predict(flat(X_test))


def medoids_spread(X, y, X_test, budget, seed):
    """The same from the rows nearest to the centers of as many clusters as questions, by mini-batch k-means."""
    points = flat(X)
    centers = MiniBatchKMeans(budget, n_init=3, random_state=seed).fit(points).cluster_centers_
    labels = of_rows(pairwise_distances_argmin(centers, points), y)
    return by_neighbors().fit(points, labels).predict(flat(X_test))


def by_neighbors():
    return LabelSpreading(kernel="knn", n_neighbors=10, n_jobs=1)


def self_training(X, y, X_test, budget, seed):
    """scikit-learn's, of a random forest, from random labels."""
    _, labels = some(y, budget, seed)
    return SelfTrainingClassifier(forest(seed)).fit(flat(X), labels).predict(flat(X_test))


def forest(seed):
    return RandomForestClassifier(200, random_state=seed)


def umap_gmm(X, y, X_test, budget, seed):
    """UMAP of the pixels, a Gaussian mixture of as many components as questions; a medoid's label is its cluster's."""
    return by_clusters(flat(X), y, flat(X_test), budget, seed)


class Autoencoder(nn.Module):
    """x -> x through a code of ten numbers, 500-500-2000-10."""

    def __init__(self, n_features):
        super().__init__()
        widths = [500, 500, 2000]
        self.encoder = mlp_encoder((n_features,), widths, 10)
        self.decoder = mlp_decoder((n_features,), widths, 10)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def n2d(X, y, X_test, budget, seed):
    """The same on the code of an autoencoder (McConville et al., 2021: "N2D: (not too) deep clustering").

    It is trained for `AUTOENCODER_STEPS` steps; the authors train a thousand epochs.
    """
    torch.manual_seed(seed)
    X, X_test = flat(X), flat(X_test)
    net = NeuralNetRegressor(
        Autoencoder,
        module__n_features=X.shape[1],
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=256,
        max_epochs=-(-AUTOENCODER_STEPS // -(-len(X) // 256)),
        train_split=None,
        verbose=0,
    ).fit(X, X)

    def code(x):
        with torch.no_grad():
            return net.module_.encoder(torch.from_numpy(x)).numpy()

    return by_clusters(code(X), y, code(X_test), budget, seed)


def by_clusters(X, y, X_test, budget, seed):
    """UMAP to ten dimensions, a Gaussian mixture, and the label of each component's medoid."""
    from umap import UMAP

    umap = UMAP(n_components=10, n_neighbors=20, min_dist=0.0, random_state=seed, n_jobs=1)
    points = umap.fit_transform(X)
    mixture = GaussianMixture(budget, reg_covar=1e-4, random_state=seed).fit(points)
    named = y[pairwise_distances_argmin(mixture.means_, points)]
    return named[mixture.predict(umap.transform(X_test))]


class Seen(nn.Module):
    """The encoder of our defaults with a layer for the classes, which sees views of images in training."""

    def __init__(self, event, n_classes, augment):
        super().__init__()
        self.network, self.augment = pooled_encoder(event, [128], n_classes), augment

    def forward(self, x):
        return self.network(self.augment(x) if self.training else x)


def as_events(X):
    """What a network of torch sees, (n, 1, height, width)."""
    return (np.asarray(X, dtype=np.float32) / (255 if X.dtype == np.uint8 else 1))[:, None]


def network_options(X, n_labels):
    """Options of skorch for about `STEPS` steps."""
    batch_size, event = min(64, n_labels), as_events(X[:1]).shape[1:]
    return {
        "module__event": event,
        "module__augment": choose_augment("auto", event, X.reshape(len(X), -1)),
        "optimizer": torch.optim.Adam,
        "lr": 1e-3,
        "batch_size": batch_size,
        "max_epochs": -(-STEPS // -(-n_labels // batch_size)),
        "train_split": None,
        "verbose": 0,
    }


def supervised(X, y, X_test, budget, seed):
    """The network of our defaults with the same views, on random labels alone."""
    torch.manual_seed(seed)
    rows, _ = some(y, budget, seed)
    classes, codes = np.unique(y[rows], return_inverse=True)
    net = NeuralNetClassifier(
        Seen, criterion=nn.CrossEntropyLoss, module__n_classes=len(classes), **network_options(X, budget)
    )
    return classes[net.fit(as_events(X[rows]), codes).predict(as_events(X_test))]


def typiclust(X, y, X_test, budget, seed):
    """scikit-activeml's TypiClust on fifty principal components, all questions at once, and the network above.

    Its authors take features that were learned without labels.
    """
    from skactiveml.pool import TypiClust

    points = PCA(min(50, flat(X).shape[1]), random_state=seed).fit_transform(flat(X))
    strategy = TypiClust(random_state=seed, cluster_algo=KMeans)
    return active(X, y, X_test, [budget], seed, lambda labels, _, n: strategy.query(points, labels, batch_size=n))


def margin(X, y, X_test, budget, seed):
    """scikit-activeml's uncertainty sampling by margin from a random start, and the network above."""
    from skactiveml.pool import UncertaintySampling

    strategy = UncertaintySampling(method="margin_sampling", random_state=seed)
    events, rng = as_events(X), np.random.default_rng(seed)

    def query(labels, classifier, n):
        if classifier is None:
            return rng.choice(len(y), n, replace=False)
        chosen = np.flatnonzero(np.isnan(labels))
        return strategy.query(events, labels, clf=classifier, fit_clf=False, candidates=chosen, batch_size=n)

    batches = np.array_split(np.arange(budget), min(ACTIVE_ROUNDS, max(budget // LEAST_BATCH, 1)))
    return active(X, y, X_test, [len(batch) for batch in batches], seed, query)


def active(X, y, X_test, batches, seed, query):
    """For each batch, a query and a fit of scikit-activeml's skorch classifier."""
    from skactiveml.classifier import SkorchClassifier

    torch.manual_seed(seed)
    events, labels, classifier = as_events(X), np.full(len(y), np.nan), None
    for size in batches:
        rows = query(labels, classifier, size)
        labels[rows] = y[rows]
        known = np.flatnonzero(~np.isnan(labels))
        options = network_options(X, len(known))
        options["module__n_classes"] = len(np.unique(y))
        classifier = SkorchClassifier(Seen, classes=np.unique(y), neural_net_param_dict=options, random_state=seed).fit(
            events[known], labels[known]
        )
    return classifier.predict(as_events(X_test))


METHODS = {
    method.__name__: method
    for method in (
        umap_gmm,
        n2d,
        medoids_spread,
        label_spreading,
        self_training,
        typiclust,
        margin,
        m2,
        supervised,
    )
}
