"""Image-text folders and shards: every form that a caption, a question or a picture may have arrives as it should."""

from __future__ import annotations

import io
import json
import re
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import one_line, tar
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from training_samples import image_text_folder, jpeg, recipe, recipe_showing, row, shard, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data import shard_index
from goldieval.goldiclip.data import shards as shards_module
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import BadSampleError, Sample
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.normalisation import MEAN, STD
from goldieval.goldiclip.data.order import BlockShuffle
from goldieval.goldiclip.data.pictures import CropBoxes, crop_pictures, decoded, square
from goldieval.goldiclip.data.shard_names import shards_of
from goldieval.goldiclip.data.shards import Shards

REAL = Path(__file__).resolve().parents[3] / "shared/data/coco_mini"
PAGE = Path(__file__).resolve().parents[2] / "docs/training-data.md"


def said(sample: Sample) -> list[str]:
    return [tokenizer().decode(ids).strip() for ids in sample.sentences]


def asked(sample: Sample) -> list[tuple[str, ...]]:
    return [tuple(tokenizer().decode(ids).strip() for ids in pair) for pair in sample.questions]


def one_row(folder: Path, fields: tuple[str, ...] = (), **entry: Any) -> Sample:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jpg").write_bytes(jpeg())
    (folder / "a.jsonl").write_text(json.dumps({"image": "a.jpg", **entry}))
    return JsonLines(folder / "a.jsonl", tokenizer(), fields).sample(0)


# What is said


@pytest.mark.parametrize(
    ("entry", "sentences"),
    [
        ({"caption": "A dog. It runs.\nFast</s>end"}, ["a dog", "it runs", "fast", "end"]),
        ({"captions": ["A dog.", "One. Two."]}, ["a dog", "one", "two"]),
        ({"caption": "x", "captions": ["y"]}, ["x", "y"]),
        ({"raw_caption": "x", "longLLA_captions": ["a", "", "b."], "shortIB_captions": None}, ["x", "a", "b"]),
        ({"longSV_captions": "l. m.", "shortSV_captions": "s", "raw_caption": "r"}, ["r", "s", "l", "m"]),
    ],
)
def test_captions_of_every_form(entry: dict[str, Any], sentences: list[str], tmp_path: Path) -> None:
    sample = one_row(tmp_path, **entry)
    assert said(sample) == sentences and sample.bad == [] and asked(sample) == []


def test_fields_choose_the_captions(tmp_path: Path) -> None:
    assert said(one_row(tmp_path, ("mine",), mine="a", caption="b")) == ["a"]
    with pytest.raises(BadSampleError) as failure:
        one_row(tmp_path, ("mine",), caption="b")
    assert failure.value.bad.kind == "no caption" and "image, caption" in failure.value.bad.what


def test_questions_of_every_form(tmp_path: Path) -> None:
    pairs = [("how many?", 3), ("what?", " a dog "), ("", "x"), ("what?", "  "), ("what?", None), ("what?", True)]
    vqa = [{"question": question, "answer": answer} for question, answer in pairs]
    sample = one_row(tmp_path, caption="x", vqa=[*vqa, "text"])
    assert asked(sample) == [("how many ?", "3"), ("what ?", "a dog")]
    assert [(bad.kind, bad.what) for bad in sample.bad] == [
        ("empty question", "pair 3 of vqa"),
        ("empty answer", "pair 4 of vqa"),
        ("empty answer", "pair 5 of vqa"),
        ("empty answer", "pair 6 of vqa"),
        ("empty question", "pair 7 of vqa"),
    ]
    for foreign in ({"question": "a", "answer": "b"}, "text", 3):
        (bad,) = one_row(tmp_path, caption="x", vqa=foreign).bad
        assert bad.kind == "vqa that is not a list" and str(tmp_path / "a.jsonl:1") == bad.where
    assert one_row(tmp_path, caption="x", vqa=None).bad == []


def test_foils_of_every_form(tmp_path: Path) -> None:
    sample = one_row(tmp_path, caption="x", foils=[["a b", "b a"], ["a"], "text", ["a", " "], ["a", "b", "c"]])
    texts = [[tokenizer().decode(ids).strip() for ids in choice] for choice in sample.foils]
    assert texts == [["a b", "b a"], ["a", "b", "c"]]
    assert [(bad.kind, bad.what[:6]) for bad in sample.bad] == [
        ("foils that are not captions", f"list {number}") for number in (2, 3, 4)
    ]
    assert one_row(tmp_path, caption="x", foils="text").bad[0].kind == "foils that are not captions"
    assert list(one_row(tmp_path, caption="x").foils) == []


# JSON Lines


def test_rows_are_found_again_whatever_is_between_them(tmp_path: Path) -> None:
    image_text_folder(tmp_path, 5)
    file = tmp_path / "train.jsonl"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n\r\n".join(lines[:3]) + b"\n  \n" + b"\n".join(lines[3:]))  # no newline at the end
    corpus = JsonLines(file, tokenizer())
    assert len(corpus) == 5
    for number in (4, 0, 2, 3, 1):
        sample = corpus.sample(number)
        assert said(sample)[0] == f"thing {number} is {row(number)['vqa'][0]['answer']}"
        assert np.array_equal(np.asarray(sample.picture), np.asarray(Image.open(io.BytesIO(jpeg(number)))))
    assert sorted(corpus.order(0)) == list(range(5))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError) as failure:
        JsonLines(tmp_path / "no.jsonl", tokenizer())
    assert "no.jsonl" in one_line(str(failure.value)) and "No such file" in str(failure.value)


# Shards


def test_keys_pair_pictures_with_json_in_any_order(tmp_path: Path) -> None:
    members = {
        "b.json": json.dumps({"caption": "b"}).encode(),
        "a.webp": jpeg(1, format="WEBP"),
        "./sub/c.PNG": jpeg(2, format="PNG"),
        "b.jpeg": jpeg(3),
        "sub/c.json": json.dumps({"caption": "c"}).encode(),
        "a.json": json.dumps({"caption": "a"}).encode(),
        "a.txt": b"ignored",
        "README.md": b"ignored",
    }
    tar(tmp_path / "x.tar", members)
    corpus = Shards(str(tmp_path), tokenizer())
    found = {said(corpus.sample(place))[0]: corpus.sample(place).picture for place in range(len(corpus))}
    assert sorted(found) == ["a", "b", "c"]
    assert np.array_equal(np.asarray(found["c"]), np.asarray(Image.open(io.BytesIO(jpeg(2, format="PNG")))))
    assert np.array_equal(np.asarray(found["b"]), np.asarray(Image.open(io.BytesIO(jpeg(3)))))


def test_rows_run_through_all_shards(tmp_path: Path) -> None:
    corpus = Shards(str(shards(tmp_path, [2, 0, 3, 1])), tokenizer())
    assert len(corpus) == 6
    assert [said(corpus.sample(place))[0].split()[1] for place in range(6)] == list("012345")


@pytest.mark.parametrize("block", [1, 8, 1000])
def test_an_epoch_visits_all_rows_in_blocks_of_shards(block: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shards_module, "BlockShuffle", partial(BlockShuffle, block=block))
    corpus = Shards(str(shards(tmp_path, [4] * 6)), tokenizer())
    first, again, other = ([*corpus.order(seed)] for seed in (0, 0, 1))
    assert first == again != other and sorted(first) == list(range(24)) != first
    size = {1: 4, 8: 8, 1000: 24}[block]
    for start in range(0, 24, size):
        assert len({place // 4 for place in first[start : start + size]}) == size // 4


def test_many_shards_are_indexed_in_several_processes(tmp_path: Path, monkeypatch: Any) -> None:
    folder = str(shards(tmp_path, [1, 2, 1, 0, 2, 1, 1, 1]))
    alone = Shards(folder, tokenizer())
    shard_index.file_of(folder).unlink()
    monkeypatch.setattr(shard_index, "SHARDS_PER_PROCESS", 1)
    monkeypatch.setattr(shard_index, "cores", lambda: 2)
    monkeypatch.setattr(shard_index, "NOTE_EVERY_S", -1.0)
    notes: list[str] = []
    together = Shards(folder, tokenizer(), (), notes.append)
    assert np.array_equal(alone._index.rows, together._index.rows) and alone._index.counts == together._index.counts
    assert notes[-1].startswith("reading shard headers: 8 of 8;")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["a0.tar", "a1.tar", "a10.tar", "b1.tar"]),
        ("a{0..1}.tar", ["a0.tar", "a1.tar"]),
        ("{b,a}1.tar", ["b1.tar", "a1.tar"]),
        ("{a,b}{1..1}.tar", ["a1.tar", "b1.tar"]),
        ("a*.tar", ["a0.tar", "a1.tar", "a10.tar"]),
        ("{a1.tar,a*.tar}", ["a1.tar", "a0.tar", "a10.tar"]),
        ("a1.tar", ["a1.tar"]),
        ("{a{0,10},b1}.tar", ["a0.tar", "a10.tar", "b1.tar"]),
        ("a{10..0..-10}.tar", ["a10.tar", "a0.tar"]),
        ("{a..b}1.tar", ["a1.tar", "b1.tar"]),
    ],
)
def test_patterns_name_shards(pattern: str, names: list[str], tmp_path: Path) -> None:
    for name in ("a0", "a1", "a10", "b1"):
        tar(tmp_path / f"{name}.tar", {})
    assert [shard.name for shard in shards_of(str(tmp_path / pattern))] == names


def test_numbers_in_patterns_keep_their_zeros(tmp_path: Path) -> None:
    for name in ("008", "009", "010"):
        tar(tmp_path / f"{name}.tar", {})
    assert [shard.name for shard in shards_of(str(tmp_path / "{008..010}.tar"))] == ["008.tar", "009.tar", "010.tar"]


def test_absent_and_damaged_shards_are_one_line(tmp_path: Path) -> None:
    def says(path: Path) -> str:
        with pytest.raises(GoldievalError) as failure:
            Shards(str(path), tokenizer())
        return one_line(str(failure.value))

    (tmp_path / "empty").mkdir()
    assert "holds no *.tar" in says(tmp_path / "empty")
    whole = shard(tmp_path / "s/0.tar", {"a": {"jpg": jpeg(), "json": row(0)}})
    assert "no shard" in says(tmp_path / "s/{1..2}.tar") and "1.tar" in says(tmp_path / "s/{1..2}.tar")
    whole.write_bytes(whole.read_bytes()[:1500])
    assert "0.tar" in says(tmp_path / "s") and "end-of-archive" in says(tmp_path / "s")
    whole.write_bytes(b"text")
    assert "not a readable tar" in says(tmp_path / "s")
    with tarfile.open(whole, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.json"), io.BytesIO())
    assert "a.json twice" in says(tmp_path / "s")


# Pictures


def ramp(width: int, height: int) -> Image.Image:
    """Red says the column and green the row, two steps a pixel."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([2 * x, 2 * y, 0 * x], axis=-1).astype(np.uint8))


def coordinates(pixels: torch.Tensor) -> np.ndarray:
    """Undo the normalisation: (3, side, side) to the columns and rows that a ramp shows, (2, side, side)."""
    return ((pixels * STD + MEAN) * 255 / 2)[:2].numpy()


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (60, 60)])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_cuts_of_any_picture_are_square_and_where_they_should_be(size: tuple[int, int], place: float) -> None:
    box = torch.tensor([[0.25, 0.5, 0.75, 1.0]])
    cut = crop_pictures([ramp(*size)], CropBoxes(torch.tensor([place]), box, [box, box]), 20, 12)
    assert cut.whole().shape == cut.first().shape == (1, 3, 20, 20) and cut.local().shape == (1, 2, 3, 12, 12)
    left, top, side = square(*size, place)
    assert side == 60 and (left, top) == ((size[0] - 60) * place, (size[1] - 60) * place)
    shown = ((cut.whole()[0], (0, 0, 1, 1)), (cut.first()[0], box[0]), (cut.local()[0, 1], box[0]))
    for pixels, (x0, y0, x1, y1) in shown:
        count = pixels.shape[-1]
        steps = (np.arange(count) + 0.5) / count
        columns = left + 60 * (float(x0) + float(x1 - x0) * steps) - 0.5
        rows = top + 60 * (float(y0) + float(y1 - y0) * steps) - 0.5
        inner = slice(2, -2)  # at the picture's edge a bicubic kernel leans inwards
        np.testing.assert_allclose(coordinates(pixels)[0, 5, inner], columns[inner], atol=0.8)
        np.testing.assert_allclose(coordinates(pixels)[1, inner, 5], rows[inner], atol=0.8)


def test_shrunk_pictures_are_antialiased() -> None:
    board = Image.fromarray(((np.indices((256, 256)).sum(0) % 2) * 255).astype(np.uint8)).convert("RGB")
    everything = torch.tensor([[0.0, 0, 1, 1]])
    cut = crop_pictures([board], CropBoxes(torch.zeros(1), everything, []), 16, 8)
    assert float(cut.whole().std(dim=(2, 3)).max()) < 0.05 and cut.local().shape[:2] == (1, 0)


def test_the_teacher_sees_a_square_picture_as_evaluation_does() -> None:
    picture = Image.open(io.BytesIO(jpeg(3, (50, 50))))
    ours = crop_pictures([picture], CropBoxes(torch.tensor([0.3]), torch.tensor([[0.0, 0, 1, 1]]), []), 32, 8)
    theirs = image_transform_v2(PreprocessCfg(size=32), is_train=False)(picture)
    torch.testing.assert_close(ours.whole()[0], theirs, atol=1e-5, rtol=0)
    assert torch.equal(ours.whole(), ours.first())


def test_pictures_are_not_turned_as_in_evaluation() -> None:
    """Neither clip-benchmark nor open_clip applies EXIF orientation, so training does not either."""
    stored = Image.new("RGB", (20, 10), "red")
    stored.paste("blue", (0, 0, 10, 10))  # stored left
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # says: turn a quarter clockwise
    stored.save(stream, "PNG", exif=exif)
    picture = decoded("here", stream.getvalue())
    assert (picture.size, picture.getpixel((2, 5)), picture.getpixel((17, 5))) == ((20, 10), (0, 0, 255), (255, 0, 0))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_pictures_of_every_mode_become_rgb(mode: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (9, 7)).save(stream, "TIFF" if mode == "CMYK" else "PNG")
    assert (decoded("here", stream.getvalue()).mode, decoded("here", stream.getvalue()).size) == ("RGB", (9, 7))


@pytest.mark.skipif(not REAL.is_dir(), reason="real pictures lie beside the project, and are absent here")
def test_real_pictures_at_the_papers_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From JSON Lines as it came and from a shard: 224 px globals, 96 px locals; the same batch."""
    rows = [json.loads(line) for line in (REAL / "captions_val2017.jsonl").read_text().splitlines()[:8]]
    samples = {
        f"{number:04d}": {"jpg": (REAL / own["file"]).read_bytes(), "json": {"captions": own["captions"]}}
        for number, own in enumerate(rows)
    }
    shard(tmp_path / "0.tar", samples)
    (tmp_path / "pictures").symlink_to(REAL / "images")
    monkeypatch.setenv("GOLDIEVAL_FOLDERS", str(REAL))
    lines = [{"image": own["file"].replace("images", "pictures", 1), "captions": own["captions"]} for own in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    chosen = recipe_showing(image_size=224, captions=8, locals=2, local_size=96)
    made = [
        Batches(corpus, tokenizer(), chosen).at(0)
        for corpus in (Shards(str(tmp_path), tokenizer()), JsonLines(tmp_path / "a.jsonl", tokenizer()))
    ]
    for batch in made:
        assert batch.images.first().shape == batch.images.whole().shape == (4, 3, 224, 224)
        assert batch.images.local().shape == (4, 2, 3, 96, 96)
        assert batch.captions.ids.shape[:2] == (4, 8) and batch.captions.ids.shape[2] <= 77 and not batch.has_questions
        assert batch.bad == [] and 0.3 < float(batch.images.whole().std()) < 2


# Recipes and the page


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"source": "jsonl", "path": ""}, "source jsonl needs a path"),
        ({"source": "shards", "path": ""}, "source shards needs a path"),
        ({"source": "shapes", "path": "x"}, "path and fields need source jsonl"),
        ({"source": "jsonl", "scenes": 100}, "scenes needs source shapes"),
        ({"source": "jsonl", "first_scene": 100}, "first_scene needs source shapes"),
        ({"workers": -1}, "workers"),
        ({"source": "video"}, "source"),
    ],
)
def test_wrong_sources_are_refused(data: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        recipe("x", data=data)
    recipe("x", data={"fields": ["a"], "workers": 2})


def test_recipes_survive_being_written_and_read() -> None:
    chosen = recipe("x", data={"fields": ["a"]})
    assert type(chosen).model_validate(chosen.model_dump()) == chosen


def test_the_pages_examples_are_read_as_it_says(tmp_path: Path) -> None:
    shard_json, line = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shard(tmp_path / "0.tar", {"000000": {"jpg": jpeg(), "json": json.loads(shard_json)}})
    sample = Shards(str(tmp_path), tokenizer()).sample(0)
    assert len(said(sample)) == 11 and len(asked(sample)) == 2 and sample.bad == []
    assert len([name for name in json.loads(shard_json) if "caption" in name]) == 7
    entry = json.loads(line)
    (tmp_path / entry["image"]).parent.mkdir()
    (tmp_path / entry["image"]).write_bytes(jpeg())
    (tmp_path / "a.jsonl").write_text(line)
    sample = JsonLines(tmp_path / "a.jsonl", tokenizer()).sample(0)
    assert len(said(sample)) == 3 and len(asked(sample)) == 1 and sample.bad == []


def test_several_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a/0", "a/1", "b/x/0"):
        tar(tmp_path / f"{name}.tar", {})
    found = shards_of(f"{tmp_path}/a/{{1..0}}.tar::{tmp_path}/b/*/*.tar::{tmp_path}/a")
    assert [shard.relative_to(tmp_path).as_posix() for shard in found] == ["a/1.tar", "a/0.tar", "b/x/0.tar"]


@pytest.mark.parametrize(("path", "says"), [("b", "b/*/*.tar"), ("**/*.tar", "** is not known"), ("b::c", "no *.tar")])
def test_folders_within_folders_are_named_level_by_level(path: str, says: str, tmp_path: Path) -> None:
    tar(tmp_path / "b/x/0.tar", {})
    with pytest.raises(GoldievalError, match=re.escape(says)):
        shards_of(str(tmp_path / path))
