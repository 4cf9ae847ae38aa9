from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from sklvae.metrics import hungarian_accuracy, named_accuracy, purity, slot_confusion

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(PAIRS)
def test_purity_names_each_slot_by_its_majority(pairs):
    true, slots = map(np.array, zip(*pairs, strict=True))
    named = np.array([np.bincount(true[slots == slot]).argmax() for slot in slots])
    assert purity(true, slots) == pytest.approx(accuracy_score(true, named))


@given(PAIRS)
def test_hungarian_accuracy_is_the_best_of_all_one_to_one_namings(pairs):
    true, slots = map(np.array, zip(*pairs, strict=True))
    best = max(np.mean(np.array(names)[slots] == true) for names in permutations(range(4)))
    assert hungarian_accuracy(true, slots) == pytest.approx(best)


@given(PAIRS, st.permutations(range(4)))
def test_the_names_of_slots_do_not_matter(pairs, names):
    true, slots = map(np.array, zip(*pairs, strict=True))
    renamed = np.array(["wxyz"[names[slot]] for slot in slots])
    assert purity(true, slots) == purity(true, renamed)
    assert hungarian_accuracy(true, slots) == hungarian_accuracy(true, renamed)


@given(PAIRS)
def test_the_metrics_are_ordered(pairs):
    true, slots = map(np.array, zip(*pairs, strict=True))
    assert hungarian_accuracy(true, slots) <= purity(true, slots) <= 1
    assert named_accuracy(true, slots, true, slots) == pytest.approx(purity(true, slots))


@given(PAIRS)
def test_slot_confusion_is_a_confusion_matrix_where_the_names_are_shared(pairs):
    true, slots = map(np.array, zip(*pairs, strict=True))
    matrix, classes, columns = slot_confusion(true, slots)
    expected = confusion_matrix(true, slots, labels=range(4))
    np.testing.assert_array_equal(matrix, expected[np.ix_(classes, columns)])


def test_named_accuracy_uses_no_label_but_those_of_training():
    y_train = np.array(["cat", None, "dog", "dog", "cat", "cat"], dtype=object)
    slots_train = [0, 0, 0, 0, 1, 2]  # slot 0 is mostly dogs
    assert named_accuracy(["dog", "cat", "cat", "dog"], [0, 0, 1, 3], y_train, slots_train) == 0.5


@pytest.mark.parametrize("metric", [purity, hungarian_accuracy, slot_confusion])
def test_lengths_must_agree_and_there_must_be_samples(metric):
    with pytest.raises(ValueError, match="inconsistent"):
        metric([1, 2], [1])
    with pytest.raises(ValueError, match="at least one sample"):
        metric([], [])


def test_names_need_labels():
    with pytest.raises(ValueError, match="y_train must have at least one label"):
        named_accuracy([1], [0], [-1, -1], [0, 1])


def test_a_sample_without_a_true_class_is_refused():
    for metric in (purity, hungarian_accuracy, slot_confusion):
        with pytest.raises(ValueError, match="1 unlabeled of 2"):
            metric(np.array([3, -1]), [0, 1])
    with pytest.raises(ValueError, match="1 unlabeled of 2"):
        named_accuracy(["cat", None], [0, 1], ["cat", "dog"], [0, 1])


def test_named_accuracy_refuses_labels_of_two_kinds():
    with pytest.raises(ValueError, match="must name classes alike, got '5' and 5"):
        named_accuracy(["5", "6"], [0, 1], [5, 6], [0, 1])
