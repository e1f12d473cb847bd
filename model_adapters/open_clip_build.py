"""Building of open_clip modules without their weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from model_adapters.open_clip_sizes import Sizes
from model_adapters.undrawn import undrawn


def build_model(architecture: str, drawn: bool, sizes: Sizes, device: str = "cpu") -> Any:
    """Return a module with seeded weights, with the given sizes in place of its config's.

    Args:
        architecture: Name of the architecture, or ``local-dir:`` and a folder with its config.
        drawn: Whether its weights remain; if not, a file will replace them all, and they are zeros.
        sizes: Differences from the config.
        device: Device of torch; ``meta`` for an outline without memory.
    """
    import open_clip
    import torch

    activation = {} if sizes.quick_gelu is None else {"quick_gelu": sizes.quick_gelu}
    with seeded(0), undrawn(not drawn), quietly(), torch.device(device):
        return open_clip.create_model(
            architecture,
            load_weights=False,
            pretrained_text=False,
            force_image_size=sizes.image,
            force_context_length=sizes.context,
            device=device,
            **activation,
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random weights from ``seed`` and restore the caller's random state."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress open_clip's warning that no weights were loaded: they are loaded, or not wanted, in the next step."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
