"""Import names that several places provide: Python silently imports the first, which may be another program."""

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

# The distribution that should provide a name; the original one of mmseg is not maintained and lacks what we need.
RIGHT_DISTRIBUTION = {"goldieval": "goldieval", "model_adapters": "goldieval", "mmseg": "onedl-mmsegmentation"}


def import_name(name: str) -> Check:
    """Check which folders and which distributions provide a top-level import name."""
    label = f"import {name}"
    locations = places(name)
    ours = Path(goldieval.__file__).resolve().parent.parent / name
    if not locations:
        missing = "not on the path: reinstall goldieval" if name in OURS else "not installed"
        return Check(label, False if name in OURS else None, missing)
    if name in OURS and locations[0] != ours:
        return Check(
            label, False, f"{tilde(locations[0])} is not that of goldieval ({tilde(ours)}): {_remedy(locations[0])}"
        )
    if len(locations) > 1:
        first, *others = map(tilde, locations)
        suspects = locations[1:] if name in OURS else locations
        return Check(label, False, f"{', '.join(others)} beside {first}: {_remedy(_not_installed(suspects))}")
    providers = distributions(name)
    wrong = [each for each in providers if each != RIGHT_DISTRIBUTION[name]]
    if wrong:
        return Check(label, False, f"provided by {' and '.join(providers)}, {_uninstall(name, wrong)}")
    return Check(label, True, tilde(locations[0]))


def places(name: str) -> list[Path]:
    """Return the distinct packages or modules of that name on the path; the first is the one that Python imports.

    A folder without ``__init__.py`` does not count: Python prefers any regular package, in any position on the path.
    """
    locations = [imported] if (imported := _imported(name)) else []
    for entry in sys.path:
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, [entry or str(Path.cwd())])
        except (ImportError, OSError):
            continue
        if spec and spec.origin:
            locations.append(_package(Path(spec.origin)))
    return list(dict.fromkeys(locations))


def distributions(name: str) -> list[str]:
    """Return the installed distributions that declare a top-level name, sorted.

    Two of them in one folder overwrite each other's files, which the path does not show.
    """
    return sorted(
        {each.lower().replace("_", "-") for each in importlib.metadata.packages_distributions().get(name, [])}
    )


def model_families(_: None) -> Check:
    """Import every registered adapter, including those of plug-ins."""
    broken = []
    for name, point in families().items():
        try:
            point.load()
        except Exception as error:
            broken.append(f"{name} ({point.value}): {reason(error)}")
    if broken:
        return Check("model families", False, "; ".join(broken))
    if not families():
        return Check("model families", False, "none registered: goldieval is not installed; uv pip install -e .")
    return Check("model families", True, ", ".join(sorted(families())))


def _imported(name: str) -> Path | None:
    """Return what ``import name`` uses, also through the finder of an editable installation; None if nothing."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return _package(Path(spec.origin)) if spec and spec.origin else None


def _package(origin: Path) -> Path:
    return (origin.parent if origin.name.startswith("__init__.") else origin).resolve()


def _not_installed(places: list[Path]) -> Path:
    """Return the place that is most likely there by accident: one that is not installed."""
    return next((place for place in places if "site-packages" not in place.parts), places[0])


def _remedy(place: Path) -> str:
    if place.parent == Path.cwd().resolve():
        return "run from another folder, or rename it"
    if "site-packages" in place.parts:
        return "uninstall the package that contains it"
    return "rename it, or remove its folder from PYTHONPATH"


def _uninstall(name: str, wrong: list[str]) -> str:
    right = RIGHT_DISTRIBUTION[name]
    return f"should be {right} only: pip uninstall {' '.join(wrong)}, then pip install --force-reinstall {right}"
