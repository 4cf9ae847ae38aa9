"""Runs sessions in forked children, and kills them: a child that need not import torch starts in a moment.

A request is a line of JSON on the standard input; the reply, how the child ended, is one on the standard output.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from sklvae import (
    INVALID,
    SKIP,
    ActiveLearningClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    LabelingSession,
    M2Classifier,
    VAALClassifier,
)
from sklvae.estimators._base import LatentEstimator
from sklvae.estimators._session_folder import SessionFolder
from sklvae.estimators._trainer import Trainer
from sklvae.labeling import AnswerLog, WebOracle, _web_server  # noqa: F401
from sklvae.training import Net

X, TRUTH = make_blobs(n_samples=60, centers=3, n_features=4, random_state=0)
SMALL = {"max_epochs": 2, "hidden_units": (8,), "n_latent": 3, "random_state": 0}
ROUNDS = {**SMALL, "n_clusters": 4, "n_rounds": 3, "budget": 14}
CHOICES = {"batch_size": 4, "n_rounds": 3, "random_state": 0}
KINDS = {
    "graph": lambda **options: ClusterLabelVAEClassifier(**ROUNDS, **options),
    "cluster": lambda **options: ClusterLabelVAEClassifier(**ROUNDS, propagation="cluster", **options),
    "slots": lambda **options: GMDGMClassifier(**SMALL, n_extra=4, **options),
    "active": lambda **options: ActiveLearningClassifier(M2Classifier(**SMALL), warm_start=True, **CHOICES, **options),
    "foreign": lambda **options: ActiveLearningClassifier(LogisticRegression(), **CHOICES, **options),
    "vaal": lambda **options: VAALClassifier(**SMALL, discriminator="refit", n_rounds=3, budget=12, **options),
}

POINTS = {
    "ask": (AnswerLog, "ask"),
    "tell": (AnswerLog, "tell"),
    "checkpoint": (SessionFolder, "save"),
    "fsync": (os, "fsync"),
    "replace": (os, "replace"),
    "step": (Net, "train_step"),
}


def answer_to(query):
    row = query.members[0] if query.index is None else query.index
    if query.level == 0 and row % 7 == 0:
        return INVALID
    return SKIP if row % 11 == 0 else int(TRUTH[row])


class Diary:
    """What a child has done, in a file that outlives it."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *words):
        os.write(self.file, (" ".join(map(str, words)) + "\n").encode())


def patch(owner, name, wrapped):
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: wrapped(original, *args, **kwargs))


def watch(diary):
    """Note which phases are trained and which are kept; those of a classifier that chooses rows by its labels."""
    phases, known = [], [""]

    def train(original, *args, phase, **kwargs):
        phases.append(f"{phase}{known[-1]}".replace(" ", "_"))
        diary.note("train", phases[-1])
        return original(*args, phase=phase, **kwargs)

    def save(original, *args):
        original(*args)
        diary.note("kept", (phases or ["nothing_of_ours"])[-1])

    def learn(original, self, labels, rng):
        known.append(f" on {len(labels)} labels")
        return original(self, labels, rng)

    patch(LatentEstimator, "_train", train)
    patch(Trainer, "train", learn)
    patch(SessionFolder, "save", save)


def kill_at(point, n, after):
    """Die at the n-th call of something, before or after it has done its work."""
    calls = []

    def counted(original, *args, **kwargs):
        calls.append(point)
        if len(calls) == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    patch(*POINTS[point], counted)


def ask_and_tell(estimator, diary):
    """One answer at a time, last question first."""
    with LabelingSession(estimator, X) as session:
        while queries := session.ask():
            for query in reversed(queries):
                diary.note("ask", query.id)
                session.tell({query.id: answer_to(query)})
                diary.note("told", query.id, answer_to(query))
        return session.finish()


def fit(estimator, diary):
    """An oracle that yields knows that an answer is kept when it is asked for the next."""

    def oracle(queries):
        for query in queries:
            diary.note("ask", query.id)
            yield answer_to(query)
            diary.note("told", query.id, answer_to(query))

    return estimator.fit(X, oracle=oracle)


def fit_by_row(estimator, diary):
    return estimator.fit(X, oracle=lambda queries: [query.index % 3 for query in queries])


def fit_by_page(estimator, diary):
    """Whoever started this is in front of the page."""

    def show(url):
        diary.note("page", url, os.getpid())

    with WebOracle([0, 1, 2], show=show, review=60, timeout=60) as person:
        return estimator.fit(X, oracle=person)


WAYS = {True: fit, False: ask_and_tell, "by row": fit_by_row, "page": fit_by_page}


def run(request):
    diary = Diary(request["diary"])
    if request["by_fit"] != "page":
        watch(diary)
    if request["kill_at"]:
        kill_at(*request["kill_at"])
    estimator = KINDS[request["kind"]](session_dir=request["session_dir"])
    fitted = WAYS[request["by_fit"]](estimator, diary)
    np.savez(
        request["result"],
        probability=fitted.predict_proba(X),
        labels=fitted.labels_,
        confidence=fitted.label_confidence_,
        losses=[record["train_loss"] for record in getattr(fitted, "history_", [])],
        answers=[f"{answer.query.id} {answer.label}" for answer in fitted.answers_],
    )


def in_child(request):
    """Run a request in a child, kill it after a while if asked to, and tell how it ended."""
    child = os.fork()
    if not child:
        try:
            run(request)
        except BaseException:
            Path(request["diary"]).with_suffix(".error").write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    start, ended, status = time.monotonic(), 0, 0
    while not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended and request["seconds"] is not None and time.monotonic() - start > request["seconds"]:
            os.kill(child, signal.SIGKILL)
            ended, status = os.waitpid(child, 0)
        time.sleep(0.001)
    return {"code": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - start}


if __name__ == "__main__":
    for make in KINDS.values():
        make().fit(X, oracle=lambda queries: [answer_to(query) for query in queries])  # imports all that is used
    for line in sys.stdin:
        print(json.dumps(in_child(json.loads(line))), flush=True)
