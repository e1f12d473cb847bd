"""Import names that two places provide: Python silently takes the first, and the numbers are another program's."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import goldieval
from goldieval.data.source import tilde
from goldieval.doctor.check import Check, reason
from goldieval.tasks.plugins import model_families as families

OURS = ("goldieval", "model_adapters")
NAMES = (*OURS, "mmseg")

# The distributions that may provide a name; mmseg's first home is no longer maintained and lacks what we need.
RIGHT_DISTRIBUTION = {"goldieval": "goldieval", "model_adapters": "goldieval", "mmseg": "onedl-mmsegmentation"}


def import_name(name: str) -> Check:
    """Find every place and every distribution that provides a top-level import name."""
    label = f"import {name}"
    found = places(name)
    ours = Path(goldieval.__file__).resolve().parent.parent / name
    if not found:
        missing = "is not on the path: reinstall goldieval" if name in OURS else "not installed"
        return Check(label, False if name in OURS else None, missing)
    if name in OURS and found[0] != ours:
        return Check(label, False, f"{tilde(found[0])} is not goldieval's own ({tilde(ours)}): {_remedy(found[0])}")
    if len(found) > 1:
        first, *others = map(tilde, found)
        suspects = found[1:] if name in OURS else found
        return Check(label, False, f"{', '.join(others)} beside {first}: {_remedy(_loose(suspects))}")
    providers = distributions(name)
    wrong = [each for each in providers if each != RIGHT_DISTRIBUTION[name]]
    if wrong:
        return Check(label, False, f"provided by {' and '.join(providers)}, {_uninstall(name, wrong)}")
    return Check(label, True, tilde(found[0]))


def places(name: str) -> list[Path]:
    """Return the distinct packages or modules of that name on the path, the one that Python imports first.

    A folder without ``__init__.py`` does not count: Python prefers any real package to it, wherever that stands.
    """
    found = [used] if (used := _used(name)) else []
    for entry in sys.path:
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, [entry or str(Path.cwd())])
        except (ImportError, OSError):
            continue
        if spec and spec.origin:
            found.append(_top(Path(spec.origin)))
    return list(dict.fromkeys(found))


def distributions(name: str) -> list[str]:
    """Return the installed distributions that say they provide a top-level name, sorted.

    Two of them in one folder overwrite each other's files, which no look at the path can show.
    """
    return sorted(
        {each.lower().replace("_", "-") for each in importlib.metadata.packages_distributions().get(name, [])}
    )


def model_families(_: None) -> Check:
    """Import every announced adapter module, ours and those of plug-ins."""
    broken = []
    for name, point in families().items():
        try:
            point.load()
        except Exception as error:
            broken.append(f"{name} ({point.value}): {reason(error)}")
    if broken:
        return Check("model families", False, "; ".join(broken))
    if not families():
        return Check("model families", False, "none announced: goldieval is not installed; uv pip install -e .")
    return Check("model families", True, ", ".join(sorted(families())))


def _used(name: str) -> Path | None:
    """The place that ``import name`` takes or has taken, also through an editable install's own finder."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return _top(Path(spec.origin)) if spec and spec.origin else None


def _top(origin: Path) -> Path:
    return (origin.parent if origin.name.startswith("__init__.") else origin).resolve()


def _loose(places: list[Path]) -> Path:
    """Of several places, the one most likely there by accident: not installed."""
    return next((place for place in places if "site-packages" not in place.parts), places[0])


def _remedy(place: Path) -> str:
    if place.parent == Path.cwd().resolve():
        return "run from another folder, or rename it"
    if "site-packages" in place.parts:
        return "pip uninstall the package that it came with"
    return "rename it, or take its folder out of PYTHONPATH"


def _uninstall(name: str, wrong: list[str]) -> str:
    right = RIGHT_DISTRIBUTION[name]
    return f"should be {right} alone: pip uninstall {' '.join(wrong)}, then pip install --force-reinstall {right}"
