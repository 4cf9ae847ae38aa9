import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import LabelEncoder

from sklvae._labels import UNLABELED, join_labels, split_labels

WORDS = st.text(alphabet="ab é-1", max_size=3).filter(lambda word: word != "-1")
MARKS = st.sampled_from([None, -1, -1.0, float("nan"), np.nan, np.int8(-1), np.float32("nan"), pd.NA])


def as_objects(labels):
    y = np.empty(len(labels), dtype=object)
    y[:] = labels
    return y


@given(
    st.lists(st.integers(-1, 5), min_size=1, max_size=20), st.sampled_from([np.int8, np.int64, np.float32, np.float64])
)
def test_numbers_come_back_as_they_were(labels, dtype):
    y = np.array(labels, dtype=dtype)
    classes, codes = split_labels(y)
    np.testing.assert_array_equal(join_labels(classes, codes), y, strict=True)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=20))
def test_classes_and_codes_are_those_of_an_encoder_of_the_labeled_rows(labels):
    y = np.array(labels)
    classes, codes = split_labels(y)
    labeled = y != UNLABELED
    encoder = LabelEncoder().fit(y[labeled])
    np.testing.assert_array_equal(classes, encoder.classes_)
    np.testing.assert_array_equal(codes[labeled], encoder.transform(y[labeled]))
    assert (codes[~labeled] == UNLABELED).all()


@given(st.lists(WORDS | MARKS, min_size=1, max_size=20), st.booleans())
def test_words_come_back_with_one_mark_for_every_way_to_say_unlabeled(labels, in_a_list):
    classes, codes = split_labels(labels if in_a_list else as_objects(labels))
    expected = [label if isinstance(label, str) else UNLABELED for label in labels]
    assert join_labels(classes, codes).tolist() == expected
    assert classes.tolist() == sorted({label for label in expected if label != UNLABELED})


@given(st.lists(st.sampled_from("abc") | st.none(), min_size=1, max_size=20), st.permutations("abc"))
def test_renaming_the_classes_renames_the_classes_alone(labels, names):
    new_name = dict(zip("abc", names, strict=True))
    renamed = [new_name.get(label) for label in labels]
    straight, back = join_labels(*split_labels(labels)), join_labels(*split_labels(renamed))
    assert [new_name.get(label, label) for label in straight] == back.tolist()


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        pytest.param(pd.Series(["b", None, "a"], dtype="category"), ["a", "b"], [1, -1, 0], id="category"),
        pytest.param(pd.Series([3, -1, 1], dtype="category"), [1, 3], [1, -1, 0], id="category of numbers"),
        pytest.param(pd.Series(["b", pd.NA, "a"], dtype="string"), ["a", "b"], [1, -1, 0], id="string"),
        pytest.param(pd.Series(["b", None, "a"], dtype=object), ["a", "b"], [1, -1, 0], id="object"),
        pytest.param(pd.Series([3, pd.NA, -1, 1], dtype="Int64"), [1, 3], [1, -1, -1, 0], id="Int64"),
        pytest.param(pd.Series([True, pd.NA, False], dtype="boolean"), [False, True], [1, -1, 0], id="boolean"),
        pytest.param(pd.Series([3.0, np.nan, 1.0]), [1.0, 3.0], [1, -1, 0], id="float"),
        pytest.param(torch.tensor([3, -1, 1]), [1, 3], [1, -1, 0], id="torch"),
        pytest.param(np.array([True, False]), [False, True], [1, 0], id="bool"),
        pytest.param(np.array([255, 1], dtype=np.uint8), [1, 255], [1, 0], id="unsigned"),
        pytest.param([-1, -1], [], [-1, -1], id="nothing labeled"),
        pytest.param([None, np.nan], [], [-1, -1], id="nothing labeled, no numbers"),
    ],
)
def test_labels_of_any_container_are_split_and_keep_their_kind(y, classes, codes):
    found, found_codes = split_labels(y)
    assert found.tolist() == classes
    assert [type(label) for label in found.tolist()] == [type(label) for label in classes]
    assert found_codes.tolist() == codes


def test_unsigned_and_bool_labels_stand_beside_the_mark():
    for y in (np.array([255, 1], dtype=np.uint8), np.array([True, False])):
        classes, codes = split_labels(y)
        assert join_labels(classes, np.append(codes, UNLABELED)).tolist() == [*y.tolist(), UNLABELED]


def test_unsigned_labels_of_which_most_are_what_the_mark_becomes_get_a_warning():
    y = np.array([3, 7, 3, 5, 7], dtype=np.uint8)
    with pytest.warns(
        UserWarning, match=r"Most labels are 255, .* what -1 becomes in uint8. Mark .* -1 in y.astype\(int\)"
    ):
        split_labels(np.where([True, False, False, False, True], y, np.array(-1).astype(np.uint8)))


@pytest.mark.parametrize("y", [np.array(["cat", "-1"]), as_objects(["cat", "-1"]), ["cat", "-1"]])
def test_a_spelled_out_mark_is_refused_with_a_way_to_write_it_that_works(y):
    with pytest.raises(ValueError, match='string "-1", which is not the mark of an unlabeled row') as info:
        split_labels(y)
    shown = re.search(r"np\.array\(\[(.*)\], dtype=object\)", str(info.value))
    labels = [{"-1": -1, "None": None}.get(word, word.strip('"')) for word in shown[1].split(", ")]
    assert join_labels(*split_labels(as_objects(labels))).tolist() == ["cat", -1, -1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, "a", None], "all of one kind, got a mix of number, str"),
        (as_objects([True, 1]), "all of one kind, got a mix of bool, number"),
        ([0.5, 0.25, -1], "continuous"),
        ([1.0, np.inf, None], r"infinity .* Write -1 or nan where unlabeled"),
        (np.array([1.0, -np.inf]), r"infinity .* Write -1 or nan where unlabeled"),
        (np.array([[0, 1], [1, 0]]), "1d array"),
    ],
)
def test_what_is_no_column_of_classes_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        split_labels(y)


def test_a_column_vector_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        classes, codes = split_labels(np.array([[2], [-1], [1]]))
    assert join_labels(classes, codes).tolist() == [2, -1, 1]
