import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image

from sklvae.labeling import Query, QueryBatch
from sklvae.labeling._display import Display
from sklvae.labeling._png import png_of


def query(x, members=(), index=None):
    return Query(5, np.asarray(x), "center", index, 0, 0, 0, np.array(members, dtype=int))


@given(arrays(np.uint8, (5, 7)))
def test_a_gray_picture_is_read_back_by_pillow(pixels):
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_of(pixels)))), pixels)


@given(arrays(np.uint8, (3, 2, 3)))
def test_a_color_picture_is_read_back_by_pillow(pixels):
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_of(pixels)))), pixels)


def test_bytes_stay_fractions_become_bytes_and_the_rest_is_scaled_by_X():
    gray = np.array([[0, 51], [102, 255]], dtype=np.uint8)
    show = Display(owner="test")
    np.testing.assert_array_equal(show.pixels(gray), gray)
    np.testing.assert_array_equal(show.pixels(gray / 255), gray)
    X = np.array([[[-1.0, 3.0]]])
    np.testing.assert_array_equal(Display(X, owner="test").pixels(np.array([[-1.0, 1.0]])), [[0, 128]])
    np.testing.assert_array_equal(Display(X, owner="test").pixels(np.array([[9.0, -9.0]])), [[255, 0]])


def test_channels_come_last_in_color_and_are_averaged_otherwise():
    x = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    np.testing.assert_array_equal(Display(owner="test").pixels(x), np.moveaxis(x, 0, -1))
    np.testing.assert_array_equal(Display(owner="test").pixels(x[:1]), x[0])
    flat = Display(image_shape=(3, 2, 2), owner="test").pixels(x.ravel())
    np.testing.assert_array_equal(flat, np.moveaxis(x, 0, -1))


def test_features_that_deviate_most_come_first():
    X = np.random.default_rng(0).normal([0, 10, 5], [1, 2, 0], (50, 3))
    shown = Display(pd.DataFrame(X, columns=["a", "b", "c"]), owner="test").features(query([1.0, 4.0, 5.0], [3, 7]))
    assert shown[0].name == "b"
    assert {feature.name for feature in shown} == {"a", "b", "c"}
    column = {"a": 0, "b": 1, "c": 2}
    for feature in shown:
        j = column[feature.name]
        assert feature.usual == pytest.approx(X[:, j].mean())
        assert feature.deviation == pytest.approx((feature.value - X[:, j].mean()) / (X[:, j].std() or 1), abs=1e-9)
        assert feature.neighbors == X[[3, 7], j].tolist()


def test_without_X_the_first_columns_are_shown_as_they_are():
    shown = Display(feature_names=["a", "b"], owner="test").features(query([1.0, 4.0]))
    assert [(one.name, one.value, one.deviation, one.neighbors) for one in shown] == [
        ("a", 1.0, None, []),
        ("b", 4.0, None, []),
    ]
    assert [one.name for one in Display(owner="test").features(query([1.0]))] == ["column 0"]


def test_the_row_that_is_asked_about_is_not_beside_itself():
    shown = Display(np.eye(4), owner="test")
    assert shown.neighbors(query(np.eye(4)[2], [2, 0, 1], index=2)).tolist() == [0, 1]
    assert shown.neighbors(query(np.eye(4)[2], [2, 0, 1])).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"image_shape": (3, 3)}, r"image_shape \(3, 3\) does not fit inputs of shape \(4,\)"),
        ({"X": np.eye(3)}, r"query 5 is of shape \(4,\).*X has shape \(3, 3\)"),
        ({"X": np.ones((2, 4))}, r"has row 3 beside it; X has shape \(2, 4\)"),
        ({"feature_names": ["a"]}, "must name all 4 columns, got 1 names"),
    ],
)
def test_what_does_not_fit_the_questions_is_said(parameters, said):
    with pytest.raises(ValueError, match=rf"^Someone: .*{said}"):
        Display(**parameters, owner="Someone").check(QueryBatch([query(np.ones(4), [3])]))


@pytest.mark.parametrize("X", [np.ones(3), np.ones((0, 3)), [["a", "b"]]])
def test_X_must_be_rows_of_numbers(X):
    with pytest.raises(ValueError, match=r"^Someone: X must be the numbers that fit gets"):
        Display(X, owner="Someone")
