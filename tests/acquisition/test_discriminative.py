"""A batch by discriminators that are fitted for it."""

import numpy as np
import pytest

from sklvae.acquisition import discriminative


def islands(n=60):
    """Four far corners of equal size; the labels are in the first."""
    rng = np.random.default_rng(0)
    corner = np.arange(4 * n) % 4
    return rng.normal(size=(4 * n, 2)) + 12 * np.stack([corner % 2, corner // 2], axis=1), corner


def test_it_keeps_away_from_what_is_labeled():
    points, corner = islands()
    labeled = (corner == 0) & (np.arange(240) < 120)
    chosen = discriminative(points[~labeled], points[labeled], n=20, random_state=0)
    assert len(set(chosen.tolist())) == 20
    assert 0 not in corner[~labeled][chosen]


def test_more_parts_see_what_the_parts_before_have_chosen():
    """At once, the batch lies in one direction; in parts, it goes to every corner that is left."""
    points, corner = islands()
    labeled = (corner == 0) & (np.arange(240) < 120)
    found = []
    for parts in (1, 20):
        chosen = discriminative(points[~labeled], points[labeled], n=20, n_batches=parts, random_state=0)
        found.append(len(set(corner[~labeled][chosen])))
    assert found[0] < found[1] == 3


def test_of_nothing_labeled_it_starts_all_the_same():
    points, _ = islands()
    chosen = discriminative(points, points[:0], n=3, random_state=0, hidden_units=(5,))
    assert len(set(chosen.tolist())) == 3
    assert discriminative(points, points[:0], n=1).shape == (1,)
    with pytest.raises(ValueError, match="n_batches must be an integer >= 1, got 0"):
        discriminative(points, points[:1], n=1, n_batches=0)
