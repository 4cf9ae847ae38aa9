"""Files of every estimator: of earlier formats, of others, and those of skops and joblib."""

import importlib.util
import json
import pickle
import re
from copy import deepcopy
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklvae
from sklvae import INVALID, ActiveLearningClassifier, M2Classifier, VariationalAutoencoder, load
from sklvae.acquisition import StopAfter
from sklvae.estimators._persistence import FORMAT_VERSION, content_digest, read_safetensors

FOLDER = Path(__file__).parent / "files"
SPEC = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)
X, PARTLY = make.X, make.PARTLY

FILES = sorted(FOLDER.glob("format-*/*.safetensors"))
NAMES = sorted(
    name for name in sklvae.__all__ if hasattr(getattr(sklvae, name), "fit")
)  # LabelingSession has none, and is no estimator


@pytest.fixture(scope="module")
def fitted():
    return {type(estimator).__name__: estimator for estimator in make.estimators()}


def assert_same_results(one, other):
    for key, value in make.results(one).items():
        np.testing.assert_array_equal(make.results(other)[key], value)


def test_there_is_a_file_of_every_estimator_and_format():
    expected = {(f"format-{n}", name) for n in range(1, FORMAT_VERSION + 1) for name in NAMES}
    assert {(file.parent.name, file.stem) for file in FILES} == expected
    assert len(NAMES) == 8


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name} {file.stem}")
def test_files_of_all_formats_give_what_they_gave_when_they_were_written(file):
    estimator = load(file)
    assert type(estimator).__name__ == file.stem
    with np.load(file.parent / "expected.npz") as expected:
        results = make.results(estimator)
        assert {f"{file.stem}.{key}" for key in results} == {key for key in expected if key.startswith(file.stem + ".")}
        for key, value in results.items():
            np.testing.assert_allclose(value, expected[f"{file.stem}.{key}"], rtol=1e-4, atol=1e-5)
    if hasattr(estimator, "answers_"):
        labels = [answer.label for answer in estimator.answers_]
        assert labels == [] or (labels[0] is INVALID and set(labels[2:]) <= {"ant", "bee", "cat"})


@pytest.mark.parametrize("name", NAMES)
def test_one_load_reads_the_files_of_all(name, fitted, tmp_path):
    fitted[name].save(tmp_path / "file")
    again = load(tmp_path / "file", device="cpu")
    assert type(again) is type(fitted[name])
    assert_same_results(fitted[name], again)
    assert getattr(again, "device", "cpu") == "cpu"
    again.save(tmp_path / "again")
    assert_same_results(fitted[name], load(tmp_path / "again"))


def untrusted_types(file):
    return skops.io.get_untrusted_types(file=file)


@pytest.mark.parametrize("name", NAMES)
def test_skops_keeps_every_estimator(name, fitted, tmp_path):
    file = tmp_path / "file.skops"
    skops.io.dump(fitted[name], file)
    types = untrusted_types(file)
    assert {kind.split(".")[-1] for kind in types} <= {name, "M2Classifier"}
    assert all(kind.startswith("sklvae.estimators.") for kind in types)
    again = skops.io.load(file, trusted=types)
    assert_same_results(fitted[name], again)
    assert_same_results(fitted[name], skops.io.loads(skops.io.dumps(again), trusted=types))
    assert getattr(again, "n_queries_", None) == getattr(fitted[name], "n_queries_", None)
    with pytest.raises(Exception, match="Untrusted"):
        skops.io.load(file, trusted=[])


@pytest.mark.parametrize("name", NAMES)
def test_joblib_and_copies_keep_every_estimator(name, fitted, tmp_path):
    joblib.dump(fitted[name], tmp_path / "file")
    for again in (joblib.load(tmp_path / "file"), deepcopy(fitted[name])):
        assert_same_results(fitted[name], again)
        assert set(vars(again)) == set(vars(fitted[name]))


@pytest.mark.parametrize("name", NAMES)
def test_skops_keeps_estimators_that_are_not_fitted(name, fitted, tmp_path):
    pipeline = make_pipeline(StandardScaler(), clone(fitted[name]))
    file = tmp_path / "file.skops"
    skops.io.dump(pipeline, file)
    again = skops.io.load(file, trusted=untrusted_types(file))
    assert str(again.get_params()) == str(pipeline.get_params())
    assert_same_results(pipeline.fit(X, PARTLY), again.fit(X, PARTLY))


def test_pickle_keeps_code_and_a_network_that_the_parameters_no_longer_describe(fitted):
    vae = deepcopy(fitted["VariationalAutoencoder"]).set_params(n_latent=3, optimizer=np.sin)
    again = pickle.loads(pickle.dumps(vae))
    assert (again.n_latent, again.optimizer) == (3, np.sin)
    np.testing.assert_array_equal(again.transform(X), vae.transform(X))


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), make_pipeline(StandardScaler(), M2Classifier(**make.SMALL))]
)
def test_a_classifier_of_others_is_sent_to_skops(classifier, tmp_path):
    learner = ActiveLearningClassifier(
        classifier, embedding=PCA(2), acquisition="typiclust", batch_size=3, n_rounds=9, stopping=StopAfter(n_queries=6)
    ).fit(X, oracle=make.oracle)
    with pytest.raises(
        ValueError, match=r"estimators of sklvae only, and estimator_ is a sklearn \w+.*skops\.io\.dump"
    ):
        learner.save(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    skops.io.dump(learner, tmp_path / "file")
    again = skops.io.load(tmp_path / "file", trusted=untrusted_types(tmp_path / "file"))
    np.testing.assert_array_equal(again.predict_proba(X), learner.predict_proba(X))
    np.testing.assert_array_equal(again.embedding_.transform(X), learner.embedding_.transform(X))
    assert [answer.label for answer in again.answers_] == [answer.label for answer in learner.answers_]
    assert again.labels_.tolist() == learner.labels_.tolist()
    assert str(again.rounds_) == str(learner.rounds_)  # nan equals nothing
    assert again.stopped_by_ == StopAfter(n_queries=6)


def test_what_ends_the_asking_is_saved_by_name_and_what_only_asks_is_not(tmp_path):
    learner = ActiveLearningClassifier(
        M2Classifier(**make.SMALL), embedding=PCA(2), batch_size=3, stopping=StopAfter(n_queries=6)
    ).fit(X, PARTLY, oracle=make.oracle)
    learner.save(tmp_path / "file")
    again = load(tmp_path / "file")
    assert again.stopped_by_ == repr(StopAfter(n_queries=6))
    assert again.stopping is None
    assert isinstance(again.estimator, M2Classifier)
    assert again.estimator.get_params() == learner.estimator.get_params()
    assert isinstance(again.embedding, PCA)
    with pytest.raises(ValueError, match="acquisition cannot be saved"):
        learner.set_params(acquisition=lambda pool: pool).save(tmp_path / "file")


def test_an_estimator_of_a_later_version_is_named(fitted, tmp_path):
    class Later(VariationalAutoencoder):
        pass

    Later(**make.SMALL).fit(X).save(tmp_path / "file")
    with pytest.raises(ValueError, match=r"it holds a Later, written by sklvae .*Update sklvae"):
        load(tmp_path / "file")
    np.testing.assert_array_equal(
        Later.load(tmp_path / "file").transform(X), fitted["VariationalAutoencoder"].transform(X)
    )


@pytest.mark.parametrize("name", ["load", "LabelingSession", "__all__", "os"])
def test_only_estimators_are_made_from_a_file(name, fitted, tmp_path):
    fitted["VariationalAutoencoder"].save(tmp_path / "file")
    header, arrays = read_safetensors(tmp_path / "file")
    header["class"] = name
    header["digest"] = content_digest(header, arrays)
    save_file(arrays, tmp_path / "file", metadata=header)
    with pytest.raises(ValueError, match="no such estimator"):
        load(tmp_path / "file")


@given(data=st.data())
def test_what_is_loaded_is_what_was_saved_whichever_byte_changes(data, tmp_path_factory):
    whole = FILES[-1].read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(damaged)
    if (refusal := refusal_of(file)) is None:  # white space between the parts of the header
        assert_same_results(load(file), load(FILES[-1]))
    else:
        assert re.search("damaged|is not an estimator of sklvae|Update sklvae", refusal)


def refusal_of(file):
    try:
        load(file)
    except ValueError as error:
        return str(error)
    return None


def test_a_header_that_lacks_a_part_is_damage(fitted, tmp_path):
    fitted["VariationalAutoencoder"].save(tmp_path / "file")
    header, arrays = read_safetensors(tmp_path / "file")
    assert json.loads(header["params"])["n_latent"] == 2
    for name in set(header) - {"format"}:
        save_file(arrays, tmp_path / "less", metadata={k: v for k, v in header.items() if k != name})
        with pytest.raises(ValueError, match="is damaged"):
            load(tmp_path / "less")
