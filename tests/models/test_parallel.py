"""Modules that a training has wrapped: replicas are unwrapped, shards refused."""

from __future__ import annotations

import pytest
import torch

from goldieval import GoldievalError, from_module
from goldieval.models.parallel import whole_module


def test_a_replicated_module_is_unwrapped() -> None:
    module = torch.nn.Linear(2, 2)
    assert whole_module(torch.nn.DataParallel(module)) is module
    assert whole_module(module) is module


def test_a_sharded_module_is_refused_with_what_to_do() -> None:
    class FullyShardedDataParallel(torch.nn.Module):
        pass

    module = torch.nn.Sequential(torch.nn.Linear(2, 2), FullyShardedDataParallel())
    with pytest.raises(GoldievalError, match="evaluate_in_fsdp"):
        from_module(module, lambda picture: picture, lambda texts: texts)
