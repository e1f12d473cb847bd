"""Fuzzing of all small files other than data: cards, suites, recipes, tables, records, lock files, numbers.

Whatever they contain, reading gives a value or a one-line error within a time limit. For more inputs see ``fuzzing``.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import as_json, damaged, many, mutated
from helpers import goldieval
from hypothesis import given
from hypothesis import strategies as st
from synthetic_records import made

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.lockfile import origin_labels, read_lock
from goldieval.goldiclip.recipe_files import RECIPES, load_recipe
from goldieval.models.spec import expand, parse_spec
from goldieval.records.files import read_outcomes, read_record
from goldieval.report.published import load_published
from goldieval.report.table_spec import SPECS, load_spec
from goldieval.tasks.card import load_card, read_yaml
from goldieval.tasks.catalogue import Catalogue, packaged

CARDS = ("coco-karpathy", "cifar10", "sugarcrepe", "ade20k", "shapes-vqa", "shapes-probe")
LOCK = {
    "schema_version": 1,
    "origins": [
        {"url": "https://example.org/a.tar", "files": {"a/b.txt": {"bytes": 3, "sha256": "0" * 64}}},
    ],
}


def yaml_of(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def one_line_or_value(read: Callable[[], Any]) -> Any:
    """Return what was read, or None for a one-line error."""
    try:
        return read()
    except GoldievalError as error:
        message = str(error)
        assert message.strip() and "Traceback" not in message and len(message) < 20_000
        return None


@st.composite
def files(draw: st.DrawFn, valid: Any) -> bytes:
    """Return YAML (as JSON, which it contains, or in blocks), mutated and damaged."""
    value = draw(mutated(valid))
    try:
        made = as_json(value) if draw(st.booleans()) else yaml.safe_dump(value).encode()
    except (UnicodeEncodeError, yaml.YAMLError):
        made = as_json(value)
    return draw(damaged(made))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("strange")
    (made / "suites").mkdir()
    return made


@pytest.mark.parametrize("name", [name for name in CARDS if (packaged("tasks") / f"{name}.yaml").is_file()])
@given(data=st.data())
@many(25)
def test_cards(folder: Path, name: str, data: st.DataObject) -> None:
    file = folder / "card.yml"
    file.write_bytes(data.draw(files(yaml_of(packaged("tasks") / f"{name}.yaml"))))
    task = one_line_or_value(lambda: load_card(file))
    if task is not None:
        assert len(task.hash) == 64 and task.protocol and re.fullmatch(r"[a-z0-9][a-z0-9._-]*", task.name)
        one_line_or_value(lambda: task.card.source.missing(task.folder(folder)))


@given(data=st.data())
@many(25)
def test_suites(folder: Path, data: st.DataObject) -> None:
    valid = {
        "suite": "mine",
        "title": "Mine",
        "tasks": ["cifar10"],
        "home": {"shapes": {"heading": "h", "tasks": ["x"]}},
    }
    (folder / "suites" / "mine.yaml").write_bytes(data.draw(files(valid)))
    catalogue = one_line_or_value(lambda: Catalogue(folder))
    if catalogue is not None:
        one_line_or_value(lambda: catalogue.select(["mine"], "shapes"))


@pytest.mark.parametrize("name", ["goldiclip-tiny", "goldiclip-tiny-start"])
@given(data=st.data())
@many(25)
def test_recipes(folder: Path, name: str, data: st.DataObject) -> None:
    file = folder / "recipe.yaml"
    file.write_bytes(data.draw(files(yaml_of(RECIPES / f"{name}.yaml"))))
    one_line_or_value(lambda: load_recipe(str(file)))


@given(data=st.data())
@many(40)
def test_table_specs(folder: Path, data: st.DataObject) -> None:
    shipped = data.draw(st.sampled_from(sorted(SPECS.glob("*.yaml"))))
    file = folder / "table.yaml"
    file.write_bytes(data.draw(files(yaml_of(shipped))))
    one_line_or_value(lambda: load_spec(str(file)))


KEYS = (
    "1",
    "1.0",
    "true",
    "null",
    "[a, b]",
    "{a: 1}",
    "2001-01-01",
    "*a",
    "&a b",
    "? x",
    "!!python/name:os.system x",
    "2001-13-45",
    "9" * 5000,
)


@given(lines=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from((*KEYS, "|", ">", '"', "- a", "<<: *a")))))
@many(150)
def test_any_yaml(folder: Path, lines: list[tuple[str, str]]) -> None:
    file = folder / "any.yaml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in lines), encoding="utf-8")
    found = one_line_or_value(lambda: read_yaml(file))
    assert found is None or isinstance(found, dict)


# Records, lock files, published numbers


@given(data=st.data())
@many(80)
def test_records(folder: Path, data: st.DataObject) -> None:
    file = folder / "task@1-0.json"
    valid = json.loads(made("cifar10").model_dump_json())
    file.write_bytes(data.draw(damaged(as_json(data.draw(mutated(valid))))))
    found = one_line_or_value(lambda: read_record(file))
    if found is not None:
        assert all(math.isfinite(value) for value in found.values().values())
        one_line_or_value(lambda: read_outcomes(file, found))


@given(data=st.data())
@many(60)
def test_lock_files(folder: Path, data: st.DataObject) -> None:
    (folder / ".goldieval-source.json").write_bytes(data.draw(damaged(as_json(data.draw(mutated(LOCK))))))
    one_line_or_value(lambda: read_lock(folder))
    one_line_or_value(lambda: origin_labels(folder))


@given(data=st.data())
@many(40)
def test_published_numbers(folder: Path, data: st.DataObject) -> None:
    shipped = packaged("results/published")
    name = data.draw(st.sampled_from(["models.csv", *(file.name for file in sorted(shipped.glob("*.csv")))]))
    for file in (shipped / "models.csv", shipped / name):
        (folder / file.name).write_bytes(_few_rows(file))
    rows = list(csv.DictReader(StringIO((folder / name).read_text(encoding="utf-8"))))
    changed = data.draw(mutated(rows))
    out = StringIO()
    if isinstance(changed, list) and changed and isinstance(changed[0], dict):
        writer = csv.writer(out)
        writer.writerow(changed[0])
        writer.writerows(row.values() for row in changed if isinstance(row, dict))
    (folder / name).write_bytes(data.draw(damaged(out.getvalue().encode("utf-8", "surrogatepass"))))
    one_line_or_value(lambda: load_published(folder))
    (folder / name).unlink()


def _few_rows(file: Path) -> bytes:
    return b"\n".join(file.read_bytes().splitlines()[:6]) + b"\n"


# What is typed


@given(
    text=st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
    | st.sampled_from(["a:b@c:d@e", "@", ":", "*@[", "x@**/*"])
)
@many(100)
def test_specs(text: str) -> None:
    one_line_or_value(lambda: list(expand(parse_spec(text.replace("/", "_")))))


@pytest.mark.parametrize(
    "value",
    [
        "k=[",
        "k={a: 1",
        "k=&a [*a]",
        "=1",
        "k",
        "k=\x00",
        "scoring=\ud800",
        "k=" + "[" * 3000,
        "k=2001-13-45",
        "k=" + "9" * 5000,
    ],
)
def test_settings_on_the_command_line(value: str) -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "shapes-zeroshot", "--set", value)
    assert ran.code == 2 and "Traceback" not in ran.err and "bug in goldieval" not in ran.err, ran
