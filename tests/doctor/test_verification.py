"""Verification of published numbers, and the command line of ``doctor``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from goldieval.cli import app, main
from goldieval.core.errors import GoldievalError
from goldieval.data import remote
from goldieval.doctor import published
from goldieval.engine.run import evaluate
from goldieval.models import checkpoints as known
from goldieval.models.spec import parse_spec
from goldieval.tasks.catalogue import load_task

NAMES = ("model", "task", "metric", "value", "tolerance", "source")
ABOUT: dict[str, Any] = {
    **dict.fromkeys(("hub", "architecture", "images", "licence"), "made up"),
    "megabytes": 600,
    "gmacs": [17.4, 3.0],
}
Listing = Callable[..., None]


def is_number(text: str | None) -> bool:
    return bool(text) and text.replace(".", "").isdigit()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def listing(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Listing:
    """Return a function that replaces the list of published numbers by the given rows."""
    monkeypatch.setenv("GOLDIEVAL_STORE", str(store))
    monkeypatch.setenv("GOLDIEVAL_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def replace(*rows: str) -> None:
        file = tmp_path / f"checkpoints-{len(list(tmp_path.glob('checkpoints-*')))}.yaml"
        parts = [dict(zip(NAMES, row.split(","), strict=False)) for row in rows]
        models = dict.fromkeys(part.pop("model") for part in parts)
        found = [{**ABOUT, "name": f"c{place}", "model": model} for place, model in enumerate(models)]
        for row, part in zip(rows, parts, strict=True):
            numbers = {**part, **{key: float(part[key]) for key in ("value", "tolerance") if is_number(part.get(key))}}
            found[list(models).index(row.split(",")[0])].setdefault("published", []).append({**numbers, "quick": True})
        file.write_text(yaml.safe_dump({"checkpoints": found}))
        monkeypatch.setattr(known, "catalogue_file", lambda: file)

    return replace


def test_the_quick_list() -> None:
    found = published.entries()
    numbers = [(each.task, each.number.metric, each.number.value, each.number.tolerance) for each in found]
    assert numbers == [
        ("coco-karpathy", "t2i_r1", 0.3309, 0.003),
        ("flickr30k-test", "t2i_r1", 0.6216, 0.004),
        ("pets", "mean_per_class_recall", 0.8886, 0.005),
    ]
    for entry in found:
        assert load_task(entry.task).card.source.on_disk and parse_spec(entry.model).family == "open_clip"


def test_inside_and_outside_the_tolerance(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    true = evaluate("random", "shapes-retrieval", out=None, device="cpu").metrics()["shapes-retrieval"]
    listing(
        f"random,shapes-retrieval,t2i_r10,{true['t2i_r10'] + 0.002},0.003,a paper",
        f"random,shapes-retrieval,i2t_r10,{true['i2t_r10'] + 0.004},0.003,another paper",
        "random,shapes-retrieval,acc1,0.5,0.1,a third",
    )
    calls = []

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(args)
        return evaluate(*args, **settings)

    monkeypatch.setattr(published, "evaluate", counted)
    inside, outside, absent = published.checks(None, "cpu", offline=True)
    assert len(calls) == 1 and not list(Path.cwd().glob("results*"))
    assert inside.passed is True and inside.name == "shapes-retrieval t2i_r10" and "a paper" in inside.found
    assert outside.passed is False
    assert f"{true['i2t_r10']:.4f} here, {true['i2t_r10'] + 0.004:.4f} published" in outside.found
    for cause in ("split", "1,000 images, 2,000 texts", "no prompt added", "activation", "normalisation", "64 px"):
        assert cause in outside.found
    assert outside.found.splitlines()[-1] == "goldieval doctor --model random"
    assert absent.passed is False and "has no metric acc1; it has " in absent.found


def test_missing_data_is_no_pass(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    listing("open_clip:ViT-B-32/openai,coco-karpathy,t2i_r1,0.3,0.003,a paper")
    monkeypatch.setattr(published, "evaluate", lambda *_, **__: pytest.fail("weights would be downloaded for nothing"))
    (check,) = published.checks(None, "cpu")
    assert check.passed is False and "not verified" in check.found
    assert check.found.splitlines()[-1] == "goldieval data get coco-karpathy"


def test_missing_weights_are_no_pass_and_the_others_go_on(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    listing(
        "open_clip:ViT-B-32/laion2b_s34b_b79k,shapes-zeroshot,acc1,0.5,0.1,a paper",
        "random,shapes-zeroshot,acc1,0.5,0.5,a paper",
    )
    monkeypatch.setattr(remote, "cached_weights", lambda *_: False)
    missing, there = published.checks(None, "cpu", offline=True)
    assert missing.passed is False and "are not on this machine" in missing.found
    get = "goldieval run --model open_clip:ViT-B-32/laion2b_s34b_b79k --tasks shapes-zeroshot"
    assert missing.found.splitlines()[-1] == get
    assert there.passed is True


@pytest.mark.parametrize(
    "row", ["random,shapes-retrieval,t2i_r1,high,0.1,a", "random,shapes-retrieval", "random,,t2i_r1,0.1,0.1,a"]
)
def test_a_broken_catalogue_names_the_place(listing: Listing, row: str) -> None:
    listing("random,shapes-retrieval,t2i_r1,0.1,0.1,a", row)
    with pytest.raises(GoldievalError, match=r"checkpoints-0\.yaml: checkpoints\.0\.published\.1\."):
        published.checks(None, "cpu")


def test_bad_input(listing: Listing) -> None:
    listing("random,shapes-retrieval,t2i_r1,0.1,0.1,a")
    with pytest.raises(GoldievalError, match="no device 'tpu'"):
        published.checks(None, "tpu")


BROKEN = """
from goldieval.models.loading import load_model

def load(spec, options):
    model = load_model("random")
    model.encode_image = lambda pixels: pixels.flatten(1)[:, :1] * float("nan")
    return model
"""


def test_the_command_fails_where_a_check_fails(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BROKEN)
    arguments = ["doctor", "--model", "./mine.py:load", "--device", "cpu"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()
    assert lines[0] == "install" and "model ./mine.py:load" in lines
    assert any(line.startswith("FAIL finite values         8 of 8 image features contain NaN") for line in lines)
    assert lines[-1].endswith("checks FAILED") and max(map(len, lines)) <= 80
    as_json = CliRunner().invoke(app, [*arguments, "--json"])
    assert as_json.exit_code == 1
    found = {(each["part"], each["name"]): each["passed"] for each in json.loads(as_json.stdout)}
    assert found["model ./mine.py:load", "finite values"] is False
    assert found["install", "packages"] is True and found["model ./mine.py:load", "activation"] is None


def test_the_command_passes(listing: Listing) -> None:
    listing("random,shapes-zeroshot,acc1,0.5,0.5,a paper")
    shown = CliRunner().invoke(app, ["doctor", "--verify", "--device", "cpu", "--offline"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    assert "published numbers" in shown.stdout and "nothing wrong in 13 checks" in shown.stdout


def test_commands_to_copy_are_not_wrapped(listing: Listing) -> None:
    listing("random,coco-karpathy,t2i_r1,0.3,0.003,a paper")
    shown = CliRunner().invoke(app, ["doctor", "--verify", "--device", "cpu"], env={"COLUMNS": "60"})
    how = "     goldieval data get coco-karpathy"
    assert shown.exit_code == 1 and how in shown.stdout.splitlines()


def test_bad_input_ends_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["goldieval", "doctor", "--model", "randon"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and "Did you mean random?" in capsys.readouterr().err
