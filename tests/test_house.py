"""The house: rooms on floors, arrows that point down only, nothing loose, no circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import goldieval

HOUSE = Path(goldieval.__file__).parent
# From the ground up: a room may import from its own floor's file set and from every floor below, never from above.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("metrics",),
    ("scoring",),
    ("data",),
    ("tasks",),
    ("models",),
    ("records",),
    ("tracking",),
    ("families",),
    ("goldiclip",),
    ("engine",),
    ("data.manage",),
    ("comparison",),
    ("doctor", "report"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LOOSE = {"__init__.py", "__main__.py", "py.typed"}


def room_of(module: str) -> str:
    """Return the room of ``goldieval.data.manage.get``, here ``data.manage``; empty for the package itself."""
    parts = module.split(".")[1:]
    return next((room for room in (".".join(parts[:2]), parts[0] if parts else "") if room in FLOOR), "")


def imported(file: Path) -> set[str]:
    """Return the modules of goldieval that a file imports, at its top or inside a function."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            whole = node.module in ("goldieval", "goldieval.data")
            names += [f"{node.module}.{alias.name}" for alias in node.names] if whole else [node.module or ""]
    return {name for name in names if name.startswith("goldieval.") and not name.startswith("goldieval.__")}


def module_of(file: Path) -> str:
    return ".".join(["goldieval", *file.relative_to(HOUSE).with_suffix("").parts]).removesuffix(".__init__")


FILES = sorted(file for file in HOUSE.rglob("*.py") if file.parent != HOUSE)


def _is_above(room: str, other: str) -> bool:
    return other != room and FLOOR.get(other, len(FLOORS)) >= FLOOR[room]


def test_nothing_lies_loose_and_every_folder_is_a_room() -> None:
    assert {file.name for file in HOUSE.iterdir() if file.is_file()} == LOOSE
    rooms = {file.relative_to(HOUSE).parts[0] for file in FILES}
    assert rooms == {room.split(".")[0] for room in FLOOR}


@pytest.mark.parametrize("room", FLOOR)
def test_arrows_point_down_only(room: str) -> None:
    own = [file for file in FILES if room_of(module_of(file)) == room]
    assert own
    wrong = {
        str(file.relative_to(HOUSE)): above
        for file in own
        if (above := {name for name in imported(file) if _is_above(room, room_of(name))})
    }
    assert wrong == {}


def test_no_room_reaches_another_on_a_way_back() -> None:
    """Rooms of one floor do not import each other in a circle; what arrows alone do not show."""
    arrows = {room: set() for room in FLOOR}  # type: dict[str, set[str]]
    for file in FILES:
        room = room_of(module_of(file))
        arrows[room] |= {room_of(name) for name in imported(file)} - {room, ""}
    left = dict(arrows)
    while free := [room for room, to in left.items() if not to & set(left)]:
        for room in free:
            del left[room]
    assert left == {}
