"""Names of the kinds of corruptions. Nothing heavy is imported here: cards are read without it."""

from __future__ import annotations

from typing import Literal

TYPOGRAPHIC = "typographic"
Kind = Literal[
    "gaussian_noise", "shot_noise", "impulse_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog",
    "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
    "typographic",
]  # fmt: skip
