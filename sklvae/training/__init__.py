"""The only place that imports skorch: batches, seeding, devices, precision and the training loop."""

from ._augment import (
    Augment,
    affine_strength,
    choose_augment,
    sees_views,
    small_affine,
    small_moves,
    try_augment,
)
from ._data import Rows, SomeRows, WithLabeled, WithNeighbors
from ._devices import choose_device, choose_precision
from ._inference import in_blocks
from ._net import Net, NonFiniteLossError, Options, make_net, no_objective, train
from ._progress import AfterEpoch
from ._seeding import fresh_seed, seeded

__all__ = [
    "AfterEpoch",
    "Augment",
    "Net",
    "NonFiniteLossError",
    "Options",
    "Rows",
    "SomeRows",
    "WithLabeled",
    "WithNeighbors",
    "affine_strength",
    "choose_augment",
    "choose_device",
    "choose_precision",
    "fresh_seed",
    "in_blocks",
    "make_net",
    "no_objective",
    "seeded",
    "sees_views",
    "small_affine",
    "small_moves",
    "train",
    "try_augment",
]
