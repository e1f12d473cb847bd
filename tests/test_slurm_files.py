"""The batch files of ``docs/examples/slurm``, run with stand-ins for Slurm's commands and for the launchers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import retrieval_embeddings

from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.tasks.catalogue import Catalogue

FOLDER = Path(__file__).parents[1] / "docs/examples/slurm"
FILES = sorted(FOLDER.glob("*.sbatch"))
WARNED_SHELLS = ["accelerate", "four-nodes-torchrun", "one-node", "train-torchrun"]  # not the processes
STEPS = ["array", "four-nodes", "train"]
TRAININGS = ["train", "train-torchrun"]

# Records its name and arguments, and runs what it is asked to; ``$ENDS`` is the exit code of the innermost launcher.
SHIM = f"""#!{sys.executable}
import json, os, signal, subprocess, sys, time
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
variables = {{key: value for key, value in os.environ.items() if key.startswith(("SLURM_", "SRUN_", "GOLDIEVAL_"))}}
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([name, arguments, variables]) + "\\n")
if name == "scontrol":
    print("\\n".join(["gpu-07", "gpu-08"]) if arguments[:2] == ["show", "hostnames"] else "")
    raise SystemExit
command = arguments[next((n for n, each in enumerate(arguments) if not each.startswith("-")), len(arguments)):]
if name == "srun":
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    raise SystemExit(child.wait())
if os.environ.get("WAITS"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    time.sleep(600)
raise SystemExit(int(os.environ.get("ENDS", "0")))
"""


class Job(NamedTuple):
    """A job: what its environment is, and where its commands are recorded."""

    folder: Path
    environment: dict[str, str]

    def start(self, file: str, **variables: str) -> subprocess.Popen[bytes]:
        command = ["bash", str(FOLDER / f"{file}.sbatch")]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment | variables, start_new_session=True)

    def run(self, file: str, **variables: str) -> int:
        return self.start(file, **variables).wait(300)

    @property
    def calls(self) -> list[tuple[str, list[str], dict[str, str]]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def requeued(self) -> list[list[str]]:
        return [arguments for name, arguments, _ in self.calls if name == "scontrol" and arguments[0] == "requeue"]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of Slurm on machines with eight GPUs, without Slurm."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("srun", "scontrol", "torchrun", "accelerate", "goldieval"):
        (commands / name).write_text(SHIM)
        (commands / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "GOLDIEVAL_"))}
    slurm = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "gpu-[07-08]",
        "SLURM_NNODES": "2",
        "SLURM_GPUS_ON_NODE": "8",
        "SLURM_CPUS_PER_TASK": "16",
        "SLURM_SUBMIT_DIR": str(tmp_path / "a folder"),
    }
    paths = {"PATH": f"{commands}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "HOME": str(tmp_path)}
    return Job(tmp_path, kept | slurm | paths)


def options(command: list[str]) -> dict[str, Any]:
    """Return the options of ``goldieval run`` in the arguments of a launcher."""
    given = command[command.index("run") + 1 :]
    return dict(zip(given[::2], given[1::2], strict=True))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_batch_file_is_valid_and_can_be_queued_again(file: Path) -> None:
    assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0
    text = file.read_text()
    assert text.startswith("#!/bin/bash\n") and "#SBATCH --requeue\n" in text and "#SBATCH --signal=" in text
    if file.stem in TRAININGS:
        assert load_recipe(text.split("RECIPE:-")[1].split("}")[0]).optimiser.steps
    else:
        Catalogue().select(text.split("TASKS:-")[1].split("}")[0].split(","))
    assert ("--signal=B:" in text) == (file.stem in WARNED_SHELLS) and {*WARNED_SHELLS, *STEPS} >= {file.stem}


@pytest.mark.parametrize("file", [file.stem for file in FILES if file.stem not in TRAININGS])
def test_a_run_that_ends_well_is_not_queued_again(file: str, job: Job) -> None:
    """Every variable is set, and paths with spaces remain one argument."""
    assert job.run(file, MODEL="open_clip:ViT-B-16@/c c/*.pt", TASKS="cifar10") == 0
    name, arguments, variables = job.calls[-1]
    found = options(arguments)
    assert found["--model"] == "open_clip:ViT-B-16@/c c/*.pt" and found["--tasks"] == "cifar10"
    assert found["--out"] == f"{job.folder}/a folder/results" and not job.requeued
    assert variables["GOLDIEVAL_STORE"] == f"{job.folder}/a folder/store" and variables["GOLDIEVAL_DATA"]
    if name == "torchrun":
        assert "--nproc-per-node=8" in arguments and arguments[arguments.index("-m") + 1] == "goldieval"
    if file == "four-nodes-torchrun":
        assert {"--nnodes=2", "--rdzv-endpoint=gpu-07:24711", "--rdzv-id=4711"} <= set(arguments)
    if "srun" in {name for name, _, _ in job.calls}:
        assert variables["SRUN_CPUS_PER_TASK"] == "16"


@pytest.mark.parametrize("file", TRAININGS)
def test_a_training_that_is_queued_again_runs_the_same_command(file: str, job: Job) -> None:
    """Every variable is set, and paths with spaces remain one argument."""
    assert job.run(file, RECIPE="clip-b16", DATA="/c c/{00..99}.tar") == 0 and not job.requeued
    name, arguments, variables = job.calls[-1]
    own = arguments[arguments.index("train") + 1 :]
    out = f"{job.folder}/a folder/runs/clip-b16"
    assert own == ["clip-b16", "--out", out, "--resume", "auto", "--set", "data.path=/c c/{00..99}.tar"]
    assert variables["GOLDIEVAL_DATA"]
    if name == "torchrun":
        assert "--nproc-per-node=8" in arguments and arguments[arguments.index("-m") + 1] == "goldieval"


@pytest.mark.parametrize("file", STEPS)
def test_exit_code_75_queues_the_job_again_and_no_other_does(file: str, job: Job) -> None:
    assert job.run(file, ENDS="1") == 1 and not job.requeued
    assert job.run(file, ENDS="75") == 75 and job.requeued == [["requeue", "4711"]]


@pytest.mark.parametrize("file", WARNED_SHELLS)
def test_a_warned_shell_stops_the_run_and_queues_the_job_again(file: str, job: Job) -> None:
    assert job.run(file, ENDS="1") == 1 and not job.requeued
    shell = job.start(file, WAITS="yes")
    end, before = time.monotonic() + 60, len(job.calls)
    while len(job.calls) < before + 1 + 2 * (file == "four-nodes-torchrun") and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(shell.pid, signal.SIGUSR1)
    assert shell.wait(60) == 75 and job.requeued == [["requeue", "4711"]]


def test_the_jobs_of_an_array_divide_the_work_and_share_a_folder(job: Job) -> None:
    """With goldieval itself: one model, three tasks, two jobs."""
    (job.folder / "bin/goldieval").unlink()
    os.symlink(Path(sys.executable).with_name("goldieval"), job.folder / "bin/goldieval")
    (job.folder / "data").mkdir()
    folder, out = retrieval_embeddings(job.folder / "given"), job.folder / "out"
    cards = [folder / f"{name}.yaml" for name in ("a", "b", "c")]
    for card in cards:
        card.write_text((folder / "card.yaml").read_text().replace("name: mine", f"name: {card.stem}"))
    common = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "1", "SLURM_ARRAY_TASK_COUNT": "2"}
    common |= {"MODEL": f"embeddings:{folder}", "TASKS": ",".join(map(str, cards)), "OUT": str(out)}
    counts = []
    for number in range(2):
        assert job.run("array", SLURM_ARRAY_TASK_ID=str(number), SLURM_ARRAY_TASK_STEP="1", **common) == 0
        counts.append(len(list(out.rglob("*.json"))))
    assert counts == [2, 3]
