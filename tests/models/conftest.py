"""Fixtures that several files of this folder share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from adapter_cases import ARCHITECTURES
from open_clip import factory


@pytest.fixture(scope="module")
def architectures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register a few architectures with two layers in open_clip."""
    folder = tmp_path_factory.mktemp("configs")
    for name, config in ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # towers this small only lose by sharing
    yield
    torch.set_num_threads(threads)
    factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in ARCHITECTURES:
        del factory._MODEL_CONFIGS[name]


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """A state dict of TINY different from every seed of the adapter."""
    torch.manual_seed(7)
    module = open_clip.create_model("TINY")
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def checkpoint(tmp_path: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A training checkpoint as open_clip writes it."""
    moments = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    prefixed = {f"module.{name}": tensor for name, tensor in weights.items()}
    file = tmp_path / "epoch_32.pt"
    torch.save({"epoch": 32, "name": "run", "state_dict": prefixed, "optimizer": moments}, file)
    return file
