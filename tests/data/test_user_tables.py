"""Tables and texts as users have them: encodings, missing values, labels, rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import one_line, png_bytes, tar
from training_samples import image_text_folder, tokenizer
from user_file_cases import imported, put, read, refused

from goldieval.engine.load import load_task_data
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.tasks.card import load_card

pytestmark = pytest.mark.usefixtures("here")


WORDS = ["a red square here", "a tall green tree", "an old man reads"]


# Texts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.json"])
def test_a_byte_order_mark_determines_the_encoding(name: str, encoding: str) -> None:
    rows = [{"image": f"img/{n}.png", "caption": f"étude {n}"} for n in range(3)]
    contents = {
        "c.csv": "image,caption\r" + "\r".join(",".join(row.values()) for row in rows),
        "c.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
        "c.json": json.dumps(rows, ensure_ascii=False),
    }
    put(name, contents[name].encode(encoding))
    assert [text.text for text in read("table", file=name, caption="caption").texts] == [
        "étude 0",
        "étude 1",
        "étude 2",
    ]


def test_text_that_is_not_unicode_is_refused_with_its_byte_and_line() -> None:
    put("c.csv", "image,caption\nimg/0.png,étude\n".encode("latin-1"))
    assert "c.csv: byte 25 (line 2) is not UTF-8" in refused("table", file="c.csv", caption="caption")
    put("classes.txt", "caf\xe9\n".encode("latin-1"))
    put("t.csv", "image,label\nimg/0.png,0\n")
    assert "classes.txt: byte 4" in refused("table", file="t.csv", label="label", classes="classes.txt")
    tar(Path("mine/test/0.tar"), {"a.png": png_bytes(), "a.txt": b"caf\xe9"})
    put("test/nshards.txt", "1")
    assert "sample a, .txt: byte 4" in refused("webdataset")


def test_a_lone_surrogate_is_refused_with_its_row() -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": "a \\ud83d face"}')
    assert "c.jsonl:1, column 'caption': character 3 is \\ud83d" in refused("table", file="c.jsonl", caption="caption")
    put("c.jsonl", '{"image": "img/\\ud83d.png", "caption": "x"}')
    assert "c.jsonl:1: 'image' names a file that is not Unicode" in refused("table", file="c.jsonl", caption="caption")
    corpus = JsonLines(image_text_folder(Path("train"), 2, r1='{"image": "x", "caption": "\\ud83d"}'), tokenizer())
    with pytest.raises(BadSampleError, match="surrogate"):
        corpus.sample(1)


# Missing values and labels


@pytest.mark.parametrize("value", ["null", "NaN", '"nan"', '""', '"  "', '"NULL"', '"None"', '["a", NaN]'])
def test_a_missing_caption_is_refused_by_a_card_and_left_out_by_import(value: str) -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": "fine"}\n{"image": "img/1.png", "caption": ' + value + "}")
    assert "c.jsonl:2: empty caption" in refused("table", file="c.jsonl", caption="caption")
    put("c.jsonl", Path("mine/c.jsonl").read_text() + '\n{"image": "img/2.png", "caption": "good"}')
    code, output = imported("--caption", "caption")
    assert code == 0 and "left out: " in output, output
    left = read("table", file="c.jsonl", caption="caption", uncaptioned="leave out")
    assert [text.text for text in left.texts] == ["fine", *(["a"] if "[" in value else []), "good"] and left.notes


@pytest.mark.parametrize("value", ["", "nan", "N/A", "NULL"])
def test_a_missing_label_is_refused(value: str) -> None:
    put("c.csv", f"image,label\nimg/0.png,cat\nimg/1.png,{value}\nimg/2.png,cat\n")
    assert "c.csv:3: empty label" in refused("table", file="c.csv", label="label")
    if value:
        assert read("table", file="c.csv", label="label", no_value=[]).class_names == sorted(["cat", value])


@pytest.mark.parametrize("labels", [("0.0", "1.0", "0.0"), ("0", "1", "0"), ("0", "1.0", "0")])
def test_class_numbers_require_names(labels: tuple[str, ...]) -> None:
    put("c.csv", "image,label\n" + "".join(f"img/{n}.png,{label}\n" for n, label in enumerate(labels)))
    code, output = imported("--label", "label")
    assert code == 2 and "class numbers (0, 1)" in output and "mine/classes.txt" in one_line(output)
    put("classes.txt", "cat\ndog\n")
    code, output = imported("--label", "label")
    assert code == 0, output
    dataset = load_card(Path("mine.yaml")).card.source.read(Path("mine"))
    assert dataset.class_names == ["cat", "dog"] and np.asarray(dataset.labels).tolist() == [0, 1, 0]


CSV: dict[str, tuple[str, str]] = {
    "semicolons": ("image;caption\nimg/0.png;one, two\n", "one, two"),
    "spaces in the header": (" image , caption\nimg/0.png,one\n", "one"),
    "a row of nothing": ("image,caption\nimg/0.png,one\n,\n\n", "one"),
    "windows' paths": ("image,caption\nimg\\0.png,one\n", "one"),
    "a long field": ("image,caption\nimg/0.png," + "a" * 200_000 + "\n", "a" * 200_000),
    "a number": ("image,caption\nimg/0.png,7\n", "7"),
}


# Tables


@pytest.mark.parametrize("name", CSV)
def test_tables_are_read(name: str) -> None:
    text, caption = CSV[name]
    put("c.csv", text)
    dataset = read("table", file="c.csv", caption="caption")
    assert [text.text for text in dataset.texts] == [caption] and dataset.images[0].source.open().size == (8, 8)


BAD_CSV: dict[str, tuple[str, str]] = {
    "no header": ("img/0.png,one\nimg/1.png,two\n", "names an image, not columns"),
    "a column twice": ("image,caption,caption\nimg/0.png,a,b\n", "two columns are named 'caption'"),
    "more values": ("image,caption\nimg/0.png,a,b\n", "c.csv:2: more values than columns"),
    "fewer values": ("image,caption\nimg/0.png\n", "c.csv:2: empty caption"),
    "an open quote": ('image,caption\nimg/0.png,"a\nimg/1.png,b\n', "c.csv:3: unexpected end of data"),
    "quotes within": ('image,caption\nimg/0.png,"a" b\n', "c.csv:2: "),
    "a zero byte": ('image,caption\n"img/\0.png",a\n', "zero byte"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_tables_are_refused_with_their_row(name: str) -> None:
    text, line = BAD_CSV[name]
    put("c.csv", text)
    assert line in refused("table", file="c.csv", caption="caption")


@pytest.mark.parametrize("value", ['{"a": 1}', "[[1]]", "true"])
def test_a_caption_that_is_not_text_is_refused(value: str) -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": ' + value + "}")
    assert "c.jsonl:1: column 'caption' should hold a text" in refused("table", file="c.jsonl", caption="caption")


def test_absolute_paths_below_the_folder_are_read() -> None:
    here = Path.cwd() / "mine"
    put("c.csv", "image,caption\n" + "".join(f"{here}/img/{n}.png,{WORDS[n]}\n" for n in range(3)))
    code, output = imported()
    assert code == 0, output
    task = load_card(Path("mine.yaml"))
    loaded = load_task_data(task, task.folder(Path()), None, 1)
    assert not loaded.unreadable and loaded.prepared.dataset.images[0].path == "img/0.png"


def test_a_caption_twice_for_one_image_counts_once_and_is_said() -> None:
    put("c.csv", "image,caption\nimg/0.png,one two three\nimg/0.png,one two three\nimg/1.png,four five six\n")
    dataset = read("table", file="c.csv", caption="caption")
    assert [text.text for text in dataset.texts] == ["one two three", "four five six"]
    assert dataset.notes == [
        "1 caption repeats another of its image and counts once (first: 'one two three' of img/0.png)"
    ]
    rows = [{"image": "img/0.png", "caption": ["a", "a ", "b"]}, {"image": "img/1.png", "caption": ["c"]}]
    put("c.jsonl", "\n".join(map(json.dumps, rows)))
    assert len(read("table", file="c.jsonl", caption="caption").texts) == 4
    once = read("table", file="c.jsonl", caption="caption", repeated="once")
    assert [text.id for text in once.texts] == ["img/0.png#0", "img/0.png#2", "img/1.png#0"] and once.notes


@pytest.mark.parametrize(("rule", "images"), [("leave out", 2), ("keep", 3)])
def test_images_without_a_caption_are_left_out_or_stay_in_the_gallery(rule: str, images: int) -> None:
    put("c.csv", "image,caption\nimg/0.png,one\nimg/0.png,\nimg/1.png,nan\nimg/2.png,two\n")
    assert "c.csv:3: empty caption" in refused("table", file="c.csv", caption="caption")
    dataset = read("table", file="c.csv", caption="caption", uncaptioned=rule)
    assert len(dataset.images) == images and [text.text for text in dataset.texts] == ["one", "two"]
    assert len(dataset.notes) == 2 and "1 rows without a caption" in dataset.notes[0]
    assert "1 image without a caption" in dataset.notes[1] and "img/1.png" in dataset.notes[1]


# Numbers as names, lists as text, rows that a quote swallows


@pytest.mark.parametrize("label", ["0", "0.0"])
def test_where_class_names_are_other_numbers_a_label_is_a_name(label: str) -> None:
    put("classes.txt", "1\n2\n3\n")
    put("c.csv", "image,label\nimg/0.png,1\nimg/1.png,3\nimg/2.png,2\n")
    assert np.asarray(read("table", file="c.csv", label="label", classes="classes.txt").labels).tolist() == [0, 2, 1]
    put("c.csv", f"image,label\nimg/0.png,1\nimg/1.png,{label}\n")
    assert "c.csv:3: label '0' is not a class name" in refused(
        "table", file="c.csv", label="label", classes="classes.txt"
    )
    put("c.jsonl", '{"image": "img/0.png", "label": 1}')
    assert "a class name or a class number" in refused("table", file="c.jsonl", label="label", classes="classes.txt")


def test_a_parquet_label_is_the_number_of_a_class_whatever_its_name() -> None:
    from datasets import ClassLabel, Features, Value
    from datasets import Dataset as Table

    features = Features({"image": Value("binary"), "label": ClassLabel(names=["1", "10", "2"])})
    Table.from_dict({"image": [png_bytes()] * 3, "label": [0, 1, 2]}, features=features).to_parquet("mine/x.parquet")
    assert np.asarray(read("parquet", label="label").labels).tolist() == [0, 1, 2]


def test_an_empty_line_in_a_class_list_is_refused() -> None:
    put("classes.txt", "cat\n\ndog\n\n")
    put("c.csv", "image,label\nimg/0.png,0\nimg/1.png,1\n")
    assert "classes.txt:2: an empty line" in refused("table", file="c.csv", label="label", classes="classes.txt")
    put("classes.txt", "cat\ndog\n\n")
    assert read("table", file="c.csv", label="label", classes="classes.txt").class_names == ["cat", "dog"]


@pytest.mark.parametrize("cell", ["['a red square', 'a box']", '[""a red square"", ""a box""]'])
def test_a_list_written_as_text_is_refused_as_a_caption(cell: str) -> None:
    put("c.csv", f'image,caption\nimg/0.png,"{cell}"\n')
    assert "c.csv:2: column 'caption' holds a list written as text" in refused("table", file="c.csv", caption="caption")


def test_rows_that_a_stray_quote_swallows_are_not_lost() -> None:
    put("c.tsv", 'image\tcaption\nimg/0.png\t"one two\nimg/1.png\tthree\nimg/2.png\tfour"\n')
    assert "c.tsv:4: the quote that ends here began 2 lines above" in refused("table", file="c.tsv", caption="caption")
    put("c.csv", 'image,caption\nimg/0.png,"one, two\nand three, four"\n')
    assert [text.text for text in read("table", file="c.csv", caption="caption").texts] == ["one, two\nand three, four"]


def test_utf16_without_a_mark_is_refused() -> None:
    put("img/0.txt", "a red square".encode("utf-16-le"))
    assert "0.txt: character 2 is a zero byte" in refused("sidecar", captions="img", images="img")
    put("c.csv", "image,caption\nimg/0.png,a\n".encode("utf-16-le"))
    assert "UTF-16 without a byte order mark" in refused("table", file="c.csv", caption="caption")


@pytest.mark.parametrize("text", ["nan", " NaN\n", "None"])
def test_a_text_file_with_a_missing_value_is_refused(text: str) -> None:
    put("img/0.txt", text)
    assert "0.txt is an empty caption" in refused("sidecar", captions="img", images="img")
    tar(Path("mine/test/0.tar"), {"a.png": png_bytes(), "a.txt": text.encode()})
    put("test/nshards.txt", "1")
    assert "sample a: empty caption in .txt" in refused("webdataset")


def test_compressed_and_missing_tars_are_reported() -> None:
    import gzip

    put("a.tar", gzip.compress(b"x" * 2000))
    Path("mine/test").mkdir()
    put("test/nshards.txt", "1")
    assert "0.tar does not exist" in refused("webdataset")
    Path("mine/a.tar").rename("mine/test/0.tar")
    assert "unpack it with gunzip" in refused("webdataset")
