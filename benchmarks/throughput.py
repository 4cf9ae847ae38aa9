"""Cost of an epoch: ours against a bare PyTorch loop on the same modules, batches and machine, in turn.

    python benchmarks/throughput.py [--rounds 7] [--precision float32]

Prints seconds per epoch of both and the ratio of each round, and their medians. 50,000 MNIST images, hidden
units (500, 500), 10 latents, batches of 256.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch

from sklvae import VariationalAutoencoder
from sklvae.datasets import load_mnist
from sklvae.objectives import beta_vae_loss
from sklvae.training import choose_precision


def bare_epoch(vae, x, optimizer, batch_size, precision, seed):
    """What one would write by hand: shuffle, gather, forward, backward, step."""
    torch.manual_seed(seed)
    objective = partial(beta_vae_loss, beta=1.0)
    vae.train()
    for rows in torch.randperm(len(x)).split(batch_size):
        batch = x[rows].float().div_(255).view(-1, 784)
        optimizer.zero_grad()
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            loss = objective(vae, batch)["loss"].mean()
        loss.backward()
        optimizer.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16", "auto"])
    arguments = parser.parse_args()

    X = load_mnist().x_train[:50_000].reshape(-1, 784)
    settings = {"hidden_units": (500, 500), "n_latent": 10, "batch_size": 256, "precision": arguments.precision}
    precision = choose_precision(arguments.precision, torch.device("cpu"))
    ours = VariationalAutoencoder(max_epochs=1, random_state=0, warm_start=True, **settings).fit(X[:1000])
    vae = VariationalAutoencoder(max_epochs=1, random_state=0, **settings).fit(X[:1000]).net_.module_.model
    x, optimizer = torch.from_numpy(X), torch.optim.Adam(vae.parameters(), lr=1e-3)
    bare_epoch(vae, x, optimizer, 256, precision, seed=0)  # warm-up

    times = []
    print(f"precision {arguments.precision}, {torch.get_num_threads()} threads")
    print("round  bare (s)  fit (s)  epoch (s)  ratio")
    for number in range(arguments.rounds):
        start = time.perf_counter()
        bare_epoch(vae, x, optimizer, 256, precision, seed=number)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        ours.fit(X)
        whole = time.perf_counter() - start
        epoch = ours.history_[-1]["dur"]
        times.append((bare, whole, epoch, epoch / bare))
        print(f"{number:5d}  {bare:8.2f}  {whole:7.2f}  {epoch:9.2f}  {epoch / bare:5.3f}", flush=True)
    bare, whole, epoch, ratio = np.median(times, axis=0)
    print(f"median {bare:7.2f}  {whole:7.2f}  {epoch:9.2f}  {ratio:5.3f}")


if __name__ == "__main__":
    main()
