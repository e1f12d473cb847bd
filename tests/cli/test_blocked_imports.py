"""A package that cannot be imported affects only the commands that need it, which name it in one line.

Every command runs once in a fork of a process that has imported torch, and says which packages it imported. A
package that it did not import cannot stop it; for each that it did, it runs again in a fork that blocks that package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from helpers import card, class_folders, toy_model

PACKAGES = ["mmseg", "mmcv", "transformers", "webdataset", "accelerate", "datasets", "pyarrow", "sklearn", "matplotlib",
            "pycocotools", "open_clip", "clip_benchmark", "torchvision"]  # fmt: skip
# What cannot do without a package: the built-in model's towers are open_clip's, and open_clip imports torchvision.
NEEDS = {"toy": {"pyarrow"}, "goldiclip": {"pyarrow", "open_clip", "torchvision"}}
FORKS = """
import contextlib, importlib.machinery, io, json, os, sys
import torch
import goldieval.cli

class Blocked:  # as a broken install: the package is found, and its import fails
    def __init__(self, package):
        self.package = package
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.partition(".")[0] == self.package else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        raise ImportError(f"cannot import {module.__name__!r}", name=module.__name__)

def ran(arguments):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["goldieval", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            goldieval.cli.main()
        except SystemExit as stop:
            return [int(stop.code or 0), out.getvalue(), err.getvalue()]

def forked(line, package):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        if package:
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]
            sys.meta_path.insert(0, Blocked(package))
        with os.fdopen(writing, "w") as stream:
            json.dump([*ran(line), [name for name in asked["packages"] if name in sys.modules]], stream)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        found = json.load(stream)
    os.waitpid(child, 0)
    return found

asked = json.load(sys.stdin)
torch.set_num_threads(1)
answers = {}
for command, line in asked["commands"].items():
    whole = forked(line, "")
    answers[command] = {package: whole for package in asked["packages"]}
    answers[command].update({package: forked(line, package) for package in whole[3]})
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    folder = tmp_path_factory.mktemp("blocked")
    class_folders(folder / "data", {"cat": 2, "dog": 2})
    out = ["--out", str(folder / "out"), "--offline", "--device", "cpu", "--no-cache"]
    commands = {
        "help": ["--help"],
        "ls": ["ls", "tasks", "shapes-*"],
        "toy": ["run", "--model", toy_model(folder), "--tasks", str(card(folder)), *out],
        "goldiclip": ["run", "--model", "goldiclip", "--tasks", "shapes-retrieval", "--limit", "8", *out],
    }
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        input=json.dumps({"packages": PACKAGES, "commands": commands}),
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("command", ["help", "ls", "toy", "goldiclip"])
def test_a_command_runs_without_the_package_or_names_it(command: str, package: str, answers: Any) -> None:
    code, out, err, _ = answers[command][package]
    if package not in NEEDS.get(command, ()):
        assert code == 0, out + err
        return
    said = [line for line in (out + err).splitlines() if package in line]
    assert code in (1, 2) and said and "Traceback" not in out + err, out + err
