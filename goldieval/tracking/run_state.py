"""What a folder remembers of a tracker's run, so that a later process continues it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.reading import read_bytes

MAX_BYTES = 10_000
MAX_STEP = 2**53
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}")


@dataclass(frozen=True)
class RunState:
    """A run of a tracker.

    Attributes:
        id: its id in the tracker.
        last_step: the largest step that was logged; -1 before the first.
    """

    id: str
    last_step: int = -1


def slug(name: str) -> str:
    """Return a name of letters, digits, hyphens and underscores.

    >>> slug("goldiclip@runs/my run/step-*"), slug("../..")
    ('goldiclip-runs-my-run-step', 'run')
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_")[-60:].strip("-_") or "run"


def new_state(name: str) -> RunState:
    """Return the state of a run that has not begun."""
    return RunState(f"{slug(name)}-{secrets.token_hex(4)}")


def state_file(folder: Path, tracker: str, name: str) -> Path:
    """Return the file with the state of a tracker's newest run of that name."""
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return folder / "state" / f"{slug(name)}-{digest}.{tracker}.json"


def read_state(file: Path) -> RunState | None:
    """Return the state in a file; None if there is none, or if it is not one, as after a power failure."""
    try:
        content = json.loads(read_bytes(file, MAX_BYTES))
        state = RunState(content["id"], content["last_step"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    valid = isinstance(state.id, str) and type(state.last_step) is int and -1 <= state.last_step <= MAX_STEP
    return state if valid and _ID.fullmatch(state.id) else None


def write_state(file: Path, state: RunState) -> None:
    """Write a state. It is not flushed to disk: this happens at every step, and a lost one costs nothing but a gap."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(json.dumps(vars(state)), encoding="utf-8")
    os.replace(temporary, file)
