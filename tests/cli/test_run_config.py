"""``goldieval run --config``: a run in a file, its relative paths, what the command line replaces, and wrong files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import card, class_folders, goldieval, one_line, records, retrieval_embeddings, toy_model

from goldieval.cli.config_paths import rebased_model, rebased_tasks
from goldieval.cli.run_config import read_config

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with embeddings, their card, a toy model with its task, and a configuration of both."""
    made = tmp_path / "my exp"
    made.mkdir()
    retrieval_embeddings(made / "given", name="given")
    class_folders(made / "data", {"cat": 3, "dog": 2})
    card(made, name="pictures", expect={"images": 5})
    toy_model(made)
    return made


def _write(folder: Path, content: dict[str, Any] | str) -> str:
    (folder / "eval.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(folder / "eval.yaml")


def test_a_run_in_a_file_with_paths_relative_to_it(folder: Path) -> None:
    file = _write(
        folder,
        {
            "models": ["embeddings:given", toy_model(folder).replace(str(folder), ".")],
            "tasks": ["given/card.yaml", "./card.yaml"],
            "out": "records",
            "batch_size": 2,
            "no-cache": True,
            "limit": None,
        },
    )
    ran = goldieval("run", "--config", file)
    assert ran.out.startswith(f"config {file}\n")
    found = records(folder / "records")
    assert {record["task"]["name"] for record in found} == {"given", "pictures"}
    assert {record["run"]["batch"]["images"] for record in found} == {2}
    assert {record["model"]["spec"] for record in found} >= {f"embeddings:{folder}/given"}


def test_the_command_line_replaces_the_file_and_the_plan_says_so(folder: Path, tmp_path: Path) -> None:
    file = _write(
        folder, {"models": "embeddings:given", "tasks": "given/card.yaml", "out": "records", "precision": "bf16"}
    )
    ran = goldieval("run", "--config", file, "--precision", "fp32", "--out", tmp_path / "elsewhere")
    first = ran.out.splitlines()[0]
    assert ran.code == 0 and first.startswith(f"config {file}; ")
    assert "--precision fp32 replaces bf16" in first
    assert f"--out {tmp_path}/elsewhere replaces {folder}/records" in first
    assert not (folder / "records").exists() and len(records(tmp_path / "elsewhere")) == 1


def test_the_recorded_command_repeats_the_run_after_the_file_has_changed(folder: Path, tmp_path: Path) -> None:
    content = {"models": "embeddings:given", "tasks": "given/card.yaml", "out": "records", "allow_bad": 3}
    file = _write(folder, content)
    goldieval("run", "--config", file, "--out", tmp_path / "once")
    (record,) = records(tmp_path / "once")
    command = shlex.split(record["run"]["command"])
    assert command[:4] == ["goldieval", "run", "--config", file]
    assert command[command.index("--model") + 1] == f"embeddings:{folder}/given"
    assert command[command.index("--allow-bad") + 1] == "3"
    assert command.count("--out") == 1
    _write(folder, {"models": "random", "tasks": "cifar10"})
    again = goldieval(*command[1:])
    assert again.code == 0 and len(records(tmp_path / "once")) == 1


def test_parameters_of_cards_are_a_mapping_or_a_list(folder: Path) -> None:
    for given in ({"templates": ["a {}"], "topk": 2}, ["topk=2"]):
        values = read_config(Path(_write(folder, {"models": "x", "tasks": "y", "set": given})))
        assert "topk=2" in values["set_"]
    file = _write(folder, "models: random\ntasks: shapes-zeroshot\nset: {nosuch: 1}")
    assert "--set nosuch" in one_line(goldieval("run", "--config", file).err)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("modls: [random]", "unknown key 'modls'. Did you mean models"),
        ("out-dir: x", "unknown key 'out-dir'."),
        ("config: other.yaml", "unknown key 'config'"),
        ("limit: true", "limit: True is not a whole number"),
        ("limit: '5'", "limit: '5' is not a whole number"),
        ("workers: 1.5", "workers: 1.5 is not a whole number"),
        ("models: [3]", "models: 3 is not text"),
        ("tasks: []", "tasks: the list is empty"),
        ("device: [cpu]", "device: one value is expected"),
        ("dry_run: maybe", "dry_run: 'maybe' is not true or false"),
        ("batch_size: 2\nbatch-size: 3", "given twice"),
        ("limit: 1\nlimit: 2", "duplicate key"),
        ("models: !!python/object:os.system x", "tag"),
        ("- a\n- b", "expected a mapping"),
        ("models: [", "invalid YAML"),
        ("", "expected a mapping"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(folder: Path, content: str, said: str) -> None:
    file = _write(folder, content)
    ran = goldieval("run", "--config", file, "--model", "random", "--tasks", "shapes-zeroshot")
    assert ran.code == 2 and not ran.out
    assert one_line(ran.err).startswith(f"error: {file}") and said in ran.err


def test_a_number_out_of_range_names_the_file(folder: Path) -> None:
    file = _write(folder, "models: random\ntasks: shapes-zeroshot\nlimit: 0\n")
    line = one_line(goldieval("run", "--config", file).err)
    assert "--limit" in line and f"(limit in {file})" in line
    assert "(limit in" not in one_line(goldieval("run", "--config", file, "--limit", "-1").err)


def test_a_file_that_is_missing_or_incomplete(folder: Path) -> None:
    assert "nowhere.yaml" in one_line(goldieval("run", "--config", "nowhere.yaml").err)
    assert "--tasks" in one_line(goldieval("run", "--config", _write(folder, "models: random")).err)


def test_places_in_specs_and_tasks(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "v1").write_text("")
    where = {
        "goldiclip": "goldiclip",
        "goldiclip@run/step-000500": f"goldiclip@{tmp_path}/run/step-000500",
        "goldiclip@*.safetensors": f"goldiclip@{tmp_path}/*.safetensors",
        "open_clip:ViT-B-16@epoch_1.pt::size=384": f"open_clip:ViT-B-16@{tmp_path}/epoch_1.pt::size=384",
        "open_clip:ViT-B-32/openai": "open_clip:ViT-B-32/openai",
        "huggingface:owner/name@main": "huggingface:owner/name@main",
        "huggingface:owner/name@refs/pr/1": "huggingface:owner/name@refs/pr/1",
        "embeddings:given": f"embeddings:{tmp_path}/given",
        "flair@/absolute/x.pt": "flair@/absolute/x.pt",
        "flair@~/x.pt": "flair@~/x.pt",
        "./mine.py:load": f"{tmp_path}/mine.py:load",
    }
    assert {spec: rebased_model(spec, tmp_path) for spec in where} == where
    assert rebased_model("./mine.py:load", Path("exp")) == "./exp/mine.py:load"
    assert rebased_model("goldiclip@run/x.pt", Path(".")) == "goldiclip@run/x.pt"
    assert rebased_tasks("cifar10, cards/mine.yaml,coco*", Path("exp")) == "cifar10,exp/cards/mine.yaml,coco*"


def test_the_output_of_programs_is_as_before(folder: Path) -> None:
    file = _write(folder, {"models": "embeddings:given", "tasks": "given/card.yaml", "json": True, "out": "records"})
    ran = goldieval("run", "--config", file)
    assert ran.code == 0 and ran.out.startswith("[") and f"config {file}" in ran.err
