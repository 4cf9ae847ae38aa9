"""Nothing as large as pool times pool, or pool times batch, comes into being."""

import tracemalloc

import numpy as np
import pytest

from sklvae.acquisition import STRATEGIES, _balanced, _batch_bald, _cover, _distances, _norms, query

N, D, K, BATCH, DRAWS = 10_000, 8, 4, 300, 6


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, N)
    labels[200:] = -1
    return {
        "embedding": rng.normal(size=(N, D)),
        "proba": rng.dirichlet(np.ones(K), N),
        "sampled_proba": rng.dirichlet(np.ones(K), (DRAWS, N)),
        "discriminator": rng.uniform(size=N),
        "labels": labels,
    }


@pytest.mark.parametrize("name", STRATEGIES)
def test_memory_grows_with_the_pool_alone(monkeypatch, arrays, name):
    monkeypatch.setattr(_distances, "VALUES", 1 << 15)
    monkeypatch.setattr(_cover, "MOST_COVERED", 1000)
    monkeypatch.setattr(_batch_bald, "MOST_CANDIDATES", 500)
    monkeypatch.setattr(_norms, "MOST_REFERENCES", 200)
    monkeypatch.setattr(_balanced, "MOST_REFERENCES", 200)
    query(name, 1, random_state=0, **arrays)  # what is imported or made on first use does not count
    tracemalloc.start()
    try:
        query(name, BATCH, random_state=0, **arrays)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    given = sum(array.nbytes for key, array in arrays.items() if key in STRATEGIES[name].needs)
    assert peak < 3 * given + 100 * N + 4e6 < 8 * N * BATCH
