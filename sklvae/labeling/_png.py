"""Pictures as PNG files, with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["png_of"]

GRAY, RGB = 0, 2
"""Color types of the format."""


def png_of(pixels: NDArray[Any]) -> bytes:
    r"""A PNG file of uint8 pixels, (height, width) or (height, width, 3).

    References
    ----------
    PNG Specification (Third Edition), W3C, Sections 5 and 11.

    Examples
    --------
    >>> import numpy as np
    >>> png_of(np.zeros((2, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, GRAY if pixels.ndim == 2 else RGB, 0, 0, 0)
    lines = np.ascontiguousarray(pixels, dtype=np.uint8).reshape(height, -1)
    unfiltered = np.pad(lines, ((0, 0), (1, 0)))  # each line begins with its filter, 0
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(unfiltered.tobytes()), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )
