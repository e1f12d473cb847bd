"""Several processes and one results folder or store, on file systems whose locks are refused, ignored, or hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import card, class_folders, toy_model
from synthetic_records import made

from goldieval.core.files import atomic_write_all
from goldieval.records.files import read_outcomes, read_record
from goldieval.records.results import load_results
from goldieval.records.writing import write_record

SUPPORT = Path(__file__).parents[1] / "support"
LOCKS = {
    "refused": "raise OSError(37, 'No locks available')",
    "ignored": "return None",
    "hanging": "import time; time.sleep(600)",
}
SITE = """
import fcntl, os, platform
def flock(*arguments):
    {}
fcntl.flock = flock
platform.node = lambda: f"machine {{os.getpid()}}"  # each process is on a machine of its own
"""
WRITER = """
import sys
from pathlib import Path
import numpy as np
from synthetic_records import made
from goldieval.core import locks
from goldieval.records.writing import write_record
locks.ANSWER_S = 0.5
value = int(sys.argv[2])
for turn in range(8):
    write_record(Path(sys.argv[1]), made("shapes-retrieval", value=value / 10), {"rank": np.full(2000, value)},
                 {"a.png": bytes([value])})
"""


def without_locks(folder: Path, kind: str) -> dict[str, str]:
    """Return the environment of a process whose lock function behaves in one way."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(LOCKS[kind]))
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(folder), str(SUPPORT)])}


def check(file: Path) -> int:
    """Return the value in a record, which must be that in its outcomes and pictures."""
    record = read_record(file)
    (rank,) = set(read_outcomes(file, record)["rank"].tolist())
    (picture,) = [(file.parent / name).read_bytes() for name in record.pictures]
    assert record.headline is not None and round(10 * record.headline.value) == rank == picture[0]
    return int(rank)


@pytest.mark.parametrize("kind", LOCKS)
def test_several_writers_of_one_record(kind: str, tmp_path: Path) -> None:
    """At every moment there is one whole record with its own outcomes."""
    environment, out = without_locks(tmp_path / "site", kind), tmp_path / "out"
    values = (1, 2, 3)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(out), str(value)], env=environment, stderr=subprocess.PIPE)
        for value in values
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen |= {check(file) for file in out.rglob("*.json")}
    said = [writer.communicate()[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], said
    (file,) = out.rglob("*.json")
    assert check(file) in values and seen <= set(values)
    assert all(("did not answer" in line) == (kind == "hanging") for line in said)
    assert not [left for left in out.rglob(".*") if left.is_file()]


def test_two_writers_that_both_believe_to_be_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looks, finds nothing, and is then overtaken by the first with all its files."""
    theirs: list[Path] = []

    def written(value: int) -> Path:
        outcomes = {"rank": np.full(3, value)}
        return write_record(tmp_path, made("shapes-retrieval", value=value / 10), outcomes, {"a": bytes([value])})

    def overtaken(*arguments: object, **options: object) -> None:
        if not theirs:
            theirs.append(Path())
            theirs.append(written(1))
        atomic_write_all(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("goldieval.records.writing.atomic_write_all", overtaken)
    monkeypatch.setattr("goldieval.core.locks._flock", lambda descriptor: True)
    file = written(2)
    assert theirs[1] == file and check(file) == 2
    assert len(list(file.parent.glob("*.parquet"))) == 2  # a reader may still have the other record


def test_two_runs_share_a_store_and_a_folder_without_locks(tmp_path: Path, store: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2})
    tasks, model = str(card(tmp_path)), toy_model(tmp_path)
    environment = without_locks(tmp_path / "site", "ignored")
    command = [sys.executable, "-m", "goldieval", "run", "--model", model, "--tasks", tasks, "--device", "cpu"]
    runs = [
        subprocess.Popen([*command, "--out", str(tmp_path / "out")], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [run.communicate()[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    (record,) = load_results(tmp_path / "out")
    assert record.status == "ok" and list(store.rglob("*.safetensors"))
