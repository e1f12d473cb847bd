"""The start-up cost of commands: processor time of --help, ls, show over 2,000 records, warm runs, and loading.

    uv run python benchmarks/start_up.py [CHECKOUT]

Each command runs in a process of its own, with the libraries of this environment and the goldieval of CHECKOUT (this one by
default), so that two revisions can be compared on one machine. Byte code is kept, as any installed program has it; with
PYTHONDONTWRITEBYTECODE set most of the time would be Python's compiler. Processor time (user and system) is what counts
where the machine is shared. Claims: --help 0.4 s, each ls 1 s, show 3 s, a warm run on five sets 5 s. The warm runs find all embeddings
stored: of the built-in model on two tasks, and of open_clip's ViT-B/32 (random weights in a file) on five; "load" plans a run of it with
--no-cache, which loads and describes the model. The modules named in a row are those of torchvision, transformers and their like that it
imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests/support"))
ROUNDS = 7
RECORDS, TASKS = 2_000, 20
BOUNDS = {"--help": 0.4, "ls": 1.0, "show": 3.0, "five sets": 5.0}
FIVE = "shapes-composition,shapes-finegrained,shapes-question,shapes-retrieval,shapes-zeroshot"
SETTLED_S = 3  # a file that has just been written is not trusted to stay as it is
WATCHED = (
    "torchvision",
    "transformers",
    "open_clip",
    "datasets",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "timm",
    "mmseg",
)


def cost(arguments: list[str], checkout: Path, rounds: int = ROUNDS) -> float:
    """Return the median processor time in seconds, after one run that is not counted."""
    command = [sys.executable, "-W", "ignore", "-m", "goldieval", *arguments]
    times = []
    for _ in range(rounds + 1):
        process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise SystemExit(f"goldieval {' '.join(arguments)} ended with {process.returncode}")
        times.append(used.ru_utime + used.ru_stime)
    return median(times[1:])


def records(folder: Path) -> None:
    """Write records of 100 models on 20 tasks, 12 metrics each, under the names that ``run`` gives them."""
    from synthetic_records import made, share

    from goldieval.records.files import record_path
    from goldieval.records.writing import sealed
    from goldieval.tasks.catalogue import Catalogue

    tasks = [name for name, task in Catalogue().tasks.items() if task.card.family == "retrieval"]
    for number in range(RECORDS):
        metrics = {f"{way}_r{k}": share(0.1 + number / 4000, 5000) for way in ("t2i", "i2t") for k in range(1, 7)}
        model = f"open_clip:ViT-B-16@runs/epoch_{number // TASKS}.pt"
        record = made(tasks[number % TASKS % len(tasks)], model, name=f"task-{number % TASKS}", metrics=metrics)
        file = record_path(folder, record)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sealed(record).model_dump_json(indent=1))


def clip_file(file: Path) -> None:
    """Save open_clip's ViT-B/32 with random weights, in a process of its own."""
    code = f"import open_clip, torch; torch.save(open_clip.create_model('ViT-B-32').state_dict(), {str(file)!r})"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, stderr=subprocess.DEVNULL)
    time.sleep(SETTLED_S)


def imported(arguments: list[str], checkout: Path) -> list[str]:
    """Return which of the large libraries a command imports."""
    code = "import sys\ntry:\n from goldieval.cli import main; main()\nexcept SystemExit: pass\n"
    code += f"print('MODULES', *(name for name in {WATCHED} if name in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.rpartition("MODULES")[2].split()


def main() -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, default=HERE, help="another revision; by default this one")
    checkout = parser.parse_args().checkout.resolve()
    if not (checkout / "goldieval").is_dir():
        parser.error(f"{checkout} is no checkout of goldieval")
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"XDG_CACHE_HOME": f"{place}/cache", "PYTHONPYCACHEPREFIX": f"{place}/byte-code"}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        results = Path(place) / "results"
        records(results)
        clip_file(Path(place) / "vit-b-32.pt")
        limited = ["--limit", "50", "--offline", "--out", f"{place}/out"]
        clip = ["run", "--model", f"open_clip:ViT-B-32@{place}/vit-b-32.pt", *limited]
        own = ["run", "--model", "goldiclip", "--tasks", "shapes-retrieval,shapes-zeroshot", *limited]
        commands = {
            "--help": ["--help"],
            "run --help": ["run", "--help"],
            **{f"ls {what}": ["ls", what] for what in ("tasks", "suites", "models")},
            "ls results": ["ls", "results", "--out", str(results)],
            "show": ["show", str(results)],
            "two sets, goldiclip": own,
            "five sets, ViT-B/32": [*clip, "--tasks", FIVE],
            "load, ViT-B/32": [*clip, "--tasks", "shapes-zeroshot", "--dry-run", "--no-cache"],
        }
        print(f"{'command':<24} {'CPU s':>6}  imports")
        slow = 0
        for shown, command in commands.items():
            many = command[0] == "show" or command[1:2] == ["results"] or command[:2] == ["run", "--model"]
            seconds = cost(command, checkout, 3 if many else ROUNDS)
            bound = next((bound for start, bound in BOUNDS.items() if shown.startswith(start)), float("inf"))
            slow += seconds > bound
            print(f"{shown:<24} {seconds:>6.2f}  {' '.join(imported(command, checkout))}", flush=True)
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
