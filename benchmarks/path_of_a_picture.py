"""What one picture and one caption pass through in ``run``: functions, files and rooms entered, and calls that go up a floor.

    uv run python benchmarks/path_of_a_picture.py [CHECKOUT]

A toy model without weights and a task of two pictures with a caption each (of one, nothing can be retrieved); every call of a function of goldieval is counted with
``sys.setprofile``, in all threads, after a first run has done the imports and filled no store. A call goes up where a function
of a lower floor enters one of a higher floor, as a callback or a method of an object that was handed down does. Floors are
those of the house test of the checkout; an older one, whose files lie loose, has every file as a room and no floors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from helpers import TOY_MODEL

HERE = Path(__file__).resolve().parents[1]
ROOMS = ("core", "metrics", "scoring", "data", "tasks", "models", "records", "families", "goldiclip", "engine", "comparison",
         "doctor", "report", "cli")  # fmt: skip
CARD = """
name: one
family: retrieval
version: 1
protocol: one picture and its caption
title: one
licence: none
source: {reader: table, path: ., file: one.jsonl, caption: text}
params: {k: [1]}
headline: t2i_r1
"""


class Counts:
    """Counts calls between functions of one checkout.

    Attributes:
        entered: calls by function, each as its file and qualified name.
        pairs: calls by calling and called function, those of other libraries between them left out.
    """

    def __init__(self, package: Path) -> None:
        self.root = f"{package}{os.sep}"
        self.entered: Counter[tuple[str, str]] = Counter()
        self.pairs: Counter[tuple[tuple[str, str], tuple[str, str]]] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not (called := self._name(frame.f_code)):
            return
        self.entered[called] += 1
        caller = frame.f_back
        while caller is not None and not (name := self._name(caller.f_code)):
            caller = caller.f_back
        if caller is not None:
            self.pairs[name, called] += 1

    def _name(self, code: CodeType) -> tuple[str, str] | None:
        name = getattr(code, "co_qualname", code.co_name)
        if not code.co_filename.startswith(self.root) or name.rpartition(".")[2].startswith("<"):
            return None  # not ours, or a comprehension, which is no function of its own
        return code.co_filename.removeprefix(self.root), name


def measure(checkout: Path, folder: Path) -> None:
    """Run once for the imports, once with counting, and print the counts."""
    import threading

    from PIL import Image

    from goldieval import evaluate

    adapter = "models.adapter" if (checkout / "goldieval/models/adapter.py").exists() else "adapter"
    (folder / "toy.py").write_text(TOY_MODEL.replace("models.adapter", adapter))
    (folder / "one.yaml").write_text(CARD)
    rows = [{"image": f"{colour}.png", "text": f"a {colour} square"} for colour in ("red", "blue")]
    (folder / "one.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(folder / f"{colour}.png")
    counts = Counts(checkout / "goldieval")
    for store, profile in (("first", None), ("second", counts)):
        os.environ["GOLDIEVAL_STORE"] = str(folder / store)
        threading.setprofile(profile)
        sys.setprofile(profile)
        (record,) = evaluate(f"{folder}/toy.py:load", f"{folder}/one.yaml", out=folder / store / "out", device="cpu")
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        if record.status != "ok":
            raise SystemExit(record.reason)
    report(counts)


def report(counts: Counts) -> None:
    files = {file for file, _ in counts.entered}
    rooms = {room(file) for file in files}
    print(f"functions  {len(counts.entered)}")
    print(f"names      {len({name.rpartition('.')[2] for _, name in counts.entered})}")
    print(f"files      {len(files)}")
    print(f"rooms      {len(rooms)}: {', '.join(sorted(rooms, key=floor))}")
    print(f"calls      {sum(counts.entered.values())}")
    print(f"between files {sum(count for (a, b), count in counts.pairs.items() if a[0] != b[0])}")
    up = {pair: count for pair, count in counts.pairs.items() if 0 <= floor(room(pair[0][0])) < floor(room(pair[1][0]))}
    print(f"calls up   {sum(up.values())}, between {len(up)} pairs of functions")
    for (caller, called), count in sorted(up.items(), key=lambda entry: -entry[1]):
        print(f"  {count:>4}  {caller[0]}:{caller[1]} -> {called[0]}:{called[1]}")


def room(file: str) -> str:
    """Return the folder of a file; a file that lies loose is a room of its own."""
    return file.partition(os.sep)[0]


def floor(name: str) -> int:
    return ROOMS.index(name) if name in ROOMS else -1


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, default=HERE, help="another revision; by default this one")
    checkout = parser.parse_args().checkout.resolve()
    if not (checkout / "goldieval").is_dir():
        parser.error(f"{checkout} is no checkout of goldieval")
    with tempfile.TemporaryDirectory() as folder:
        about = {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": folder, "GOLDIEVAL_MEASURE": folder}
        command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), str(checkout)]
        subprocess.run(command, check=True, env=os.environ | about, cwd=folder)


if __name__ == "__main__":
    if place := os.environ.get("GOLDIEVAL_MEASURE"):
        measure(Path(sys.argv[1]), Path(place))
    else:
        main()
