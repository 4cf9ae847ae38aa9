"""The Gaussian-mixture deep generative model."""

from __future__ import annotations

import os
import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._labels import UNLABELED, label_kind
from ..labeling import Answer, Oracle
from ..nn import GMDGM
from ._class_vae import ClassVAEClassifier
from ._classifier import class_probabilities
from ._constraints import Constraint, at_least, instance_of, none, one_of
from ._run import OracleDriven
from ._session import fit_in_session
from ._slot_run import SlotRun
from ._slots import Remedies, collapse_symptom, slot_names

__all__ = ["GMDGMClassifier"]


REMEDIES = Remedies(
    train="train longer before the slots start (pretrain_epochs), lower beta, or scale X", fewer="lower n_extra"
)


class GMDGMClassifier(OracleDriven, ClassVAEClassifier):
    """Classes with labels and classes without any, together: a Gaussian mixture in latent space.

    The model is p(x|z) p(z|y) p(y), with p(z|y) a Gaussian. Every class that has a label gets a slot y, and
    there are `n_extra` slots beside them for classes that nobody has labeled. A VAE is trained on all rows;
    clusters of its latent space, drawn together by a graph of neighbors and matched with the labels, start the
    slots. Then ``mean L(x) + mean L(x_l, y_l) + alpha (mean log q(y_l|x_l) + mean log q(s|x))`` is maximized, with the
    bounds as in `M2Classifier` and s the slot that a row started in. Without any label this is clustering.

    Parameters
    ----------
    n_extra : int, default=10
        Slots for classes without labels. With more than there are such classes, a class may fill several, which can get
        the same name afterwards.
    alpha : float, default=50.0
        Weight of log q(y|x), in nats per sample: of the labels, and of the slots that rows start in and are held to.
    class_prior : array-like of shape (n_slots,), default=None
        p(y) of the slots, the known classes, sorted, first; None gives an extra slot half of what a known
        class gets (the paper's split).
    marginalization : {"exact", "truncated"}, default="truncated"
        As in `M2Classifier`.
    pretrain_epochs : int or "auto", default="auto"
        Epochs without slots; "auto" is about 4000 steps, at most 200 epochs.
    n_latent : int, default=10
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    augment : {"auto"}, callable or None, default="auto"
        What q(y|x) sees instead of an image that it is taught the class of, anew every time, so that it learns what
        does not matter: "auto" moves images by up to a tenth of their size, turns (by 15 degrees at most), scales and
        shears them (10 and 15%) as far as they still lie among the images of X, and does nothing to a table; a
        callable takes a batch (B, channels, height, width) or (B, n_features), float32, uint8 pixels as fractions of
        255, and returns one of the same shape; None is nothing.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        As in `VariationalAutoencoder`.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="mlp"
        As in `VariationalAutoencoder`; "auto" is "conv" for images, which took three times as long and was less
        accurate on MNIST and the digits. A callable makes q(y|x) and the part of q(z|x,y) that sees x.
    hidden_units : tuple of int or "auto", default=(500, 500)
        Widths of the dense hidden layers, as in `VariationalAutoencoder`.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step, and as many labeled ones, drawn with replacement.
    max_epochs : int or "auto", default="auto"
        At most so many epochs in any one phase, but for that of `pretrain_epochs` where it is a number; "auto" sets no
        such limit.
    lr : float, default=1e-3
        Learning rate at the start of each phase; it falls to zero along a cosine.
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
        Go on from the network of the last fit, and with the names that its slots were given, if the known classes and
        `n_extra` are the same.
    session_dir : str or path-like, default=None
        A folder that keeps questions, answers and training as they come, so that a fit that broke off goes on
        from there when it is repeated. See `LabelingSession`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Names of all classes, known and found, sorted. A found slot that holds no training row is no class.
    known_classes_ : ndarray of shape (n_known,)
        Classes that had a label in y.
    found_classes_ : ndarray of shape (n_found,)
        Names of the others: integers beyond the known ones, or "found_0", "found_1", ...; the class's own
        name once `cluster_and_label` or an oracle has given it.
    slots_ : ndarray of shape (n_slots,)
        Name of the class of each slot.
    slot_sizes_ : ndarray of shape (n_slots,)
        Training rows in each slot.
    labels_ : ndarray of shape (n_samples,)
        A class for every training row: the known one, or else the most probable one.
    label_confidence_ : ndarray of shape (n_samples,)
        q(y|x) of each label, summed over the slots of the class; 1 for a known one.
    answers_ : list of Answer
        What an oracle said of the found slots.
    n_queries_ : int
        Questions asked, one a found slot.
    history_ : list of dict
        A record an epoch; terms in nats per sample.
    net_ : skorch.NeuralNet
        The net that was trained.
    likelihood_ : str
        The likelihood in use.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    Willetts et al., 2018, "Semi-unsupervised learning using deep generative models" (GM-DGM paper), Equations 2
    to 10. Start from a clustered VAE: Jiang et al., 2017, "Variational deep embedding".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import GMDGMClassifier
    >>> X, truth = make_blobs(n_samples=200, centers=4, n_features=6, cluster_std=0.6, random_state=1)
    >>> y = np.where((truth < 2) & (np.arange(200) < 40), truth, -1)  # nobody has labeled classes 2 and 3
    >>> model = GMDGMClassifier(n_extra=2, hidden_units=(32,), batch_size=32, max_epochs=30, random_state=0).fit(X, y)
    >>> model.known_classes_, model.found_classes_
    (array([0, 1]), array([2, 3]))
    """

    _network: ClassVar = GMDGM
    _trained_on: ClassVar = "known_classes_"
    _phases: ClassVar = {"pretrain": (4000, 200), "start": (3000, 150), "train": (500, 25)}
    _constraints: ClassVar[dict[str, Constraint]] = {
        **ClassVAEClassifier._constraints,
        "n_extra": at_least(0, int),
        "pretrain_epochs": at_least(1, int) | one_of("auto"),
        "session_dir": none | instance_of((str, os.PathLike), "a path"),
    }
    classes = None  # a class without a label is found, not declared

    def __init__(
        self,
        *,
        n_extra: int = 10,
        alpha: float = 50.0,
        class_prior: Any = None,
        marginalization: str = "truncated",
        pretrain_epochs: int | str = "auto",
        n_latent: int = 10,
        beta: float = 1.0,
        augment: Any = "auto",
        likelihood: str = "auto",
        encoder: Any = "mlp",
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
        session_dir: Any = None,
    ) -> None:
        self.n_extra = n_extra
        self.alpha = alpha
        self.class_prior = class_prior
        self.marginalization = marginalization
        self.pretrain_epochs = pretrain_epochs
        self.n_latent = n_latent
        self.beta = beta
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
        self.session_dir = session_dir

    @property
    def _slot_classes(self) -> NDArray[np.int64]:
        return np.where(self._used, np.searchsorted(self.classes_, self.slots_), UNLABELED)

    @property
    def _used(self) -> NDArray[np.bool_]:
        """Slots that are classes: the known ones, and the found ones that were named or hold rows."""
        slots = np.arange(len(self.slots_))
        return (slots < len(self.known_classes_)) | (self.slot_sizes_ > 0) | np.isin(slots, list(self._given))

    @property
    def found_classes_(self) -> NDArray[Any]:
        """Names of the extra slots that were named or hold rows, sorted, but for those of known classes."""
        n_known = len(self.known_classes_)
        return np.setdiff1d(self.slots_[n_known:][self._used[n_known:]], self.known_classes_)

    def _n_decoder_inputs(self, n_slots: int) -> int:
        return self.n_latent

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, oracle: Oracle | None = None) -> Self:
        """Train on X, partly labeled by y, and ask what the found slots are.

        An interruption from the keyboard ends the phase it comes in early, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255.
        y : array-like of shape (n_samples,), default=None
            Labels, sparse in some classes and absent in others: -1 for unlabeled rows, or an object array with
            -1, None or nan for them.
        oracle : callable, default=None
            ``answers = oracle(queries)``, see `sklvae.labeling`: asked once about the decoded center of every
            found slot that holds rows and has not been named. INVALID and SKIP leave the slot its name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or an answer is wrong, or there are fewer than two slots.
        OracleError
            If the oracle raises. What it answered before is in `answers_`, and the model is trained.
        SessionError
            If the session in `session_dir` is in use, damaged, or cannot be written.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
        return fit_in_session(self, X, y, oracle)

    def _begin(self, X: ArrayLike, y: ArrayLike | None, *, asks: bool) -> SlotRun:
        last = self._last()
        rows, rng = self._start(X)
        known, codes = np.empty(0, dtype=np.int64), np.full(len(rows), UNLABELED)
        if y is not None:
            known, codes = self._known_labels(y, len(rows))
        names = slot_names(known, self.n_extra)
        prior = np.array([2.0] * len(known) + [1.0] * self.n_extra)
        prior = self._checked_prior(prior / prior.sum(), f"the {len(names)} slots {names.tolist()}")
        model = self._go_on(last, known, prior)
        if model is None:
            self._given: dict[int, Any] = {}
        return SlotRun(self, rows, codes, known, prior, rng, model, asks=asks)

    def _take_up(self, rows: NDArray[Any], codes: NDArray[np.int64], known: NDArray[Any]) -> None:
        """Set the fitted attributes: the slots and classes of the training rows."""
        self.known_classes_: NDArray[Any] = known
        self.answers_: list[Answer] = []
        probability = self._slot_probabilities(rows)
        n_slots = probability.shape[1]
        self._row_probability = np.where(codes[:, None] >= 0, np.eye(n_slots)[codes], probability)
        row_slots = self._row_probability.argmax(axis=1)
        self.slot_sizes_ = np.bincount(row_slots, minlength=n_slots)
        self._name_slots(self._given)
        sizes = np.bincount(row_slots[codes < 0], minlength=n_slots)
        prior = self._model.class_probs.cpu().numpy()
        if symptom := collapse_symptom(sizes, prior, len(known), REMEDIES):
            warnings.warn(f"{type(self).__name__}: {symptom}", stacklevel=7)

    def cluster_and_label(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Name found slots by the labels of a few rows: each gets the most common one among its rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, of the training data or others.
        y : array-like of shape (n_samples,)
            Their labels, as in `fit`. A slot that holds no labeled row keeps its name, or gets a new one where the
            old one has become the name of a class; known classes keep theirs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y is of another length than X, has no label, or labels of another kind than those known.
        """
        check_is_fitted(self, "classes_")
        classes, codes = self._known_labels(y, len(X))  # type: ignore[arg-type]
        if not len(classes):
            raise ValueError(
                f"GMDGMClassifier: cluster_and_label needs the label of one row at least, got {len(codes)} unlabeled "
                "rows. Label some, or pass an oracle to fit."
            )
        kinds = self._kinds(self.known_classes_)
        if len(kinds | {label_kind(label) for label in classes.tolist()}) > 1:
            raise ValueError(
                f"GMDGMClassifier: labels of the kind of {[*self.known_classes_.tolist(), *self._given.values()]} are "
                f"required, got {classes.tolist()}. Convert y."
            )
        slots = self._apply(class_probabilities, X).argmax(axis=1)
        given = dict(self._given)
        for slot in range(len(self.known_classes_), len(self.slots_)):
            votes = codes[(slots == slot) & (codes >= 0)]
            if len(votes):
                given[slot] = classes[np.bincount(votes).argmax()].item()
        self._name_slots(given)
        return self

    def _kinds(self, known: NDArray[Any]) -> set[str]:
        """Kinds of the labels that somebody gave."""
        return {label_kind(label) for label in (*known.tolist(), *self._given.values())}

    def _epochs(self, phase: str, n_samples: int) -> int:
        if phase == "pretrain" and self.pretrain_epochs != "auto":
            return int(self.pretrain_epochs)
        return super()._epochs(phase, n_samples)

    def _name_slots(self, given: dict[int, Any]) -> None:
        """Give found slots names; the labels of the training rows follow."""
        n_known = len(self.known_classes_)
        self._given, n_extra = given, len(self._model.class_probs) - n_known
        self.slots_ = slot_names(self.known_classes_, n_extra, given)
        self.classes_ = np.unique(self.slots_[self._used])
        probability = self._summed(self._row_probability)
        self.labels_ = self.classes_[probability.argmax(axis=1)]
        self.label_confidence_ = np.minimum(probability.max(axis=1), 1.0)  # a sum of float32

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
