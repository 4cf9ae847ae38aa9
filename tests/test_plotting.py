import builtins

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from sklvae import INVALID, SKIP
from sklvae.labeling import Answer, Query
from sklvae.plotting import (
    plot_centroids,
    plot_classes,
    plot_latent,
    plot_learning_curves,
    plot_queries,
    plot_reconstructions,
)


def answer(number, label, x, confidence=1.0, round=0):
    return Answer(label, confidence, Query(number, x, "sample", number, 0, 0, round, np.array([number])))


def texts(figure):
    return [{text.get_text() for text in axes.texts} for axes in figure.axes if axes.axison]


RNG = np.random.default_rng(0)
FIVE = [
    answer(0, "cat", RNG.random(6), 0.75),
    answer(1, INVALID, RNG.random(6)),
    answer(2, 7, RNG.random(6)),
    answer(3, SKIP, RNG.random(6), round=1),
    answer(4, "cat", RNG.random(6), round=1),
]


def test_every_question_has_its_answer_and_confidence_under_it():
    assert texts(plot_queries(FIVE)) == [{"cat", "75%"}, {"INVALID"}, {"7", "100%"}, {"SKIP"}, {"cat", "100%"}]


def test_every_round_begins_a_new_line():
    figure = plot_queries(FIVE, n_columns=2)
    drawn = [axes for axes in figure.axes if axes.axison]
    places = [(axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start) for axes in drawn]
    assert places == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    assert [axes.get_ylabel() for axes in drawn] == ["round 0", "", "", "round 1", ""]


def test_invalid_and_skip_are_marked_in_colors_of_their_own():
    def color_of(axes, text):
        (found,) = [drawn.get_color() for drawn in axes.texts if drawn.get_text() == text]
        return mpl.colors.to_hex(found)

    axes = [a for a in plot_queries(FIVE).axes if a.axison]
    colors = [color_of(a, text) for a, text in zip(axes, ["cat", "INVALID", "7", "SKIP", "cat"], strict=True)]
    assert colors[0] == colors[2] == colors[4]
    assert len(set(colors)) == 3
    edges = [mpl.colors.to_hex(a.spines["left"].get_edgecolor()) for a in axes]
    assert edges[1] == colors[1]
    assert edges[3] == colors[3]
    assert edges[0] not in colors


@pytest.mark.parametrize(("shape", "given"), [((2, 3), None), ((6,), (2, 3)), ((1, 2, 3), None), ((6,), (1, 2, 3))])
def test_images_are_drawn_on_one_scale(shape, given):
    bright, dark = np.linspace(0, 8, 6).reshape(shape), np.linspace(0, 4, 6).reshape(shape)
    figure = plot_queries([answer(0, 0, bright), answer(1, 1, dark)], image_shape=given)
    images = [axes.images[0] for axes in figure.axes]
    np.testing.assert_allclose(images[0].get_array(), np.linspace(0, 1, 6).reshape(2, 3))
    np.testing.assert_allclose(images[1].get_array(), np.linspace(0, 0.5, 6).reshape(2, 3))
    assert [image.get_clim() for image in images] == [(0, 1), (0, 1)]


def test_an_image_of_three_channels_is_drawn_in_color():
    pixels = RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    (axes,) = plot_queries([answer(0, "cat", pixels)]).axes
    np.testing.assert_allclose(axes.images[0].get_array(), np.moveaxis(pixels / pixels.max(), 0, -1))


def test_each_column_of_a_table_is_drawn_between_its_extremes():
    rows = np.array([[1e6, 0.0, 5.0], [2e6, 1e-3, 5.0], [1.5e6, 1e-3, 5.0]])
    figure = plot_queries([answer(i, i, row) for i, row in enumerate(rows)])
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    np.testing.assert_allclose(heights, [[0, 0, 0], [1, 1, 0], [0.5, 1, 0]])


def test_a_given_figure_is_drawn_in():
    figure = Figure()
    left, _ = figure.subfigures(1, 2)
    assert plot_queries(FIVE, figure=left) is left
    assert texts(left)[1] == {"INVALID"}


@pytest.mark.parametrize("answers", [[], [Answer("cat")], [*FIVE, Answer("cat")]])
def test_answers_without_questions_are_refused(answers):
    with pytest.raises(ValueError, match="Pass answers_ of a fitted classifier"):
        plot_queries(answers)


def test_an_image_shape_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"image_shape \(2, 2\) does not fit inputs of shape \(6,\)"):
        plot_queries(FIVE, image_shape=(2, 2))


def test_no_column_is_refused():
    with pytest.raises(ValueError, match="n_columns must be >= 1"):
        plot_queries(FIVE, n_columns=0)


def points_of(ax):
    return {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}


def test_two_columns_are_drawn_as_they_are_by_class():
    Z = RNG.normal(size=(6, 2))
    drawn = points_of(plot_latent(Z, np.array(["b", "a", None, "a", -1, "b"], dtype=object)))
    assert list(drawn) == ["unlabeled", "a", "b"]
    np.testing.assert_array_equal(drawn["a"], Z[[1, 3]])
    np.testing.assert_array_equal(drawn["b"], Z[[0, 5]])
    np.testing.assert_array_equal(drawn["unlabeled"], Z[[2, 4]])


def test_without_labels_there_is_one_color_and_no_legend():
    ax = plot_latent(RNG.normal(size=(6, 2)))
    assert len(ax.collections) == 1
    assert ax.get_legend() is None


@pytest.mark.parametrize("n_classes", [3, 15, 40])
def test_classes_have_different_colors(n_classes):
    ax = plot_latent(RNG.normal(size=(3 * n_classes, 2)), np.repeat(np.arange(n_classes), 3))
    assert len({tuple(c.get_facecolor()[0]) for c in ax.collections}) == n_classes


def test_more_columns_are_embedded_so_that_clusters_stay_apart():
    center = np.repeat(np.eye(4)[:2] * 50, 20, axis=0)
    drawn = points_of(plot_latent(center + RNG.normal(size=(40, 4)), np.repeat([0, 1], 20), random_state=0))
    within = max(np.ptp(points, axis=0).max() for points in drawn.values())
    between = np.linalg.norm(drawn["0"].mean(axis=0) - drawn["1"].mean(axis=0))
    assert between > within


def test_the_same_random_state_draws_the_same_samples():
    Z = RNG.normal(size=(50, 3))
    first, again, other = (points_of(plot_latent(Z, max_samples=20, random_state=seed)) for seed in (0, 0, 1))
    (name,) = first
    assert first[name].shape == (20, 2)
    np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first[name], other[name])


def test_given_axes_are_drawn_on():
    ax = Figure().subplots()
    assert plot_latent(np.eye(3)[:, :2], [0, 1, 1], ax=ax) is ax
    assert len(ax.collections) == 2


def test_wrong_latents_are_refused():
    with pytest.raises(ValueError, match="minimum of 2"):
        plot_latent(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plot_latent(np.zeros((3, 2)), [0, 1])


def test_pyplot_holds_no_figure_and_settings_are_as_before():
    from matplotlib._pylab_helpers import Gcf

    figures, settings = list(Gcf.figs), dict(mpl.rcParams)
    plot_queries(FIVE)
    plot_latent(np.eye(3)[:, :2], [0, 1, 1])
    assert list(Gcf.figs) == figures
    assert dict(mpl.rcParams) == settings


def test_the_figure_can_be_written(tmp_path):
    plot_queries(FIVE, n_columns=3).savefig(tmp_path / "queries.png")
    assert (tmp_path / "queries.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (lambda: plot_queries(FIVE), lambda: plot_latent(np.eye(3))):
        with pytest.raises(ImportError, match=r'pip install "sklvae\[plot\]"'):
            call()


class Painter:
    """Samples of class k are images that are all k."""

    classes_ = np.array([1, 3])

    def sample(self, n_samples, label):
        return np.full((n_samples, 6), float(label))


def test_every_class_is_a_row_of_its_samples():
    figure = plot_classes(Painter(), n_styles=4, image_shape=(2, 3))
    assert [axes.get_ylabel() for axes in figure.axes] == ["1", "", "", "", "3", "", "", ""]
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert all(image.shape == (2, 3) for image in shown)
    np.testing.assert_allclose([image.mean() for image in shown], [1 / 3] * 4 + [1.0] * 4)
    given = Figure()
    assert plot_classes(Painter(), n_styles=2, image_shape=(2, 3), figure=given) is given
    with pytest.raises(ValueError, match=r"image_shape \(2, 2\) does not fit"):
        plot_classes(Painter(), image_shape=(2, 2))


def test_the_classifier_says_what_images_its_flat_rows_are():
    painter = Painter()
    painter.image_shape = (3, 2)
    assert plot_classes(painter).axes[0].images[0].get_array().shape == (3, 2)
    assert plot_classes(painter, image_shape=(2, 3)).axes[0].images[0].get_array().shape == (2, 3)


class Placed:
    """Samples are images of one number; centroids are at 0 and at 10."""

    def centroid_distances(self, X, layer=None):
        return (X.mean(axis=1, keepdims=True) - np.array([0.0, 10.0 if layer is None else 4.0])) ** 2


def test_each_row_shows_the_samples_nearest_to_a_centroid():
    X = np.repeat([[7.0], [1.0], [3.0], [9.0]], 6, axis=1)
    figure = plot_centroids(Placed(), X, n_nearest=2, image_shape=(2, 3))
    assert [axes.get_ylabel() for axes in figure.axes] == ["50%", "", "50%", ""]
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert all(image.shape == (2, 3) for image in shown)
    np.testing.assert_allclose([image.mean() * 9 for image in shown], [1, 3, 9, 7])
    other = plot_centroids(Placed(), X, layer="first", n_nearest=9, image_shape=(2, 3))
    assert [axes.get_ylabel() for axes in other.axes] == ["25%", "", "", "", "75%", "", "", ""]
    given = Figure()
    assert plot_centroids(Placed(), X, figure=given) is given


class Halver:
    """Decodes half of what it encodes."""

    image_shape = (2, 3)

    def transform(self, X):
        return X / 2

    def inverse_transform(self, Z):
        return Z


def test_a_reconstruction_is_under_its_original_on_the_same_scale():
    X = np.arange(12.0).reshape(2, 6)
    figure = plot_reconstructions(Halver(), X)
    shown = np.array([axes.images[0].get_array() for axes in figure.axes])
    np.testing.assert_allclose(shown[:2], X.reshape(2, 2, 3) / 11)
    np.testing.assert_allclose(shown[2:], X.reshape(2, 2, 3) / 22)
    assert [axes.get_ylabel() for axes in figure.axes] == ["original", "", "decoded", ""]
    assert plot_reconstructions(Halver(), X, image_shape=(3, 2)).axes[0].images[0].get_array().shape == (3, 2)
    half = Figure().subfigures(1, 2)[0]
    assert plot_reconstructions(Halver(), X, figure=half) is half
    with pytest.raises(ValueError, match=r"image_shape \(4, 4\) does not fit"):
        plot_reconstructions(Halver(), X, image_shape=(4, 4))


def test_learning_curves_are_means_and_bands_of_one_standard_deviation():
    runs = [([10, 20, 40], [0.2, 0.4, 0.8]), ([10, 30, 40], [0.4, 0.6, 0.7])]
    ax = plot_learning_curves({"random": runs, "entropy": runs[:1]}, score="balanced accuracy")
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [10, 20, 30, 40])
    np.testing.assert_allclose(line.get_ydata(), [0.3, 0.45, 0.6, 0.75])  # by hand, between the points
    band = ax.collections[0].get_paths()[0].vertices
    for x, spread in ((10, 0.1414), (20, 0.0707), (30, 0.0), (40, 0.0707)):
        assert np.ptp(band[band[:, 0] == x, 1]) == pytest.approx(2 * spread, abs=1e-3)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random", "entropy"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("labels", "balanced accuracy")
    assert plot_learning_curves({"random": runs}, ax=ax) is ax


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "must hold a repetition for each name"),
        ({"a": []}, "must hold a repetition for each name"),
        ({"a": [([], [])]}, "'a' needs as many scores as numbers of labels"),
        ({"a": ([1, 2, 3], [0.1, 0.2, 0.3])}, r"'a' needs a list of repetitions, each a pair, as \[\(n_labels, scores"),
        ({"a": [([1, 2], [0.5])]}, "'a' needs as many scores as numbers of labels"),
        ({"a": [([2, 1], [0.5, 0.6])]}, "these must increase"),
        (
            {"a": [([1, 2], [0, 0]), ([3, 4], [0, 0])]},
            "in common: one ends at 2, another starts at 3",
        ),
    ],
)
def test_wrong_learning_curves_are_named(curves, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_curves(curves)
