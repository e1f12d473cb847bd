"""Checkpoint files: truncated, foreign or with code in them they are refused in one line; whole ones survive."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_trainings import (
    EVERYTHING,
    SIZES,
    CutError,
    cut_at,
    message,
    recipe,
    same,
    trainer,
)

from goldieval.goldiclip.checkpoint import CheckpointInfo, load_weights, save_weights
from goldieval.goldiclip.checkpoint_folder import latest, load_state, save_folder
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.model import GoldiClip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a checkpoint at step 3; not to be written to."""
    out = tmp_path_factory.mktemp("finished")
    running = trainer(out, recipe(keep=1))
    with pytest.raises(CutError):
        running.run(cut_at(4))
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The same checkpoint, to be damaged."""
    for file in (finished / "step-000003").iterdir():
        (tmp_path / "step-000003").mkdir(exist_ok=True)
        (tmp_path / "step-000003" / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize("keep", [0, 1, 100, 5000])
@pytest.mark.parametrize("name", ["model.safetensors", "teacher.safetensors", "state.pt"])
def test_truncated_checkpoints_are_refused(run: Path, name: str, keep: int) -> None:
    file = run / "step-000003" / name
    file.write_bytes(file.read_bytes()[:keep])
    line = message(lambda: trainer(run, resume=True))
    assert f"step-000003/{name}" in line and (name != "state.pt" or "damaged" in line)


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of a checkpoint was run')",))


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("write", [lambda file: torch.save({"step": Code()}, file), lambda file: _pickle(file)])
def test_code_in_a_checkpoint_is_never_run(run: Path, write: Callable[[Path], None]) -> None:
    write(run / "step-000003" / "state.pt")
    line = message(lambda: trainer(run, resume=True))
    assert "cannot resume" in line and "can run any code" in line and "set to `False`" not in line
    write(run / "step-000003" / "model.safetensors")
    assert "model.safetensors" in message(lambda: load_weights(run / "step-000003"))


def _pickle(file: Path) -> None:
    file.write_bytes(pickle.dumps(Code()))


@pytest.mark.parametrize("state", [{}, {"step": 3}, [1, 2], torch.zeros(3)])
def test_foreign_states_are_refused(run: Path, state: object) -> None:
    torch.save(state, run / "step-000003" / "state.pt")
    line = message(lambda: trainer(run, resume=True))
    assert "cannot resume" in line and "step-000003" in line


def written(file: Path, metadata: dict[str, str] | None, **tensors: torch.Tensor) -> Path:
    save_file(tensors or {"a": torch.zeros(2)}, file, metadata=metadata)
    return file


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    def says(metadata: dict[str, str] | None, **tensors: torch.Tensor) -> str:
        return message(lambda: load_weights(written(tmp_path / "f.safetensors", metadata, **tensors)))

    config = ModelConfig.model_validate(SIZES).model_dump()
    assert "not written by goldieval train" in says(None)
    assert "not written by goldieval train" in says({"other": "{}"})
    assert "not written by goldieval train" in says({"goldiclip": "[]"})
    assert "not written by goldieval train" in says({"goldiclip": "{}"})
    assert "not written by goldieval train" in says({"goldiclip": json.dumps({"config": config, "later": 1})})
    assert "not a readable" in says({"goldiclip": "{"})
    assert "is not divisible" in says({"goldiclip": json.dumps({"config": {**config, "vision_heads": 3}})})
    assert "unknown key" in says({"goldiclip": json.dumps({"config": {**config, "depth": 3}})})
    assert "tensors missing, 1 of another" in says({"goldiclip": json.dumps({"config": config})})
    assert "no checkpoint" in message(lambda: load_weights(tmp_path / "none.safetensors"))
    (tmp_path / "text.safetensors").write_text("hello " * 10)
    assert "not a readable" in message(lambda: load_weights(tmp_path / "text.safetensors"))


def test_weights_of_another_shape_than_their_config_are_refused(finished: Path, tmp_path: Path) -> None:
    model, _ = load_weights(finished / "step-000003")
    file = tmp_path / "weights.safetensors"
    save_weights(model, CheckpointInfo(ModelConfig.model_validate({**SIZES, "embed_dim": 64})), file)
    assert "of another shape" in message(lambda: load_weights(file))


def test_weights_survive_the_file_and_ship_slim_in_half(tmp_path: Path) -> None:
    config = ModelConfig.model_validate(EVERYTHING["model"])
    torch.manual_seed(0)
    model = GoldiClip(config)
    about = CheckpointInfo(config, "r", 12, 3, 4, "conditioned", "shapes", "tiny")
    save_weights(model, about, tmp_path / "whole.safetensors")
    loaded, said = load_weights(tmp_path / "whole.safetensors")
    assert said == about and same(dict(loaded.state_dict()), dict(model.state_dict()))
    save_weights(model, about, tmp_path / "slim.safetensors", torch.float16, slim=True)
    small, said = load_weights(tmp_path / "slim.safetensors")
    assert said == about
    ids, pixels = torch.tensor([[812, 5, 6, 813]]), torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(small.encode_text(ids), model.encode_text(ids), atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(small.encode_image(pixels), model.encode_image(pixels), atol=2e-2, rtol=2e-2)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "slim")]
    assert sizes[1] < 0.5 * sizes[0]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["slim.safetensors", "whole.safetensors"]


def test_a_checkpoint_is_written_whole_over_an_older_one(tmp_path: Path) -> None:
    model, about = GoldiClip(ModelConfig.model_validate(SIZES)), CheckpointInfo(ModelConfig.model_validate(SIZES))
    for step in (1, 2):
        save_folder(tmp_path / "step-000001", model, model, about, {"step": step})
    assert load_state(tmp_path / "step-000001") == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
    (tmp_path / "step-000009").mkdir()  # without a state: not whole
    assert latest(tmp_path) == tmp_path / "step-000001" and latest(tmp_path / "none") is None
