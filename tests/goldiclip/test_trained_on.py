"""What a checkpoint says that it was trained on comes from its data, and from the checkpoint it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accelerate.state import AcceleratorState
from training_samples import SIZES, image_text_folder

from goldieval import load_model
from goldieval.goldiclip.checkpoint import load_weights, save_weights
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe, recipe_names
from goldieval.goldiclip.trainer import Trainer


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    AcceleratorState._reset_state(reset_partial_state=True)


def recipe(data: dict[str, Any], **changes: Any) -> Recipe:
    """A shipped recipe's title, as ``--set`` and ``extends`` leave it, on a model for tests."""
    content = {
        "name": "mine",
        "title": load_recipe("clip-tiny").title,
        "model": SIZES | {"decoder": "none"},
        "data": {"captions": 1, "workers": 0} | data,
        "objectives": {"softmax": 1.0},
        "optimiser": {"steps": 2, "batch_size": 4, "warm_up": 1},
        "save_every": 1,
    }
    return Recipe.model_validate(content | changes)


def trained(out: Path, *args: Any, resume: bool = False, **changes: Any) -> Path:
    return Trainer(recipe(*args, **changes), out, resume=resume).run()


def info(checkpoint: Path) -> Any:
    return load_model(f"goldiclip@{checkpoint}").describe()


def test_own_pictures_and_drawn_scenes_are_told_apart_and_both_are_told(tmp_path: Path) -> None:
    photographs = {"source": "jsonl", "path": str(image_text_folder(tmp_path / "photos", 12))}
    drawn = {"scenes": 8}
    own = trained(tmp_path / "own", photographs)
    assert info(own).notice.endswith("; trained on 12 images of train.jsonl") and info(own).home == ""
    assert "drawn" not in info(own).notice
    scenes = trained(tmp_path / "scenes", drawn)
    assert info(scenes).notice.endswith("; trained on drawn scenes") and info(scenes).home == "shapes"
    both = trained(tmp_path / "both", photographs, init=str(scenes))
    assert info(both).notice.endswith("; trained on drawn scenes, then on 12 images of train.jsonl")
    back = trained(tmp_path / "back", drawn, init=str(own))
    assert info(back).notice.endswith("; trained on 12 images of train.jsonl, then on drawn scenes")
    assert info(both).home == info(back).home == "", "a suite means its own tasks for whoever saw photographs"


def test_a_run_that_is_resumed_says_the_same(tmp_path: Path) -> None:
    photographs = {"source": "jsonl", "path": str(image_text_folder(tmp_path / "photos", 12))}
    start = trained(tmp_path / "start", {"scenes": 8})
    whole = trained(tmp_path / "run", photographs, init=str(start))
    said = load_weights(whole)[1].trained_on
    (tmp_path / "run" / "step-000002" / "state.pt").unlink()
    again = trained(tmp_path / "run", photographs, init=str(start), resume=True)
    assert said == load_weights(again)[1].trained_on == ("drawn scenes", "12 images of train.jsonl")


def test_an_older_checkpoint_is_known_by_its_home_alone(tmp_path: Path) -> None:
    start = trained(tmp_path / "start", {"scenes": 8})
    model, written = load_weights(start)
    for home, first in (("shapes", "drawn scenes"), ("", "images that its first checkpoint does not name")):
        old = tmp_path / f"old{home}.safetensors"
        save_weights(model, type(written)(**{**vars(written), "trained_on": (), "home": home}), old)
        assert info(old).notice == f"{written.method}: {written.notice}"
        after = trained(tmp_path / f"after{home}", {"scenes": 8}, init=str(old))
        assert load_weights(after)[1].trained_on == (first, "drawn scenes")


def test_no_shipped_title_claims_data_or_their_number() -> None:
    """A title is inherited by whoever trains the recipe on data of his own."""
    for name in recipe_names():
        title = load_recipe(name).title
        assert "scenes" not in title and " M " not in title and "trained on" not in title and "px" not in title, name
