"""Where a network runs and in which precision it trains."""

from __future__ import annotations

import torch

__all__ = ["choose_device", "choose_precision"]


def choose_device(device: str | torch.device) -> torch.device:
    """Resolve "auto": a GPU if torch sees one, the CPU otherwise."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f'device must be "auto" or a device that torch can use here, got {device!r} ({error}). Use device="cpu".'
        ) from error


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Resolve "auto": bfloat16 where the processor multiplies it natively, float32 otherwise."""
    if precision == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        )
        return torch.bfloat16 if native else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
