"""Tiny data in the formats of the readers of choices: contrast, crossed and statements."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from helpers import json_lines, picture, png_bytes

from goldieval.data.contrast import ContrastSource
from goldieval.data.picture_rows import filled

Item = dict[str, Any]
EDGES = (1.0, 1.0, 4.0, 4.0)


def contrast(folder: Path, source: Item, strata: Sequence[str]) -> dict[str, int]:
    """Write one or two items about two images into each file, in the layout that the source's keys describe."""
    read, total = ContrastSource.model_validate({**source, "path": "."}), 0
    if not source["files"][0].endswith(".parquet"):
        for key in range(2):
            name = filled(read.picture, str(key))
            picture(folder / read.images / (name if "." in name else f"{name}.png"), key)
    for number, name in enumerate(source["files"]):
        count = 60 if read.group else 1 + number % 2 if len(read.files) > 1 else 2  # 30 of each group
        values = [*strata] if read.stratum else [""] * count
        items = [_item(read, name, key, value) for key, value in enumerate(values)]
        total += len(items)
        items += [_below(read, items[0])] if read.at_least else []
        _write(folder / read.annotations / name.replace("*", "00000-of-00001"), read, items)
    return {"texts": len(read._captions) * total}


def _item(read: ContrastSource, name: str, key: int, stratum: str) -> Item:
    item: Item = {}
    in_table = {"bytes": png_bytes(key % 2), "path": None}
    as_file = key % 2 if read.picture != "{}" else f"{'/elsewhere/' if read.base_name else read.prefix}{key % 2}.png"
    put(item, read.image, in_table if name.endswith(".parquet") else as_file)
    for place, caption in enumerate(read._captions):
        put(item, caption, f"{place} {key} {name}")
    for edge, value in zip(read.box, EDGES, strict=False):
        put(item, edge, value)
    more = {read.answer: key, read.stratum: stratum, read.group: ["left of", "right of"][key % 2], **read.at_least}
    for path, value in more.items():
        if path:
            put(item, path, value)
    return item


def _below(read: ContrastSource, item: Item) -> Item:
    """Return an item that is left out."""
    copy: Item = json.loads(json.dumps(item))
    for path, least in read.at_least.items():
        put(copy, path, least - 1)
    return copy


def put(item: Item, path: str, value: Any) -> None:
    """Set a value at a path such as ``bbox.x`` or ``caption_options.1``, whose numbers come in order."""
    first, _, rest = path.partition(".")
    if rest.isdecimal():
        item.setdefault(first, []).append(value)
    elif rest:
        put(item.setdefault(first, {}), rest, value)
    else:
        item[first] = value


def _write(file: Path, read: ContrastSource, items: list[Item]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(items), file)
    elif file.suffix == ".csv":
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, list(items[0]))
            writer.writeheader()
            writer.writerows(items)
    elif read.image.isdecimal():
        file.write_text(json.dumps([[item[str(place)] for place in range(len(item))] for item in items]))
    else:
        file.write_text(json.dumps({str(key): item for key, item in enumerate(items)}))


def crossed(folder: Path, source: Item, strata: Sequence[str]) -> dict[str, int]:
    """Write three examples, or one for each stratum, in the layout that the source's keys describe."""
    pair, captions = source.get("pair", ["image_0", "image_1"]), source.get("captions", ["caption_0", "caption_1"])
    in_table, rows = source["file"].endswith(".parquet"), []
    for n in range(len(strata) or 3):
        row: Item = {"id": n} if source.get("example", "id") else {}
        for side, (image, caption) in enumerate(zip(pair, captions, strict=True)):
            name = f"ex_{n}_{side}"
            whole = source.get("prefix", "") + (name if "picture" in source else f"{name}.png")
            row[image] = {"bytes": png_bytes(2 * n + side), "path": None} if in_table else whole
            row[caption] = f"{'ab'[side]} to {'ba'[side]} {n}"
            if not in_table:
                picture(folder / source["images"] / f"{name}.png", 2 * n + side)
        parts = strata[n].split("_") if strata else []
        rows.append(row | dict(zip(source.get("strata", []), parts, strict=True)))
    file = folder / source["file"].replace("*", "00000-of-00001")
    file.parent.mkdir(parents=True, exist_ok=True)
    if in_table:
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif file.suffix == ".json":
        file.write_text(json.dumps([[row[str(place)] for place in range(4)] for row in rows]))
    else:
        json_lines(file, rows)
    return {"images": 2 * len(rows), "texts": 2 * len(rows)}


def statements(folder: Path, source: Item, strata: Sequence[str]) -> dict[str, int]:
    """Write two pairs of rows, with other names of the columns than the card's."""
    source["picture"] = source["picture"].replace(".jpg", ".png")
    rows = [[n + 1, f"Kind {n // 2}", f"a bus {n // 2} on its {'left' if n % 2 else 'right'}"] for n in range(4)]
    for number, (id, kind, _) in enumerate(rows):
        picture(folder / source["images"] / str(kind) / f"{id}.png", number)
    with (folder / source["file"]).open("w", newline="") as out:
        csv.writer(out).writerows([["Question ID", "Type", "Statement"], *rows])
    return {"images": 4, "texts": 4}
