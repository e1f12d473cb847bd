"""YAML of unknown origin: refused in one line and in little time, whatever it contains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldieval.core import yaml_files
from goldieval.core.errors import GoldievalError
from goldieval.core.yaml_files import read_yaml
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.report.table_spec import load_spec
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import Catalogue

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
HOSTILE = {
    "aliases that double, and a key twice": (BOMB + "k: *a30\nk: *a30\n", "aliases expanded"),
    "a doubling alias as a key": (BOMB + "? *a30\n: 1\n? *a30\n: 2\n", "aliases expanded"),
    "an alias as a key": ("a: &a [x]\n? *a\n: 1\n", "one plain value"),
    "merges that double": (MERGES, "aliases expanded"),
    "an alias inside itself": ("a: &a [*a]\n", "inside the value it refers to"),
    "deep lists": ("a: " + "[" * 100_000, "nested deeper|nesting depth"),
    "deep mappings": ("a: " + "{b: " * 50_000, "nested deeper|nesting depth"),
    "deep blocks": ("".join(" " * n + "a:\n" for n in range(500)), "nested deeper|nesting depth"),
    "a long number": ("a: " + "9" * 10_000, "a number of 10,000 characters"),
    "a long number of base 60": ("a: 1" + ":1" * 100_000, "a number of"),
    "a long fraction of base 60": ("a: 1" + ":1" * 100_000 + ".0", "a number of"),
    "too many values": ("a: [" + "x," * 101_000 + "]", "more than"),
    "too many bytes": ("#" * 3_000_000, "larger than"),
    "a tag": ("a: !!python/object/apply:os.system [id]\n", "tags are not allowed"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "duplicate key 'a'"),
    "a key twice as other types": ("1: 1\n0x1: 2\n", "duplicate key"),
    "two documents": ("a: 1\n---\nb: 2\n", "single document"),
    "half a surrogate": ('a: "\\ud800"\n', "invalid YAML"),
    "a zero byte": ("a: \0\n", "invalid YAML"),
    "a list": ("- a\n", "expected a mapping"),
    "nothing": ("", "expected a mapping"),
}


@pytest.mark.parametrize("loader", [yaml_files._Parser, yaml_files.yaml.SafeLoader], ids=["C", "Python"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_one_short_line(
    kind: str, loader: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, why = HOSTILE[kind]
    (file := tmp_path / "card.yaml").write_text(text)
    monkeypatch.setattr(yaml_files, "_Parser", loader)
    with pytest.raises(GoldievalError, match=why) as raised:
        read_yaml(file)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300 + len(str(file))


@pytest.mark.parametrize("read", [load_card, lambda file: load_recipe(str(file)), lambda file: load_spec(str(file))])
def test_every_reader_of_yaml_is_limited(read: object, tmp_path: Path) -> None:
    (file := tmp_path / "any.yaml").write_text(BOMB + "k: 1\nk: 2\n")
    with pytest.raises(GoldievalError, match="aliases expanded"):
        read(file)  # type: ignore[operator]


def test_many_keys_are_read_in_linear_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are counted, not seconds: comparing 30,000 keys pairwise would take 450 million."""
    (file := tmp_path / "card.yaml").write_text("".join(f"k{n}: 1\n" for n in range(30_000)))
    looked = 0

    class Counted(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return str.__eq__(self, other)

    monkeypatch.setattr(yaml_files._Loader, "construct_yaml_str", lambda self, node: Counted(node.value))
    monkeypatch.setitem(
        yaml_files._Loader.yaml_constructors, "tag:yaml.org,2002:str", yaml_files._Loader.construct_yaml_str
    )
    assert len(read_yaml(file)) == 30_000 and looked < 100_000


def test_a_mapping_may_use_aliases_merges_dates_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffa: &a {x: 1, y: [1, 2.5]}\nb: *a\nc: {<<: *a, z: 2024-02-30}\n"
    (file := tmp_path / "some.yaml").write_text(text, encoding="utf-8")
    about = {"x": 1, "y": [1, 2.5]}
    assert read_yaml(file) == {"a": about, "b": about, "c": about | {"z": "2024-02-30"}}


@pytest.mark.parametrize("loader", [yaml_files._Parser, yaml_files.yaml.SafeLoader], ids=["C", "Python"])
def test_a_key_is_a_word_even_if_yaml_reads_a_truth_value(
    loader: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source of captions has the keys ``true`` and ``false``, and a group of images may be called ``no``."""
    monkeypatch.setattr(yaml_files, "_Parser", loader)
    (file := tmp_path / "some.yaml").write_text("true: caption\nfalse: [a, b]\nnames: {no: norway}\nx: true\n")
    assert read_yaml(file) == {"true": "caption", "false": ["a", "b"], "names": {"no": "norway"}, "x": True}
    file.write_text("true: caption\n'true': other\n")
    with pytest.raises(GoldievalError, match="duplicate key 'true'"):
        read_yaml(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(file := tmp_path / "card.yaml")
    with pytest.raises(GoldievalError, match="not a regular file"):
        read_yaml(file)


def test_all_included_files_are_readable() -> None:
    assert Catalogue().tasks and Catalogue().suites


@pytest.mark.parametrize("key", ["k", "a_longer_key"])
def test_own_keys_take_precedence_over_merged_ones(key: str, tmp_path: Path) -> None:
    """Also if a mapping with a merge is itself merged before it is read; of several, the first takes precedence."""
    (tmp_path / "a.yaml").write_text(
        f"base: &c {{{key}: 0}}\nx: {{b: &b {{<<: *c, {key}: 1}}}}\na: {{<<: *b, z: 2}}\nd: {{<<: [*b, *c]}}\n"
    )
    read = read_yaml(tmp_path / "a.yaml")
    assert read["x"]["b"] == read["d"] == {key: 1} and read["a"] == {key: 1, "z": 2}
    (tmp_path / "a.yaml").write_text("a: {<<: [1]}")
    with pytest.raises(GoldievalError, match="must refer to mappings"):
        read_yaml(tmp_path / "a.yaml")
