"""What the tests of import share: a folder for each test, the command line, and the card that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from helpers import goldieval, one_line, toy_model


def card_of(*arguments: str) -> dict[str, Any]:
    """Import, run the command of the last line with a toy model, and return the card."""
    ran = goldieval("data", "import", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    command = ran.out.rpartition("run it: goldieval run --model random ")[2].split()
    done = goldieval("run", "--model", toy_model(Path.cwd()), "--no-cache", *command)
    assert done.code == 0, done.out + done.err
    found: dict[str, Any] = yaml.safe_load(Path(command[-1]).read_text())
    return found


def output_of(*arguments: str) -> str:
    """Return the output of a dry run, which writes nothing."""
    before = sorted(Path().rglob("*"))
    ran = goldieval("data", "import", *arguments, "--dry-run")
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    assert sorted(Path().rglob("*")) == before
    return ran.out


def refusal_of(*arguments: str) -> str:
    """Return the line with which an import is refused; it has written nothing."""
    before = sorted(Path().rglob("*"))
    ran = goldieval("data", "import", *arguments)
    assert ran.code == 2 and sorted(Path().rglob("*")) == before, ran.out + ran.err
    return one_line(ran.err)
