"""The install: versions, devices, folders, names in the way, cards."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from goldieval.core.environment import versions
from goldieval.core.errors import GoldievalError, listing
from goldieval.core.files import check_writable
from goldieval.data.roots import data_root, store_root
from goldieval.data.source import tilde
from goldieval.doctor import cards, names
from goldieval.doctor.check import Check, examine, examine_all, reason

RESULTS = Path("results")


def checks(data_dir: Path | None = None) -> list[Check]:
    """Examine the install. Nothing is created, fetched or changed.

    Raises:
        GoldievalError: ``data_dir`` is no folder.
    """
    root = data_root(data_dir) if data_dir is not None else None
    return [
        *(examine(probe, None) for probe in (packages, requirements, devices)),
        writable("results folder", RESULTS, "name another with --out"),
        writable("embedding store", store_root(), "name another folder in $GOLDIEVAL_STORE, or use --no-cache"),
        data_folder(root),
        *(examine(names.import_name, name) for name in names.NAMES),
        examine(names.model_families, None),
        *examine_all("task cards", cards.checks),
    ]


def packages(_: None) -> Check:
    """Report the versions that can change a number."""
    found = versions()
    absent = [name for name, version in found.items() if version == "not installed"]
    if absent:
        return Check("packages", False, f"{listing(absent, 9)} not installed: uv sync, or pip install goldieval")
    return Check("packages", True, ", ".join(f"{name} {version}" for name, version in found.items()))


def requirements(_: None) -> Check:
    """Compare what is installed with what goldieval was declared and tested to need."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(line) for line in importlib.metadata.requires("goldieval") or []]
    except importlib.metadata.PackageNotFoundError:
        return Check("requirements", False, "goldieval is not installed, only on the path: uv pip install -e .")
    needed = [each for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [fault for each in needed if (fault := _unmet(each.name, str(each.specifier)))]
    if wrong:
        return Check("requirements", False, f"{listing(wrong, 5)}. To mend: uv sync, or pip install -U goldieval")
    return Check("requirements", True, f"all {len(needed)} packages are as new as goldieval needs")


def devices(_: None) -> Check:
    """Compute a little on every device: a driver that does not fit is seen here, not an hour into a run."""
    import torch

    seen = {"cpu": f"cpu ({torch.get_num_threads()} threads, {os.cpu_count()} cores)"}
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(number)
        seen[f"cuda:{number}"] = f"cuda:{number} ({about.name}, {about.total_memory / 2**30:.0f} GiB)"
    if torch.backends.mps.is_available():
        seen["mps"] = "mps"
    for device in seen:
        if float(torch.ones(4, 4, device=device).matmul(torch.ones(4, 4, device=device)).sum()) != 64:
            return Check("devices", False, f"{device} computes wrong numbers: update its driver or torch")
    return Check("devices", True, ", ".join(seen.values()))


def writable(name: str, folder: Path, remedy: str) -> Check:
    """Try to write where results or embeddings go; a folder not there yet is tried at its nearest parent."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        check_writable(place)
        free = shutil.disk_usage(place).free / 1e9
    except OSError as error:
        return Check(name, False, f"cannot write to {tilde(place)}: {error.strerror or error}; {remedy}")
    return Check(name, True, f"{tilde(folder.absolute())}, writable, {free:,.0f} GB free")


def data_folder(root: Path | None) -> Check:
    """Say where data are looked for and how many tasks find theirs there. root: the --data-dir, if one was given."""
    try:
        root = root or data_root()
        if not root.is_dir():
            return Check("data folder", None, f"{tilde(root)} does not exist yet; name yours with --data-dir")
        here, real = cards.with_data(root)
    except GoldievalError as error:
        return Check("data folder", False, reason(error))
    return Check("data folder", True, f"{tilde(root)} has the data of {here} of {real} tasks (goldieval ls tasks)")


def _unmet(name: str, wanted: str) -> str:
    """Return what is wrong with one installed package, or nothing."""
    from packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    fits = SpecifierSet(wanted).contains(version, prereleases=True)
    return "" if fits else f"{name} {version} instead of {wanted}"
