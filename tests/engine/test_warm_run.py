"""A run on stored embeddings loads no model, imports no library of models, and writes the records of a cold run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import card, class_folders, goldieval, json_lines, one_line, picture, records
from tiny_models import flair_file

from goldieval.core import reads
from goldieval.engine import token_memory
from goldieval.models import loading

HEAVY = ("open_clip", "torchvision", "transformers", "timm", "sklearn", "matplotlib", "pandas", "mmseg", "datasets")


@pytest.fixture(autouse=True)
def settled_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "RACY_NS", 0)


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A classification and a retrieval of which some captions are truncated."""
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "classes" / "data", {"cat": 3, "dog": 2})
    rows = [{"file": f"{n}.png", "caption": f"picture {n} " + "of a very red circle " * 4 * n} for n in range(8)]
    for n, row in enumerate(rows):
        picture(tmp_path / "captions" / "data" / row["file"], n)
    json_lines(tmp_path / "captions" / "data" / "rows.jsonl", rows)
    source = {"file": "rows.jsonl", "image": "file", "caption": "caption"}
    cards = [
        card(tmp_path / "classes", name="classes"),
        card(tmp_path / "captions", "table", "retrieval", name="captions", source=source),
    ]
    return ",".join(map(str, cards))


def run(tasks: str, model: str, *more: str) -> Any:
    return goldieval("run", "--model", model, "--tasks", tasks, *more)


def measured(out: Path) -> list[dict[str, Any]]:
    """Return records without times, and the bytes of their outcomes."""
    found = records(out)
    for record in found:
        for part in ("started", "seconds", "encoded", "reused", "command"):
            record["run"].pop(part)
        record.pop("sha256")
    return [*found, *({file.name: file.read_bytes()} for file in sorted(out.rglob("*.parquet")))]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the specs that are loaded from now on."""
    loaded: list[str] = []
    load = loading.load
    monkeypatch.setattr(
        "goldieval.models.remembered.load", lambda spec, options: (loaded.append(spec.text), load(spec, options))[1]
    )
    return loaded


@pytest.mark.parametrize("kind", ["goldiclip", "flair"])
def test_a_warm_run_loads_no_model_and_its_records_are_those_of_a_cold_run(
    kind: str, tmp_path: Path, tasks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = kind if kind == "goldiclip" else f"flair@{flair_file(tmp_path)}"
    how = ("--scoring", "global")  # without patch tokens
    loaded = counted(monkeypatch)
    cold = run(tasks, model, *how, "--out", "cold")
    assert cold.code == 0 and loaded == [model]
    warm = run(tasks, model, *how, "--out", "warm")
    assert warm.code == 0 and loaded == [model]
    assert measured(tmp_path / "warm") == measured(tmp_path / "cold")
    (captions,) = (record for record in records(tmp_path / "warm") if record["task"]["name"] == "captions")
    assert captions["truncation"]["cut"] > 0 and "longer than the model's context" in captions["warnings"][0]
    scores = [out.partition("\ntask ")[2].partition("\nrecords in")[0] for out in (cold.out, warm.out)]
    assert scores[0] == scores[1] and scores[0]
    plans = [run(tasks, model, *how, "--dry-run", *more).out for more in ((), ("--no-cache",))]
    assert [plan.splitlines()[:2] for plan in plans] == [warm.out.splitlines()[:2]] * 2
    assert loaded == [model] * 2  # the second of these without the cache


def test_what_the_store_lacks_is_encoded_by_the_recalled_model(
    tmp_path: Path, tasks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = f"flair@{flair_file(tmp_path)}"
    loaded = counted(monkeypatch)
    classes, captions = tasks.split(",")
    run(classes, model, "--out", "first")
    for mode in ("global", "conditioned"):  # new contents, and a family that needs patch tokens
        assert run(captions, model, "--scoring", mode, "--out", f"recalled-{mode}").code == 0
        assert run(captions, model, "--scoring", mode, "--out", f"fresh-{mode}", "--no-cache").code == 0
        assert measured(tmp_path / f"recalled-{mode}") == measured(tmp_path / f"fresh-{mode}")
    assert len(loaded) == 5


def test_a_warm_run_imports_no_library_of_models(tmp_path: Path, tasks: str) -> None:
    how = ["--scoring", "global"]
    assert run(tasks, "goldiclip", *how, "--out", "cold").code == 0
    argv = ["goldieval", "run", "--model", "goldiclip", "--tasks", tasks, *how, "--out", "warm"]
    code = (
        f"import sys; sys.argv = {argv!r}\n"
        "from goldieval.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"print('IMPORTED', *(name for name in {HEAVY} if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.rpartition("IMPORTED")[2].split() == []


def test_a_wrong_description_ends_the_run_in_a_line_and_leaves_no_record(
    tmp_path: Path, tasks: str, store: Path
) -> None:
    model = f"flair@{flair_file(tmp_path)}"
    assert run(tasks, model, "--dry-run").code == 0
    (file,) = (store / ".remembered" / "models").glob("*.json")
    from goldieval.core.memory import Memory

    content = json.loads(file.read_text())["content"]
    content["result"]["info"] |= {"image_identity": "0" * 64, "fingerprint": "1" * 64}
    Memory(file.parent, 50).keep(content["key"], content["result"])
    ran = run(tasks, model, "--out", "out")
    assert ran.code == 2 and "Run the same command again" in one_line(ran.err)
    assert not list((tmp_path / "out").rglob("*.json"))
    assert run(tasks, model, "--out", "out").code == 0  # the description is removed


@pytest.mark.parametrize("wrong", [[1, 2], ["a"] * 3, [True] * 3, {"counts": [1]}, {"counts": [1.5] * 3}, 7])
def test_counts_of_tokens_that_do_not_fit_are_counted_again(wrong: Any) -> None:
    class Model:
        def count_tokens(self, texts: list[str]) -> list[int]:
            return [len(text) for text in texts]

    counts = token_memory.TokenCounts(Model(), "tower", cache=True)  # type: ignore[arg-type]
    texts = ["a", "bb", "ccc"]
    assert counts.of(texts) == [1, 2, 3]
    memory = counts._memory
    assert memory is not None
    (file,) = memory.folder.glob("*.json")
    memory.keep(json.loads(file.read_text())["content"]["key"], wrong)
    assert counts.of(texts) == [1, 2, 3]
    assert token_memory.TokenCounts(object(), "tower", cache=True).of(texts) is None  # type: ignore[arg-type]
    assert counts.of(["a", "bb", "cc"]) == [1, 2, 2] and counts.of([]) is None
