"""The plans of the training studies and their table; the trainings themselves are run by hand."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import ablation_table
import methods
import study_table
import superclip_batches
import trainings


def test_batches_differ_in_nothing_but_the_batch_and_the_method() -> None:
    planned = superclip_batches.planned()
    assert Counter((run.about["method"], run.about["batch"]) for run in planned) == {
        (method, batch): 3 for method in ("clip", "superclip") for batch in (32, 128, 512)
    }
    assert len({run.name for run in planned}) == 18
    assert [run.about["seed"] for run in planned] == sorted(run.about["seed"] for run in planned)
    for run in planned:
        recipe, twin = run.whole(), superclip_batches.run("clip", run.about["batch"], run.about["seed"]).whole()
        data = twin.data.model_copy(update={"token_targets": recipe.data.token_targets})  # clip has no such head
        assert recipe.optimiser == twin.optimiser and recipe.data == data and recipe.seed == run.about["seed"]
        seen = recipe.optimiser.steps * recipe.optimiser.batch_size
        assert seen == superclip_batches.IMAGES
        assert recipe.evaluation.every == recipe.optimiser.steps
        assert recipe.optimiser.lr == pytest.approx(1e-3 * (recipe.optimiser.batch_size / 64) ** 0.5)


def test_methods_train_equally_long_on_the_same_scenes_with_the_same_towers() -> None:
    planned = methods.planned()
    assert Counter(run.about["row"] for run in planned) == dict.fromkeys(methods.METHODS, 3)
    base = methods.run("clip", 0).whole()
    for run in planned:
        recipe = run.whole()
        assert recipe.optimiser == base.optimiser and recipe.data.scenes == base.data.scenes
        towers = {
            name for name in type(recipe.model).model_fields if name.startswith(("vision", "text", "image", "embed"))
        }
        assert recipe.model.model_dump(include=towers) == base.model.model_dump(include=towers)


def test_a_run_that_has_its_record_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, ran = trainings.Study(tmp_path, Path("runs/x")), []
    planned = [methods.run("clip", 0), methods.run("flair", 0), methods.run("flair", 1)]
    (tmp_path / "flair-seed0.json").write_text("{}")
    monkeypatch.setattr(trainings, "train", lambda study, run, threads: ran.append(run.name))
    monkeypatch.setattr(sys, "argv", ["study", "--jobs", "1"])
    trainings.study_main("doc", study, planned)
    assert ran == ["clip-seed0", "flair-seed1"]


def test_the_table_is_written_from_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for row, value in (("clip", 0.1), ("flair", 0.3)):
        for seed in range(3):
            record = {
                "task": {"name": "shapes-retrieval", "headline": "t2i_r1"},
                "metrics": {"t2i_r1": {"value": value + seed / 100}},
            }
            run = {"row": row, "seed": seed, "images_seen": 38_400, "images_per_second": 50.0, "records": [record]}
            (tmp_path / f"{row}-seed{seed}.json").write_text(json.dumps(run))
    (tmp_path / "README.md").write_text(f"before\n{ablation_table.START}\nformer\n{ablation_table.END}\nafter\n")
    study = trainings.Study(tmp_path, Path("runs/x"))
    monkeypatch.setattr(study_table, "STUDIES", {"methods": (study, methods.planned())})
    monkeypatch.setattr(sys, "argv", ["study_table.py", "methods"])
    study_table.main()
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before") and text.endswith("after\n") and "former" not in text
    assert "| clip | 3 | 38k | 50 | 11.0 ± 1.6 | - |" in text and "| flair | 3 | 38k | 50 | 31.0 ± 1.6 |" in text
