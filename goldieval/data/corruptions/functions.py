"""The function of every kind of corruption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from goldieval.data.corruptions import blur, digital, noise, weather

Function: TypeAlias = "Callable[[np.ndarray, int, np.random.RandomState], np.ndarray]"
FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise, noise.shot_noise, noise.impulse_noise,
        blur.defocus_blur, blur.glass_blur, blur.motion_blur, blur.zoom_blur,
        weather.snow, weather.frost, weather.fog,
        digital.brightness, digital.contrast, digital.elastic_transform, digital.pixelate, digital.jpeg_compression,
    )
}  # fmt: skip
