"""Whether two revisions give the same numbers: the same runs with both, compared field by field, bit by bit.

    uv run python benchmarks/same_numbers.py BEFORE [AFTER]

BEFORE and AFTER are folders with a checkout or git revisions; AFTER is this checkout by default. A revision is checked out
into a temporary folder. Both run with the Python and the libraries of this environment, on one core, on files that are made
once (``same_numbers_world.py``), through the command line (``same_numbers_runs.py``). About 3 CPU-minutes for the two sides.

Compared: hashes of all shipped cards; folders, names and bytes of the stored embeddings; names, keys, settings and every
field of the records; their outcomes, value by value; a small training's checkpoints and log; the numbers that show, compare,
ls and table print; and the digits in files below results/, in README.md and in docs/. The exit status is 1 if anything
differs but the fields of ``MAY_DIFFER``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors import safe_open
from same_numbers_runs import SCREENS
from same_numbers_world import make_world

HERE = Path(__file__).resolve().parents[1]
# Fields of a record (patterns of their paths) that hold no number of the evaluation, with the reason why they may differ.
MAY_DIFFER = {
    r"run\.started": "time of the run",
    r"run\.seconds\..*": "wall time",
    r"run\.command": "names the folder of the records",
    r"environment\.goldieval": "the version under test",
    r"sha256": "checksum of the record's file, with all of these fields in it",
    r"warnings\[\d+\]": "wording; their number is compared",
    r"reason": "wording; that there is one is compared",
    r"model\.(notice|checkpoint)": "wording; that there is one is compared",
    r"metrics\.[^.]+\.(unreliable|method)": "wording; that there is one is compared",
    r"truncation_note": "wording",
    r"outcomes\.sha256": "hash of a file whose columns are compared one by one",
    r"task\.(protocol|title|heading)": "wording",
    r"run\.card|model\.options": "new in 0.2, and names of files",
    r"files|metrics\.[^.]+\.(sample_error|seed_error|seed_scores)": "new in 0.2; None or empty but for dense probes and predictions",
}
# The same of the rows of a training's log.
LOG_MAY_DIFFER = r"\[\d+\]\.(seconds|.*seconds.*|.*per_second.*|.*memory.*|started|rate|learning_rate)"
# Columns of the outcomes that are new in 0.2; files of outcomes are compared by their columns, not by their hashes.
NEW_COLUMNS = {
    *(f"{name}_{part}" for name in ("right", "wrong") for part in ("id", "content", "score")), "strata", "predicted_map",
}  # fmt: skip
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default=str(HERE))
    parser.add_argument("--keep", help="Folder for all that is made; a temporary one by default.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same-numbers-") as scratch:
        root = Path(given.keep or scratch).resolve()
        make_world(root / "world")
        sides = {}
        for side, name in (("before", given.before), ("after", given.after)):
            checkout = checkout_of(name, root / f"checkout-{side}")
            run_side(checkout, root)
            (root / "out").rename(root / side)
            sides[side] = checkout
        faults = list(compare(root / "before", root / "after"))
        notes = list(digits(sides["before"], sides["after"]))
        for name in sides:
            drop_worktree(root / f"checkout-{name}")
    for fault in faults:
        print(f"DIFFERS {fault}")
    for line in notes:
        print(f"TEXT {line}")
    print(f"{len(faults)} differences in numbers; {len(notes)} files whose digits differ")
    return 1 if faults or any(line.startswith("results/") for line in notes) else 0


def checkout_of(name: str, target: Path) -> Path:
    """Return the folder of a checkout, or the revision checked out at ``target``."""
    if Path(name).is_dir():
        return Path(name).resolve()
    command = ["git", "-C", str(HERE), "worktree", "add", "--quiet", "--detach", str(target), name]
    subprocess.run(command, check=True)
    return target


def drop_worktree(folder: Path) -> None:
    if folder.exists():
        subprocess.run(["git", "-C", str(HERE), "worktree", "remove", "--force", str(folder)], check=True)


def run_side(checkout: Path, root: Path) -> None:
    """Run everything; both sides write to the same folder, so that paths in records are the same."""
    about = {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(root / "out/cache"), "OMP_NUM_THREADS": "1"}
    script = HERE / "benchmarks/same_numbers_runs.py"
    print(f"-- {checkout}", flush=True)
    command = [sys.executable, "-W", "ignore", str(script), str(root / "world"), str(root / "out")]
    subprocess.run(command, check=True, env=os.environ | about, cwd=root)


def compare(before: Path, after: Path) -> Iterator[str]:
    """Yield one line for each difference between what the two sides made."""
    yield from differing("card", read(before / "cards.json"), read(after / "cards.json"))
    for kind, pattern in (("record", "records/**/*.json"), ("outcomes", "records/**/*.parquet"),
                          ("picture", "records/**/*.png"), ("chunk", "cache/goldieval/embeddings/*/*.safetensors"),
                          ("trained", "training/**/*.*")):  # fmt: skip
        old, new = ({str(file.relative_to(side)): file for file in side.glob(pattern)} for side in (before, after))
        same = 0
        for name in sorted(old.keys() | new.keys()):
            if name not in old or name not in new:
                yield f"{kind} {name} is only {'after' if name in new else 'before'}"
                continue
            found = list(COMPARE[kind](old[name], new[name]))
            same += not found
            yield from (f"{kind} {name}: {line}" for line in found)
        print(f"{same} of {len(old)} files of the kind {kind!r} are the same")
    yield from differing_screens(read(before / "screens.json"), read(after / "screens.json"))


def differing(what: str, old: Any, new: Any, may: str = "$^") -> Iterator[str]:
    """Yield the paths at which two trees of JSON differ; what matches ``may`` has to be there in both, or in none."""
    left, right = dict(leaves(old)), dict(leaves(new))
    for path in sorted(left.keys() | right.keys()):
        a, b = left.get(path), right.get(path)
        if re.fullmatch(may, path):
            a, b = a != "", b != ""  # any number of seconds is one
        if path not in left or path not in right or type(a) is not type(b) or not (a == b or both_nan(a, b)):
            yield f"{what} {path}: {left.get(path, 'absent')!r} became {right.get(path, 'absent')!r}"


def both_nan(a: Any, b: Any) -> bool:
    return isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a tree of JSON with its path, as ``a.b[0]``; empty mappings and lists are leaves."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}".removeprefix("."))
    elif isinstance(tree, list) and tree:
        for place, value in enumerate(tree):
            yield from leaves(value, f"{path}[{place}]")
    else:
        yield path, tree


def same_record(old: Path, new: Path) -> Iterator[str]:
    yield from differing("", read(old), read(new), "|".join(MAY_DIFFER))


def same_outcomes(old: Path, new: Path) -> Iterator[str]:
    """Columns but for new ones, types and values; NaN equals NaN, and 0.0 is not -0.0."""
    a, b = pq.read_table(old), pq.read_table(new)
    b = b.drop_columns([name for name in b.column_names if name in NEW_COLUMNS and name not in a.column_names])
    if a.schema != b.schema:
        yield f"columns {a.schema.names} became {b.schema.names}, or types differ"
        return
    for name in a.column_names:
        left, right = a[name].to_numpy(), b[name].to_numpy()
        if left.dtype != object and left.tobytes() != right.tobytes():
            yield f"column {name}: {int((left != right).sum())} of {len(left)} values differ"
        if left.dtype == object and repr(left.tolist()) != repr(right.tolist()):
            yield f"column {name} differs"


def same_chunk(old: Path, new: Path) -> Iterator[str]:
    """Tensors and what stands beside them (keys, failures, checksum); safetensors writes these in any order."""
    with safe_open(str(old), "numpy") as a, safe_open(str(new), "numpy") as b:
        if a.metadata() != b.metadata():
            yield f"{a.metadata()} became {b.metadata()}"[:300]
    yield from same_tensors(old, new)


def same_tensors(old: Path, new: Path) -> Iterator[str]:
    with safe_open(str(old), "numpy") as a, safe_open(str(new), "numpy") as b:
        if sorted(a.keys()) != sorted(b.keys()):
            yield "other tensors"
            return
        for name in a.keys():  # noqa: SIM118
            left, right = a.get_tensor(name), b.get_tensor(name)
            if (left.dtype, left.shape, left.tobytes()) != (right.dtype, right.shape, right.tobytes()):
                yield f"tensor {name} differs"


def same_bytes(old: Path, new: Path) -> Iterator[str]:
    if old.read_bytes() != new.read_bytes():
        yield "other bytes"


def same_trained(old: Path, new: Path) -> Iterator[str]:
    """Tensors of a training's files bit by bit; its logs but for times and versions."""
    if old.suffix == ".safetensors":
        yield from same_tensors(old, new)
    elif "results" in old.parts:
        yield from COMPARE["record" if old.suffix == ".json" else "outcomes"](old, new)
    elif old.suffix == ".jsonl":
        rows = ([json.loads(line) for line in file.read_text().splitlines()] for file in (old, new))
        yield from differing("", *rows, LOG_MAY_DIFFER)


COMPARE = {
    "record": same_record,
    "outcomes": same_outcomes,
    "picture": same_bytes,
    "chunk": same_chunk,
    "trained": same_trained,
}


def differing_screens(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Exit codes of all commands, and the numbers, in their order, that the commands of ``SCREENS`` print."""
    for name in sorted(old.keys() | new.keys()):
        a, b = old[name], new[name]
        if a["code"] != b["code"]:
            yield f"exit code of {name}: {a['code']} became {b['code']} ({b['err'].strip()[-200:]})"
        if name in SCREENS and name != "show" and (line := first_difference(numbers(a["out"]), numbers(b["out"]))):
            yield f"numbers printed by {name}: {line}"


def numbers(text: str) -> list[str]:
    """Return the numbers in a text, without dates, times and durations, which differ from run to run."""
    text = re.sub(r'\d{4}-\d\d-\d\d(T[\d:.+]+)?|"(seconds|started|command)": [^\n]*', "", text)
    return NUMBER.findall(text)


def first_difference(old: list[str], new: list[str]) -> str:
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            return f"{' '.join(old[a:b])[:80]!r} became {' '.join(new[c:d])[:80]!r}"
    return ""


def digits(before: Path, after: Path) -> Iterator[str]:
    """Yield a line for every file below results/ and docs/, and README.md, whose numbers differ."""
    for pattern in ("results/*/*.*", "README.md", "docs/*.md"):
        old, new = ({str(file.relative_to(side)): file for file in tracked(side, pattern)} for side in (before, after))
        for name in sorted(old.keys() | new.keys()):
            if name not in old or name not in new:
                yield f"{name} is only {'after' if name in new else 'before'}"
            elif line := first_difference(*(NUMBER.findall(files[name].read_text()) for files in (old, new))):
                yield f"{name}: {line}"


def tracked(side: Path, pattern: str) -> Iterator[Path]:
    listed = subprocess.run(["git", "-C", str(side), "ls-files", pattern], check=True, capture_output=True, text=True)
    yield from (side / name for name in listed.stdout.split() if Path(name).suffix in (".md", ".csv", ".json", ".yaml"))


def read(file: Path) -> Any:
    return json.loads(file.read_text())


if __name__ == "__main__":
    sys.exit(main())
