"""Groups of images: from the metadata of web datasets, from columns of tables, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines, picture, png_bytes, tar
from reader_cases import images, parquet, read, refused

from goldieval.core.errors import TaskError
from goldieval.data.item_values import stratum_name
from goldieval.data.samples import Dataset
from goldieval.data.subset import keep_images, limited

pytestmark = pytest.mark.usefixtures("cache")
REGIONS = {"key": "npy.0", "names": ["asia", "europe"]}


def npy(*numbers: Any, dtype: Any = np.int64) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(numbers, dtype=dtype))
    return stream.getvalue()


def shards(folder: Path, metadata: list[bytes], ending: str = "npy", names: str = "dog\ncat\n") -> Path:
    members: dict[str, bytes] = {}
    for row, data in enumerate(metadata):
        members |= {f"s{row}.png": png_bytes(row), f"s{row}.cls": str(row % 2).encode(), f"s{row}.{ending}": data}
    tar(folder / "test" / "0.tar", members)
    (folder / "test" / "nshards.txt").write_text("1")
    (folder / "classnames.txt").write_text(names)
    return folder


def groups_of(dataset: Dataset) -> list[str]:
    return ["+".join(name for name, mask in dataset.strata.items() if mask[row]) for row in range(len(dataset.images))]


def test_numbers_of_npy_name_groups_and_are_crossed(tmp_path: Path) -> None:
    folder = shards(tmp_path, [npy(0, 1, 9), npy(1, 0, 9), npy(1, 1, 9)])
    assert groups_of(read(folder, "webdataset", groups=[REGIONS])) == ["asia", "europe", "europe"]
    crossed = read(folder, "webdataset", groups=[REGIONS, {"key": "npy.1", "names": ["m", "f"]}])
    assert groups_of(crossed) == ["asia_f", "europe_m", "europe_f"] and list(crossed.strata) == sorted(crossed.strata)
    assert groups_of(read(folder, "webdataset", groups=["npy.1"])) == ["1", "0", "1"]
    assert not read(folder, "webdataset").strata


def test_keys_of_json_name_groups_and_a_mapping_renames_them(tmp_path: Path) -> None:
    metadata = [json.dumps({"where": {"region": value}}).encode() for value in ("South-East Asia", "Ελλάδα")]
    folder = shards(tmp_path, metadata, "json")
    assert "which is no name of a group" in refused(folder, "webdataset", groups=["where.region"])
    names = {"Ελλάδα": "greece", "South-East Asia": "south_east_asia"}
    groups = [{"key": "where.region", "names": names}]
    assert groups_of(read(folder, "webdataset", groups=groups)) == ["south_east_asia", "greece"]


def test_names_that_lose_letters_are_refused_since_two_groups_would_become_one() -> None:
    for text in ("Ä1", "日本", " - "):
        with pytest.raises(TaskError, match="is no name of a group"):
            stratum_name("row 3", {"kind": text}, "kind")


def test_columns_of_tables_and_parquet_name_groups(tmp_path: Path) -> None:
    rows = [
        {"image": f"{row}.png", "label": "ab"[row % 2], "region": ["East Asia", "Africa"][row // 2]} for row in range(4)
    ]
    for row in range(4):
        picture(tmp_path / f"{row}.png", row)
    json_lines(tmp_path / "t.jsonl", rows)
    expected = ["east_asia", "east_asia", "africa", "africa"]
    table = read(tmp_path, "table", file="t.jsonl", label="label", groups=["region"])
    assert groups_of(table) == expected
    parquet(
        tmp_path / "p.parquet",
        {"image": images(*range(4)), "label": [0, 1, 0, 1], "region": [row["region"] for row in rows]},
    )
    assert groups_of(read(tmp_path, "parquet", label="label", groups=["region"])) == expected
    captions = read(tmp_path, "table", file="t.jsonl", caption="label", groups=["region"])
    assert captions.strata["africa"].tolist() == [False, False, True, True], (
        "a group of captions is that of their image"
    )
    for kept in (keep_images(table, np.array([True, False, False, True])), limited(table, 2)):
        assert groups_of(kept) == [expected[int(image.id.removesuffix(".png"))] for image in kept.images]


def test_rows_of_one_image_are_of_one_group(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    json_lines(tmp_path / "t.jsonl", [{"image": "a.png", "caption": f"c {row}", "region": row} for row in range(2)])
    line = refused(tmp_path, "table", file="t.jsonl", caption="caption", groups=["region"])
    assert line.endswith("t.jsonl:2: image 'a.png' is of group '1', in an earlier row of '0'.")


@pytest.mark.parametrize(
    ("metadata", "line"),
    {
        "unnamed": (npy(5), "sample s0: npy.0 is '5', but source.groups names only 0, 1."),
        "too short": (npy(), "sample s0: its .npy holds 0 numbers, none at position 0."),
        "no numbers": (b"hello", "sample s0, .npy is not a .npy file of numbers. Fetch it again."),
        "a fraction": (npy(0.5, dtype=float), "sample s0, .npy should hold whole numbers."),
        "not a number": (npy(np.nan, dtype=float), "sample s0, .npy should hold whole numbers."),
        "a table": (npy([0, 1]), "numbers in a row, but holds int64 of shape (1, 2)."),
        "objects": (npy({}, dtype=object), "but holds object of shape (1,)."),
        "absurd": (npy(1).replace(b"(1,), ", b"(9**9,)"), "is not a .npy file of numbers"),
        "more than there is": (npy(1, 2, 3).replace(b"(3,)", b"(8,)"), "but holds int64 of shape (8,)."),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_metadata_are_one_line(tmp_path: Path, metadata: str, line: tuple[bytes, str]) -> None:
    assert line[1] in refused(shards(tmp_path, [line[0]]), "webdataset", groups=[REGIONS])


def test_a_sample_without_metadata_is_named(tmp_path: Path) -> None:
    line = refused(shards(tmp_path, [b"{}"], "json"), "webdataset", groups=[REGIONS])
    assert line.endswith("sample s0 has no .npy file.")
    assert "no column 'region'" in refused(tmp_path, "webdataset", groups=["region"])


def test_one_of_several_questions_is_taken_with_its_labels_and_prompts(tmp_path: Path) -> None:
    names = "age:young\nage:old\ngender:man\ngender:woman\ngender:neither\n"
    folder = shards(tmp_path, [npy(1, 2), npy(0, 1)], names=names)
    (folder / "prompts.txt").write_text("age:{c} face\ngender:a {c}: a photo\n")
    found = read(folder, "webdataset", label="npy.1", objective="gender", templates="prompts.txt")
    assert found.class_names == ["man", "woman", "neither"] and found.labels is not None
    assert found.labels.tolist() == [2, 1] and found.prompts == ["a {c}: a photo"]
    line = refused(folder, "webdataset", objective="race")
    assert line.endswith("classnames.txt: no line begins with 'race:'; source.objective is 'race'.")
    assert "gone.txt" in refused(folder, "webdataset", templates="gone.txt")


def test_an_empty_class_name_needs_to_be_asked_for(tmp_path: Path) -> None:
    """CLEVR's distances have one: the line must neither vanish nor pass unnoticed in other data."""
    folder = shards(tmp_path, [npy(0), npy(1)], names="near\n\nfar\n")
    assert "an empty line among the class names" in refused(folder, "webdataset")
    assert read(folder, "webdataset", unnamed=True).class_names == ["near", "", "far"]
