"""Kill goldieval at random times, restart it until it finishes, and compare with an uninterrupted run.

    uv run python benchmarks/storm.py --kills 50 --seed 0 --what run,train,get,record

Real processes and SIGKILL; they are forked from a server that has imported torch once, so that kills hit the work and
not the start of Python. Exits with status 1 if anything was lost, differs, or is left behind.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
LOADED = [
    "goldieval.engine.run",
    "goldieval.report.console",
    "goldieval.report.training_evaluation",
    "goldieval.goldiclip.trainer",
]
REPOSITORY = Path(__file__).parents[1]
ONLY_HERE = {"command", "started", "seconds", "encoded", "reused"}  # of a record's ``run``: no two runs share them
WRITES = 20  # of a record
MOST_TRIES_IN_A_ROW = 12  # then a try is left alone, so that a storm ends
RECIPE = """
name: storm
title: a storm
model: {image_size: 32, vision_width: 32, vision_layers: 1, vision_heads: 2, merges: 300, text_width: 32,
        text_layers: 1, text_heads: 2, embed_dim: 32}
data: {scenes: 200, captions: 1}
objectives: {softmax: 1.0}
optimiser: {steps: 60, batch_size: 16, warm_up: 4}
evaluation: {}
save_every: 5
keep: 1
"""


@dataclass
class Outcome:
    """The result for one command.

    Attributes:
        what: name of the command.
        tries: number of starts.
        kills: number of kills that hit a running process.
        lost: finished work that was missing afterwards.
        different: results that differ from those of the uninterrupted run.
        left: temporary files that were left behind.
    """

    what: str
    tries: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not (self.lost or self.different or self.left)


@dataclass(frozen=True)
class Scene:
    """One command: how it is started in a folder, its finished work, and its final results.

    ``again`` is appended to the command after the first start that needs it.
    """

    command: Callable[[Path], list[str]]
    finished: Callable[[Path], dict[str, str]]
    result: Callable[[Path], dict[str, str]]
    again: Callable[[Path], list[str]] = lambda root: []
    around: Callable[[Path], Any] = nullcontext


def start(scene: Scene, root: Path) -> ForkServerProcess:
    environment = {
        "GOLDIEVAL_STORE": str(root / "store"),
        "GOLDIEVAL_DATA": str(root / "data"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "TMPDIR": str(root / "tmp"),
        "OMP_NUM_THREADS": "1",
        "no_proxy": "127.0.0.1",
    }
    for name in ("data", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    arguments = [*scene.command(root), *scene.again(root)]
    process = CONTEXT.Process(target=_command, args=(arguments, environment, root))
    process.start()
    return process


def _command(arguments: list[str], environment: dict[str, str], root: Path) -> None:
    """Run the program in a separate process."""
    stream = os.open(root / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(environment)
    if arguments[0] == "record":
        _write_records(Path(arguments[1]), int(arguments[2]))
        return
    from goldieval.cli import main

    sys.argv = ["goldieval", *arguments]
    main()


def _write_records(out: Path, times: int) -> None:
    """Write two records over each other alternately."""
    import numpy as np

    from goldieval.records.schema import Record
    from goldieval.records.writing import write_record

    record = Record.model_validate_json((out.parent / "record.json").read_text())
    for turn in range(times):
        write_record(out, record, {"rank": np.full(5_000, turn % 2), "query": np.arange(5_000)})


def undisturbed(scene: Scene, root: Path) -> float:
    """Run a command to its end; return its seconds, without the start of the server."""
    server = CONTEXT.Process(target=time.sleep, args=(0,))
    server.start()
    server.join()
    begin = time.monotonic()
    process = start(scene, root)
    process.join()
    if process.exitcode != 0:
        sys.exit(f"the undisturbed run failed:\n{(root / 'log.txt').read_text()[-2000:]}")
    return time.monotonic() - begin


def storm(what: str, scene: Scene, kills: int, chance: random.Random, folder: Path) -> Outcome:
    """Run a command until the number of kills is reached; after each completion it is compared and restarted."""
    outcome = Outcome(what)
    with scene.around(folder):
        usual = undisturbed(scene, folder / "whole")
        expected = scene.result(folder / "whole")
        number = 0
        while outcome.kills < kills:
            number += 1
            root = folder / f"try-{number}"
            begin = time.monotonic()
            if _until_it_ends(scene, root, usual, kills, chance, outcome) == 1:
                usual = min(usual, time.monotonic() - begin)
            found = scene.result(root)
            names = sorted(expected.keys() | found.keys())
            outcome.different += [f"{root.name}/{name}" for name in names if expected.get(name) != found.get(name)]
            outcome.left += leftovers(root)
    return outcome


def _until_it_ends(scene: Scene, root: Path, usual: float, kills: int, chance: random.Random, outcome: Outcome) -> int:
    """Start a command until it completes; return the number of starts."""
    known: dict[str, str] = {}
    code, row = -9, 0
    while code != 0:
        process = start(scene, root)
        outcome.tries, row = outcome.tries + 1, row + 1
        spared = outcome.kills >= kills or row % MOST_TRIES_IN_A_ROW == 0
        process.join(None if spared else chance.uniform(0, 1.1 * usual))
        if process.is_alive():
            process.kill()
            process.join()
            outcome.kills += process.exitcode == -9
        code = process.exitcode or 0
        now = scene.finished(root)
        outcome.lost += [f"{root.name}/{name}" for name, state in known.items() if now.get(name) != state]
        known = now
        if code not in (0, -9):
            sys.exit(f"{outcome.what} failed with {code}:\n{(root / 'log.txt').read_text()[-2000:]}")
    return row


def leftovers(root: Path) -> list[str]:
    """Return temporary files that remain after a command has ended."""
    endings = (".goldieval-tmp", ".part", ".part.json", ".fetching", ".tmp")
    return [str(path.relative_to(root.parent)) for path in root.rglob("*") if path.name.endswith(endings)]


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def records(folder: Path) -> dict[str, str]:
    """Return the records of a folder by name, without fields that differ between runs, each with its outcomes."""
    from goldieval.records.files import find_records, read_outcomes, read_record

    found = {}
    for file in find_records(folder) if folder.is_dir() else []:
        record = read_record(file)
        outcomes = {name: column.tolist() for name, column in read_outcomes(file, record).items()}
        content = record.model_dump(mode="json", exclude={"run": ONLY_HERE, "environment": True, "sha256": True})
        found[str(file.relative_to(folder))] = json.dumps([content, outcomes], sort_keys=True)
    return found


def embeddings(store: Path) -> dict[str, str]:
    """Return the bytes of every stored chunk."""
    from safetensors.numpy import load

    return {
        str(file.relative_to(store)): hashlib.sha256(load(file.read_bytes())["embeddings"].tobytes()).hexdigest()
        for file in store.rglob("*.safetensors")
    }


def weights(run: Path) -> dict[str, str]:
    """Return the bytes of the weights of every resumable checkpoint, and the log without speeds."""
    from safetensors.torch import load_file

    from goldieval.goldiclip.checkpoint_folder import checkpoints
    from goldieval.goldiclip.manifest import check_file

    found = {}
    for folder in checkpoints(run):
        check_file(folder / "state.pt")
        for file in (folder / "model.safetensors", folder / "teacher.safetensors"):
            check_file(file)
            parts = sorted(load_file(file).items())
            total = hashlib.sha256(b"".join(name.encode() + part.numpy().tobytes() for name, part in parts))
            found[f"{folder.name}/{file.name}"] = total.hexdigest()
    return found


MEASURED = ("rate", "waited", "memory")  # which no two runs share


def log_lines(run: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {f"log {row['step']}": json.dumps({key: row[key] for key in row if key not in MEASURED}) for row in rows}


def newest(run: Path) -> dict[str, str]:
    """Return whether there is a complete checkpoint; older ones may be deleted, but one must remain."""
    return {"a checkpoint": "whole"} if weights(run) else {}


RUN = Scene(
    lambda root: [
        *("run", "--model", "goldiclip", "--device", "cpu", "--workers", "1"),
        *("--tasks", "shapes-retrieval,shapes-zeroshot", "--limit", "300", "--out", str(root / "out")),
    ],
    lambda root: records(root / "out"),
    lambda root: records(root / "out") | embeddings(root / "store"),
)


def _recipe(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "storm.yaml").write_text(RECIPE)
    return root / "storm.yaml"


TRAIN = Scene(
    lambda root: ["train", str(_recipe(root)), "--out", str(root / "run")],
    lambda root: newest(root / "run"),
    lambda root: weights(root / "run") | log_lines(root / "run"),
    again=lambda root: ["--resume"] if list((root / "run").glob("step-*/state.pt")) else [],
)


def _record(root: Path) -> Path:
    """Store the record to be written, once for all starts."""
    sys.path.insert(0, str(REPOSITORY / "tests/support"))
    from synthetic_records import made

    file = root / "record.json"
    if not file.exists():
        file.write_text(made("shapes-retrieval").model_dump_json())
    return file


def _whole_records(out: Path) -> dict[str, str]:
    """Return whether each record has its own outcomes, those of one of the two that are written alternately."""
    return {name: "whole" for name, content in records(out).items() if content}


RECORD = Scene(
    lambda root: ["record", str(_record(root).parent / "out"), str(WRITES)],
    lambda root: _whole_records(root / "out"),
    lambda root: records(root / "out"),
)


@contextmanager
def _served(folder: Path) -> Iterator[None]:
    """A web server with an archive of images and another file, about 20 MB, and the card that refers to them."""
    sys.path.insert(0, str(REPOSITORY / "tests/support"))
    from helpers import content
    from hub_server import Server, serving

    chance = random.Random(7)
    with serving(
        Server(files={"pictures.zip": _pictures(chance), "beside.bin": chance.randbytes(10_000_000)})
    ) as server:
        urls = [
            {"url": f"{server.url}/web/pictures.zip", "unpack": True},
            {"url": f"{server.url}/web/beside.bin", "to": "."},
        ]
        source = {"path": "", "id": "storm", "folder_name": "pictures", "urls": urls}
        about = content("folder", expect={"images": 80, "classes": 2}, source=source)
        (folder / "storm.yaml").write_text(json.dumps(about))
        yield


def _pictures(chance: random.Random) -> bytes:
    import io
    import zipfile

    from PIL import Image

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(80):
            picture = io.BytesIO()
            Image.frombytes("RGB", (200, 200), chance.randbytes(120_000)).save(picture, "PNG")
            archive.writestr(f"pictures/{'cat' if number % 2 else 'dog'}/{number}.png", picture.getvalue())
    return stream.getvalue()


def _fetched(root: Path) -> dict[str, str]:
    folder = root / "data" / "storm"
    files = [*folder.rglob("*.bin"), *folder.rglob("*.png")]
    return {str(file.relative_to(folder)): digest(file) for file in files}


GET = Scene(
    lambda root: [
        *("data", "get", str(root.parent / "storm.yaml"), "--yes"),
        *("--data-dir", str(root / "data")),
    ],
    _fetched,
    _fetched,
    around=_served,
)

SCENES = {"run": RUN, "train": TRAIN, "get": GET, "record": RECORD}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="kills for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", default=",".join(SCENES), help="commands, separated by commas")
    asked = parser.parse_args(arguments)
    CONTEXT.set_forkserver_preload([*LOADED, "goldieval.cli", "pyarrow.parquet", "pandas"])
    chance, outcomes = random.Random(asked.seed), []
    print(f"{'command':8} {'tries':>6} {'kills':>6} {'lost':>6} {'different':>10} {'left over':>10}")
    for what in asked.what.split(","):
        with tempfile.TemporaryDirectory(prefix="storm-") as folder:
            outcome = storm(what, SCENES[what], asked.kills, chance, Path(folder))
        outcomes.append(outcome)
        counts = (len(outcome.lost), len(outcome.different), len(outcome.left))
        row = f"{what:8} {outcome.tries:>6} {outcome.kills:>6} {counts[0]:>6} {counts[1]:>10} {counts[2]:>10}"
        print(row, *[*outcome.lost, *outcome.different, *outcome.left][:10], sep="\n  ", flush=True)
    return 0 if all(outcome.well for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
