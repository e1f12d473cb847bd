"""Checkpoints that are damaged, of another layout or carry code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapter_cases import Evil, refused
from torch import nn

pytestmark = pytest.mark.usefixtures("architectures")


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", ["evil.pt", "evil.bin", "plain.pkl", "evil.npy", "evil.npz"])
def test_code_in_a_checkpoint_is_refused_and_not_run(
    tmp_path: Path, weights: dict[str, torch.Tensor], name: str
) -> None:
    marker, file = tmp_path / "was_run", tmp_path / name
    content: Any = {"state_dict": weights, "extra": Evil(marker)}
    if name == "plain.pkl":
        file.write_bytes(pickle.dumps({"state_dict": {}, "extra": Evil(marker)}))
    elif name.startswith("evil.np"):
        (np.save if name.endswith("y") else np.savez)(file, np.array([Evil(marker)], dtype=object))
    else:
        torch.save(content, file)
    line = refused(f"open_clip:TINY@{file}")
    assert name in line and "set to `False`" not in line  # torch's advice is to run it
    assert ("it contains" in line) == (name in ("evil.pt", "evil.bin"))
    assert ("can run any code" in line) == (not name.startswith("evil.np"))
    assert not marker.exists()


def test_file_that_is_damaged_or_something_else_is_refused_by_name(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for name, content in {
        "half.pt": whole[: len(whole) // 2],
        "empty.pt": b"",
        "page.pt": b"<html>404</html>",
        "half.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    }.items():
        file = checkpoint.with_name(name)
        file.write_bytes(content)
        line = refused(f"open_clip:TINY@{file}")
        assert name in line and "does not fit" not in line


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {}}, {"state_dict": 3}, torch.ones(3)], ids=str)
def test_file_without_a_state_dict_is_refused_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert "other.pt" in refused(f"open_clip:TINY@{tmp_path}/other.pt")


@pytest.mark.filterwarnings("error:.*TorchScript archive:UserWarning")
def test_torchscript_archive_is_refused_for_what_it_is(tmp_path: Path) -> None:
    """OpenAI's own files are TorchScript: they contain code, whatever their sizes."""
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    line = refused(f"open_clip:TINY@{tmp_path}/ViT-B-32.pt")
    assert "ViT-B-32.pt is a TorchScript program" in line


def test_weights_of_another_size_name_the_architecture_and_a_tensor(checkpoint: Path) -> None:
    line = refused(f"open_clip:TINY-wide@{checkpoint}")
    assert "does not fit TINY-wide" in line and "size mismatch" in line and len(line) < 700


def test_weights_that_lack_a_tensor_or_have_one_more_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    fewer = {name: tensor for name, tensor in weights.items() if name != "visual.proj"}
    for state in (fewer, weights | {"extra.weight": torch.ones(1)}):
        torch.save(state, tmp_path / "x.pt")
        assert "x.pt does not fit TINY" in refused(f"open_clip:TINY@{tmp_path}/x.pt")


@pytest.mark.parametrize("name", ["gone.pt", "."])
def test_missing_checkpoint_is_reported(tmp_path: Path, name: str) -> None:
    assert f"no checkpoint {tmp_path / name}" in refused(f"open_clip:TINY@{tmp_path / name}")
