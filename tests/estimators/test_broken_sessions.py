"""A full disk, a damaged file, a second process: clear errors, and nothing is lost."""

import builtins
import os
import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from sklvae import ClusterLabelVAEClassifier, LabelingSession
from sklvae.labeling import SessionError


@pytest.fixture
def tiny(tmp_path):
    """Make a classifier that is fitted at once and keeps its sessions in a folder of the test."""

    def make(**parameters):
        defaults = {"n_clusters": 4, "n_rounds": 2, "budget": 8, "max_epochs": 2, "hidden_units": (8,), "n_latent": 3}
        return ClusterLabelVAEClassifier(**{**defaults, "random_state": 0, "session_dir": tmp_path, **parameters})

    return make


@pytest.fixture
def whole(blobs, tiny, truth):
    """What an undisturbed fit gives."""
    X, y = blobs
    return tiny(session_dir=None).fit(X, oracle=truth(y)).predict_proba(X)


@contextmanager
def no_file_longer_than(n_bytes):
    """A disk that is full once a file is so long."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_answer_that_a_full_disk_does_not_take_is_told_again(blobs, tiny, truth, whole, tmp_path):
    X, y = blobs
    with LabelingSession(tiny(), X) as session:
        first, second, *_ = session.ask()
        session.tell({first.id: int(y[first.index])})
        (wal,) = tmp_path.rglob("answers.sqlite-wal")
        with (
            no_file_longer_than(wal.stat().st_size),
            pytest.raises(SessionError, match=r"answer to query 1, which is not kept.*the disk has space"),
        ):
            session.tell({second.id: int(y[second.index])})
        assert [answer.query.id for answer in session.estimator.answers_] == [0]
        session.tell({second.id: int(y[second.index])})
    expert = truth(y)
    again = tiny().fit(X, oracle=expert)
    assert min(query.id for batch in expert.batches for query in batch) == 2
    np.testing.assert_array_equal(again.predict_proba(X), whole)


def test_a_checkpoint_that_a_full_disk_does_not_take_leaves_the_one_before(blobs, tiny, truth, whole, tmp_path):
    X, y = blobs
    with LabelingSession(tiny(), X) as session:
        session.tell([int(y[query.index]) for query in session.ask()])
        (checkpoint,) = tmp_path.rglob("checkpoint.safetensors")
        before = checkpoint.read_bytes()
        with (
            no_file_longer_than(1000),
            pytest.raises(SessionError, match=r"checkpoint.safetensors cannot be read or w"),
        ):
            session.ask()
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.rglob("*.part")) == []
    expert = truth(y)
    again = tiny().fit(X, oracle=expert)
    assert min(query.id for batch in expert.batches for query in batch) == 4
    np.testing.assert_array_equal(again.predict_proba(X), whole)


@pytest.fixture
def small_disk(tmp_path):
    """A folder, and a context in which its disk is full: a tmpfs of 2 MB where one may be mounted, or else a limit."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0

    @contextmanager
    def full():
        if not mounted:
            with no_file_longer_than(1):
                yield
            return
        with suppress(OSError), open(folder / "ballast", "wb", buffering=0) as ballast:
            while ballast.write(b"x" * 512):
                pass
        yield
        (folder / "ballast").unlink()

    yield folder, full
    if mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def tell_until_full(session, answer):
    for _ in range(200):  # what is in place may still take a few
        session.tell(answer)


def test_a_disk_that_is_full_at_any_time_loses_nothing(blobs, tiny, truth, whole, small_disk):
    X, y = blobs
    folder, full = small_disk
    with full(), pytest.raises(SessionError, match="the disk has space"):
        LabelingSession(tiny(session_dir=folder), X)
    kept = 0
    while True:
        with LabelingSession(tiny(session_dir=folder), X) as session, full(), suppress(SessionError):
            session.ask()  # writes questions or a checkpoint, unless both were written before
        session = LabelingSession(tiny(session_dir=folder), X)
        queries = session.ask()
        assert session.estimator.n_queries_ == kept
        if not queries:
            break
        answer = {queries[0].id: int(y[queries[0].index])}
        with full(), pytest.raises(SessionError, match="which is not kept"):
            tell_until_full(session, answer)
        session.tell(answer)
        session.close()
        kept += 1
    assert kept == 8
    np.testing.assert_array_equal(session.finish().predict_proba(X), whole)


@pytest.mark.parametrize("length", [0, 100, -1])
def test_a_truncated_checkpoint_says_how_to_go_on_and_loses_no_answer(length, blobs, tiny, truth, whole, tmp_path):
    X, y = blobs
    tiny().fit(X, oracle=truth(y))
    (checkpoint,) = tmp_path.rglob("checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(SessionError, match=r"checkpoint.safetensors cannot be read.*Delete checkpoint\.safetensors"):
        tiny().fit(X, oracle=truth(y))
    checkpoint.unlink()
    expert = truth(y)
    np.testing.assert_array_equal(tiny().fit(X, oracle=expert).predict_proba(X), whole)
    assert expert.batches == []


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9, 1.0])
def test_a_bit_that_changed_in_a_checkpoint_is_not_trained_on(place, blobs, tiny, truth, tmp_path):
    X, y = blobs
    tiny().fit(X, oracle=truth(y))
    (checkpoint,) = tmp_path.rglob("checkpoint.safetensors")
    damaged = bytearray(checkpoint.read_bytes())
    damaged[int(place * (len(damaged) - 1))] ^= 1
    checkpoint.write_bytes(damaged)
    with pytest.raises(SessionError, match=r"checkpoint.safetensors cannot be read.*\. The answers are safe"):
        tiny().fit(X, oracle=truth(y))


def test_a_damaged_log_is_refused_and_left_as_it_is(blobs, tiny, truth, tmp_path):
    X, y = blobs
    tiny().fit(X, oracle=truth(y))
    (log,) = tmp_path.rglob("answers.sqlite")
    log.write_bytes(b"no database, but long enough to be one" * 100)
    before = log.read_bytes()
    with pytest.raises(SessionError, match=r"answers\.sqlite cannot be opened: file is not a database"):
        tiny().fit(X, oracle=truth(y))
    assert log.read_bytes() == before
    log.unlink()
    with pytest.raises(SessionError, match=r"lacks the answer to query 0, which training has used\. Put the file back"):
        tiny().fit(X, oracle=truth(y))


def test_a_log_of_a_later_version_asks_for_an_update(blobs, tiny, truth, tmp_path):
    X, y = blobs
    tiny().fit(X, oracle=truth(y))
    with sqlite3.connect(next(tmp_path.rglob("answers.sqlite"))) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SessionError, match=r"later version of sklvae\. Update sklvae"):
        tiny().fit(X, oracle=truth(y))


def test_a_log_that_another_program_holds_takes_the_answer_later(blobs, tiny, tmp_path, monkeypatch):
    X, _ = blobs
    monkeypatch.setattr("sklvae.labeling._log.BUSY_SECONDS", 0.05)
    with LabelingSession(tiny(), X) as session:
        session.ask()
        other = sqlite3.connect(next(tmp_path.rglob("answers.sqlite")), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionError, match=r"query 0, which is not kept: database is locked.*Close other programs"):
            session.tell({0: 1})
        other.close()
        session.tell({0: 1})
        assert session.estimator.n_queries_ == 1


def test_a_session_is_held_by_one_at_a_time(blobs, tiny):
    X, _ = blobs
    with LabelingSession(tiny(), X) as session:
        session.ask()
        with pytest.raises(SessionError, match=r"is in use by another fit or LabelingSession, in this process or"):
            LabelingSession(tiny(), X)
        session.tell({0: 1})  # the one that has it goes on
    LabelingSession(tiny(), X).close()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError as error:
    print(error, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_and_a_dead_one_is_not_waited_for(blobs, tiny, tmp_path):
    X, _ = blobs

    def other():
        command = [sys.executable, "-c", HOLD, next(tmp_path.rglob("lock"))]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with LabelingSession(tiny(), X) as session:
        session.ask()
        with other() as process:
            assert "locked" in process.stdout.readline()
    with other() as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SessionError, match="is in use by another fit"):
            LabelingSession(tiny(), X)
        process.kill()
    LabelingSession(tiny(), X).close()


@contextmanager
def read_only(path):
    """A folder that may not be written to; root, who may write everywhere, becomes somebody else."""
    root = os.geteuid() == 0
    path.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(stat.S_IRWXU)


def test_a_folder_that_may_not_be_written_to_is_named(blobs, tiny, truth):
    X, y = blobs
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        path = Path(folder)
        tiny(session_dir=None).fit(X, oracle=truth(y))
        with read_only(path), pytest.raises(SessionError, match=f"{folder}.*cannot be read or written.*may be written"):
            tiny(session_dir=path).fit(X, oracle=truth(y))
        (path / "file").write_text("no folder")
        with pytest.raises(SessionError, match="cannot be read or written"):
            tiny(session_dir=path / "file").fit(X, oracle=truth(y))


def test_a_question_that_comes_out_otherwise_ends_the_session_with_its_answers(blobs, tiny, tmp_path):
    X, _ = blobs
    with LabelingSession(tiny(), X) as session:
        session.ask()
        session.tell({0: 1, 2: 3})
    with sqlite3.connect(next(tmp_path.rglob("answers.sqlite"))) as database:
        database.execute("UPDATE question SET row = row + 1 WHERE id = 1")
    database.close()
    estimator = tiny()
    session = LabelingSession(estimator, X)
    with pytest.raises(SessionError, match=r"query 1 comes out otherwise than it was asked before.*MemoizingOracle"):
        session.ask()
    assert [answer.label for answer in estimator.answers_] == [1, 3]
    with pytest.raises(ValueError, match="is closed"):
        session.ask()
    LabelingSession(tiny(session_dir=tmp_path / "other"), X).close()


@pytest.mark.parametrize(("gray_levels", "goes_on"), [(1, True), (2, False)])
def test_a_center_that_rounds_to_the_next_gray_level_is_still_the_one(gray_levels, goes_on, digits, tiny, tmp_path):
    X, _ = digits
    pixels = np.rint(X * 255).astype(np.uint8)
    parameters = {"propagation": "cluster", "encoder": "mlp"}
    with LabelingSession(tiny(**parameters), pixels) as session:
        session.ask()
        session.tell({1: 3})
    with sqlite3.connect(next(tmp_path.rglob("answers.sqlite"))) as database:
        (kept,) = database.execute("SELECT x FROM question WHERE id = 1").fetchone()
        last = kept[-1] + (gray_levels if kept[-1] < 128 else -gray_levels)
        database.execute("UPDATE question SET x = ? WHERE id = 1", (kept[:-1] + bytes([last]),))
    database.close()
    with LabelingSession(tiny(**parameters), pixels) as session:
        if goes_on:
            assert [query.id for query in session.ask()] == [0, 2, 3]
        else:
            with pytest.raises(SessionError, match="query 1 comes out otherwise"):
                session.ask()


def test_a_session_says_which_package_it_needs(blobs, tiny, monkeypatch):
    whole = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return whole(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"session_dir needs safetensors: pip install \"sklvae\[files\]\""):
        tiny().fit(*blobs)
