"""Checks of the installation: versions, devices, folders, import names, task cards."""

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
from goldieval.doctor.check import Check, reason, run_checks, run_probe

RESULTS = Path("results")


def checks(data_dir: Path | None = None) -> list[Check]:
    """Check the installation. Nothing is created, downloaded or changed.

    Args:
        data_dir: folder of the data; the default one if it is None.

    Raises:
        GoldievalError: ``data_dir`` is not a folder.
    """
    root = data_root(data_dir) if data_dir is not None else None
    return [
        *(run_probe(probe, None) for probe in (packages, requirements, devices)),
        writable("results folder", RESULTS, "name another with --out"),
        writable("embedding store", store_root(), "name another folder in $GOLDIEVAL_STORE, or use --no-cache"),
        data_folder(root),
        *(run_probe(names.import_name, name) for name in names.NAMES),
        run_probe(names.model_families, None),
        *run_checks("task cards", cards.checks),
    ]


def packages(_: None) -> Check:
    """Report the versions of the packages that can change a number."""
    installed = versions()
    absent = [name for name, version in installed.items() if version == "not installed"]
    if absent:
        return Check("packages", False, f"{listing(absent, 9)} not installed: uv sync, or pip install goldieval")
    return Check("packages", True, ", ".join(f"{name} {version}" for name, version in installed.items()))


def requirements(_: None) -> Check:
    """Compare the installed packages with the requirements of goldieval."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(line) for line in importlib.metadata.requires("goldieval") or []]
    except importlib.metadata.PackageNotFoundError:
        return Check("requirements", False, "goldieval is not installed, only on the path: uv pip install -e .")
    needed = [each for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [fault for each in needed if (fault := _unmet(each.name, str(each.specifier)))]
    if wrong:
        return Check("requirements", False, f"{listing(wrong, 5)}. To fix it: uv sync, or pip install -U goldieval")
    return Check("requirements", True, f"all {len(needed)} required packages are recent enough")


def devices(_: None) -> Check:
    """Multiply small matrices on every device, which detects an incompatible driver before a run."""
    import torch

    devices = {"cpu": f"cpu ({torch.get_num_threads()} threads, {os.cpu_count()} cores)"}
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(number)
        devices[f"cuda:{number}"] = f"cuda:{number} ({properties.name}, {properties.total_memory / 2**30:.0f} GiB)"
    if torch.backends.mps.is_available():
        devices["mps"] = "mps"
    for device in devices:
        if float(torch.ones(4, 4, device=device).matmul(torch.ones(4, 4, device=device)).sum()) != 64:
            return Check("devices", False, f"{device} computes wrong numbers: update its driver or torch")
    return Check("devices", True, ", ".join(devices.values()))


def writable(name: str, folder: Path, remedy: str) -> Check:
    """Try to write to a folder, or to its nearest existing parent if it does not exist yet.

    Args:
        name: name of the check.
        folder: the folder.
        remedy: what to do if it cannot be written.
    """
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
    """Report the data folder, and the number of tasks whose data are in it.

    Args:
        root: the folder given by ``--data-dir``; None for the default one.
    """
    try:
        root = root or data_root()
        if not root.is_dir():
            return Check("data folder", None, f"{tilde(root)} does not exist yet; name another with --data-dir")
        present, needed = cards.with_data(root)
    except GoldievalError as error:
        return Check("data folder", False, reason(error))
    return Check("data folder", True, f"{tilde(root)} has the data of {present} of {needed} tasks (goldieval ls tasks)")


def _unmet(name: str, wanted: str) -> str:
    """Return the problem with an installed package; empty if there is none."""
    from packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    fits = SpecifierSet(wanted).contains(version, prereleases=True)
    return "" if fits else f"{name} {version} instead of {wanted}"
