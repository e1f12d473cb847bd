"""The grammar of model specs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.models.spec import expand, parse_spec

GOOD = [
    ("random", "random", "", ""),
    ("random:3", "random", "3", ""),
    ("goldiclip@a/b.safetensors", "goldiclip", "", "a/b.safetensors"),
    ("open_clip:ViT-B-32", "open_clip", "ViT-B-32", ""),
    ("open_clip:ViT-B-32/openai", "open_clip", "ViT-B-32/openai", ""),
    ("open_clip:ViT-B-32@runs/e.pt", "open_clip", "ViT-B-32", "runs/e.pt"),
    ("open_clip:ViT-B-32@C:/runs/e.pt", "open_clip", "ViT-B-32", "C:/runs/e.pt"),
    ("open_clip:A@x@y", "open_clip", "A", "x@y"),
    ("open_clip:A@a@b/epoch.pt", "open_clip", "A", "a@b/epoch.pt"),
    ("open_clip:A@run 1@x/epoch 2.pt#ema", "open_clip", "A", "run 1@x/epoch 2.pt#ema"),
    ("goldiclip@a@b/step-1", "goldiclip", "", "a@b/step-1"),
    ("hf:org/name@rev", "hf", "org/name", "rev"),
    ("hf:org/name:variant", "hf", "org/name:variant", ""),
    ("embeddings:/data/flickr", "embeddings", "/data/flickr", ""),
    ("embeddings:../flickr", "embeddings", "../flickr", ""),
    ("./mine.py:load", "file", "load", "./mine.py"),
    ("../mine.py:load", "file", "load", "../mine.py"),
    ("/abs/mine.py:load", "file", "load", "/abs/mine.py"),
    ("./a:b@c/mine.py:load", "file", "load", "./a:b@c/mine.py"),
]

BAD = [
    "",
    ":",
    "@",
    ":ViT-B-32",
    "@runs/e.pt",
    "open_clip:",
    "open_clip@",
    "open_clip:@runs/e.pt",
    "open_clip:ViT-B-32@",
    " random",
    "random ",
    "my model",
    "open_clip: ",
    "open_clip:ViT-B-32@ ",
    "open_clip/ViT-B-32",
    ".",
    "./mine.py",
    "./mine.py:",
    "./mine.py:two words",
    "/abs/epoch_1.pt",
    "/abs/folder:load",
]


@pytest.mark.parametrize(("text", "family", "name", "where"), GOOD)
def test_spec_splits_at_the_first_colon_and_the_next_at(text: str, family: str, name: str, where: str) -> None:
    spec = parse_spec(text)
    assert (spec.text, spec.family, spec.name, spec.where) == (text, family, name, where)


@pytest.mark.parametrize("text", BAD)
def test_bad_spec_is_one_line_that_shows_the_grammar(text: str) -> None:
    with pytest.raises(GoldievalError) as caught:
        parse_spec(text)
    line = str(caught.value)
    assert "\n" not in line and repr(text) in line and ("FAMILY[:NAME]" in line or "FILE.py:FUNCTION" in line)


OPTIONS = [
    ("random::size=64", "random", "", "", {"size": "64"}),
    ("open_clip:A/openai::quickgelu=yes", "open_clip", "A/openai", "", {"quickgelu": "yes"}),
    ("open_clip:A@e.pt#ema::size=384::mean=0.5,0.4", "open_clip", "A", "e.pt#ema", {"size": "384", "mean": "0.5,0.4"}),
    ("hf:org/name@rev::tokenizer=a b/c@d:e=f+g,h", "hf", "org/name", "rev", {"tokenizer": "a b/c@d:e=f+g,h"}),
    ("open_clip:A@run 1@x/lr=1,wd=2+y/e:3.pt::size=9", "open_clip", "A", "run 1@x/lr=1,wd=2+y/e:3.pt", {"size": "9"}),
    ("embeddings:/data/a:b::x=1", "embeddings", "/data/a:b", "", {"x": "1"}),
    ("./a:b@c/mine.py:load::layer=12", "file", "load", "./a:b@c/mine.py", {"layer": "12"}),
    ("open_clip:A@C:/runs/e.pt::size=9", "open_clip", "A", "C:/runs/e.pt", {"size": "9"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "family", "name", "where", "options"), OPTIONS)
def test_options_follow_all_other_parts(text: str, family: str, name: str, where: str, options: dict[str, str]) -> None:
    spec = parse_spec(text)
    assert (spec.text, spec.family, spec.name, spec.where, spec.options) == (text, family, name, where, options)
    assert hash(spec) == hash(parse_spec(text)) and expand(spec) == [spec]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("random::size=", "option size has no value"),
        ("random::size= ::mean=0", "option size has no value"),
        ("random::size=1::size=1", "option size is given twice"),
        ("open_clip:A@e.pt::size", "'::size' is not an option. Write ::NAME=VALUE"),
        ("open_clip:A::size384", "'::size384' is not an option"),
        ("open_clip:A@e.pt::=3", "'::=3' is not an option"),
        ("::size=3", "FAMILY"),
        ("open_clip:::size=3", "nothing after"),
    ],
)
def test_a_wrong_option_is_one_line(text: str, line: str) -> None:
    with pytest.raises(GoldievalError) as caught:
        parse_spec(text)
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("shell", ["bash", "sh", "zsh", "dash", "fish"])
def test_options_survive_a_shell_without_quotes(tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    text = "open_clip:ViT-B-16@run/epoch_32.pt#ema::size=336x224::mean=0.5,0.4,0.3::tokenizer=~/tok.json::quickgelu=yes"
    ran = subprocess.run([shell, "-c", f"printf %s {text}"], capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout == text


def test_a_file_whose_name_looks_like_options_is_that_file(tmp_path: Path) -> None:
    folder = tmp_path / "a::size=1"
    folder.mkdir()
    for file in (folder / "e1.pt", folder / "e2.pt", tmp_path / "f.pt::size=2"):
        file.touch()
    assert parse_spec(f"open_clip:A@{folder}/e1.pt").options == {}
    assert parse_spec(f"open_clip:A@{tmp_path}/f.pt::size=2").where == f"{tmp_path}/f.pt::size=2"
    assert parse_spec(f"embeddings:{folder}").name == str(folder)
    spec = parse_spec(f"open_clip:A@{folder}/e1.pt#ema::size=3")
    assert (spec.where, spec.options) == (f"{folder}/e1.pt#ema", {"size": "3"})
    found = expand(parse_spec(f"open_clip:A@{folder}/e*.pt::size=3::context=9"))
    assert [each.where for each in found] == [f"{folder}/e1.pt", f"{folder}/e2.pt"]
    assert [parse_spec(each.text) for each in found] == found and found[0].options == {"size": "3", "context": "9"}


def test_glob_expands_in_natural_order_and_each_text_is_a_spec_of_its_own(tmp_path: Path) -> None:
    for epoch in (10, 9, 1, 100):
        (tmp_path / f"epoch_{epoch}.pt").touch()
    found = expand(parse_spec(f"open_clip:ViT-B-32@{tmp_path}/epoch_*.pt"))
    assert [Path(spec.where).name for spec in found] == [f"epoch_{n}.pt" for n in (1, 9, 10, 100)]
    assert [parse_spec(spec.text) for spec in found] == found


def test_glob_may_cross_folders(tmp_path: Path) -> None:
    for run in ("a/checkpoints", "b"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "last.pt").touch()
    found = expand(parse_spec(f"goldiclip@{tmp_path}/**/last.pt"))
    assert [os.path.relpath(spec.where, tmp_path) for spec in found] == ["a/checkpoints/last.pt", "b/last.pt"]


def test_glob_without_a_match_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError, match=r"no file matches .*epoch_\*\.pt"):
        expand(parse_spec(f"open_clip:ViT-B-32@{tmp_path}/epoch_*.pt"))


@pytest.mark.parametrize("text", ["random", "open_clip:ViT-B-32/openai", "hf:org/name@main", "./a[1].py:load"])
def test_spec_without_a_glob_is_unchanged(text: str) -> None:
    assert expand(parse_spec(text)) == [parse_spec(text)]


def test_existing_file_with_brackets_in_its_name_is_that_file(tmp_path: Path) -> None:
    file = tmp_path / "run[1].pt"
    file.touch()
    assert [spec.where for spec in expand(parse_spec(f"goldiclip@{file}"))] == [str(file)]
    (found,) = expand(parse_spec(f"goldiclip@{tmp_path}/*.pt"))
    assert expand(found) == [found]


def test_an_existing_folder_is_a_name_including_its_at(tmp_path: Path) -> None:
    (tmp_path / "a@b").mkdir()
    spec = parse_spec(f"embeddings:{tmp_path}/a@b")
    assert (spec.name, spec.where) == (f"{tmp_path}/a@b", "")


def test_glob_in_a_folder_with_brackets_and_ats_keeps_the_part_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]@x"
    folder.mkdir()
    for epoch in (2, 10):
        (folder / f"e{epoch}.pt").touch()
    found = expand(parse_spec(f"open_clip:A@{folder}/e*.pt#ema"))
    assert [spec.where for spec in found] == [f"{folder}/e2.pt#ema", f"{folder}/e10.pt#ema"]
    assert [parse_spec(spec.text) for spec in found] == found
