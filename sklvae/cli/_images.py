"""A folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._terminal import Terminal

__all__ = ["read_images"]

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}

KEPT_SIDE, SIDE = 64, 32
"""Images of one size stay as they are up to the first; all others become squares of the second, in pixels."""

SHOWN_SIDE, SHOWN_BYTES = 128, 2**30
"""Side of the pictures that people see, and how much memory they may take in all."""

GRAY_MODES = {"1", "L", "LA", "I;16", "I;16B", "I;16L"}

N_NAMED = 5


def read_images(path: Path, reader: dict[str, Any], terminal: Terminal, *, for_people: bool) -> dict[str, Any]:
    """Every image in a folder and the folders in it, as uint8, (n, height, width) or (n, 3, height, width).

    Parameters
    ----------
    path : Path
        The folder.
    reader : dict
        `size`, (height, width), and `mode`, "gray" or "rgb"; None leaves the choice to the images.
    terminal : Terminal
        Where images are named that cannot be read; they are left out.
    for_people : bool
        Whether larger pictures are wanted, too.

    Returns
    -------
    dict
        The fields of `Data`.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    ValueError
        If there is no image.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('A folder of images needs Pillow: pip install "sklvae[images]"') from error
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and not _hidden(f.relative_to(path)))
    failures: dict[Path, str] = {}
    looks: list[tuple[tuple[int, int], str]] = []
    if reader["size"] is None or reader["mode"] is None or for_people:
        looks = _looks(files, failures, terminal)
        reader = {**reader, **_settled(reader, looks)}
    height, width = reader["size"]
    channels = 3 if reader["mode"] == "rgb" else 1
    shown = (SHOWN_SIDE, SHOWN_SIDE) if for_people and _seen_better(looks, reader["size"], channels) else None
    X = np.empty((len(files), *_shape((height, width), channels)), dtype=np.uint8)
    pictures = None if shown is None else np.empty((len(files), *_shape(shown, channels)), dtype=np.uint8)
    names: list[str] = []
    for file in terminal.counted(files, "Reading images"):
        if file in failures:
            continue
        try:
            with Image.open(file) as image:
                opened = _opened(image, reader["mode"])
            X[len(names)] = _pixels(opened, (height, width))
            if pictures is not None:
                pictures[len(names)] = _pixels(opened, shown or (height, width))
        except Exception as error:  # whatever a decoder raises at bytes that are no image
            failures[file] = str(error)
        else:
            names.append(file.relative_to(path).as_posix())
    _name_failures(failures, path, terminal)
    if not names:
        raise ValueError(f"{path} holds no image that can be read. Images end in {', '.join(sorted(SUFFIXES))}.")
    return {
        "X": X[: len(names)],
        "names": names,
        "reader": reader,
        "pictures": None if pictures is None else pictures[: len(names)],
    }


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _looks(files: list[Path], failures: dict[Path, str], terminal: Terminal) -> list[tuple[tuple[int, int], str]]:
    """Size, (width, height), and mode of the images that can be opened; the others go to `failures`."""
    from PIL import Image

    looks = []
    for file in terminal.counted(files, "Looking at images"):
        try:
            with Image.open(file) as image:
                looks.append((image.size, image.mode))
        except Exception as error:  # as above
            failures[file] = str(error)
    return looks


def _settled(reader: dict[str, Any], looks: list[tuple[tuple[int, int], str]]) -> dict[str, Any]:
    """Size and mode that suit the images, where they are open."""
    sizes = {size for size, _ in looks}
    width, height = sizes.pop() if len(sizes) == 1 and max(next(iter(sizes))) <= KEPT_SIDE else (SIDE, SIDE)
    mode = "gray" if all(mode in GRAY_MODES for _, mode in looks) else "rgb"
    return {"size": reader["size"] or [height, width], "mode": reader["mode"] or mode}


def _seen_better(looks: list[tuple[tuple[int, int], str]], size: list[int], channels: int) -> bool:
    """Whether people should see larger pictures than the model."""
    larger = any(max(seen) > max(size) for seen, _ in looks)
    return larger and max(size) < SHOWN_SIDE and len(looks) * channels * SHOWN_SIDE**2 <= SHOWN_BYTES


def _shape(size: tuple[int, int], channels: int) -> tuple[int, ...]:
    return size if channels == 1 else (channels, *size)


def _opened(image: Any, mode: str) -> Any:
    """An image upright, on white where it is transparent, in the colors that are asked for."""
    from PIL import Image, ImageOps

    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode}, and have no range")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if mode == "gray" else "RGB")


def _pixels(image: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image of another size, its aspect kept by black bars, (height, width) or (3, height, width)."""
    from PIL import ImageOps

    height, width = size
    pixels = np.asarray(ImageOps.pad(image, (width, height)))
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _name_failures(failures: dict[Path, str], folder: Path, terminal: Terminal) -> None:
    for file in list(failures)[:N_NAMED]:
        terminal.complain(f"warning: {file.relative_to(folder)} is left out, it cannot be read: {failures[file]}")
    if len(failures) > N_NAMED:
        terminal.complain(f"warning: {len(failures) - N_NAMED} more images cannot be read and are left out")
