"""Import from the Hub: the files of one split are downloaded at one commit, and read like a folder of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.fetch import fetch_all
from goldieval.data.fetch.file_request import FetchProgress
from goldieval.data.fetch.hub import endpoint, is_forbidden, list_files
from goldieval.data.fetch.plan import FetchPlan, plan_fetch
from goldieval.data.fetch.retry import Refused
from goldieval.data.fetch.staging import lock_for_fetch, remove_leftovers
from goldieval.data.manage import parquet_groups
from goldieval.data.manage.caption_options import with_caption_rules
from goldieval.data.manage.detect import detect
from goldieval.data.manage.finding import DetectionHints
from goldieval.data.manage.hub_files import HubRequest, HubSelection, select_files
from goldieval.data.manage.layouts import shards
from goldieval.data.manage.propose import Proposal, proposal_of
from goldieval.data.roots import inside
from goldieval.data.source import Source

LONGEST_LICENCE = 100  # characters


class HubSource(Source):
    """The files of a selection, before it is known how they are read.

    Attributes:
        paths: The files.
    """

    paths: list[str]

    def needs(self) -> list[str]:
        return self.paths


@dataclass(frozen=True)
class HubImport:
    """A selection of files, and where they are or will be.

    Attributes:
        request: What the user asked for.
        selection: The files.
        source: The files as a source, pinned to a commit.
        folder: Their folder below the data root.
        bytes: Size of all files.
        plan: What is to be downloaded.
        licence: Licence that the repository states.
    """

    request: HubRequest
    selection: HubSelection
    source: HubSource
    folder: Path
    bytes: int
    plan: FetchPlan
    licence: str = ""

    @property
    def location(self) -> dict[str, Any]:
        """Keys of a card's source that locate the data."""
        source = self.source
        megabytes = max(1, round(self.bytes / 1e6))
        pinned = {"hub": source.hub, "revision": source.revision, "hub_files": source.hub_files}
        return {"id": source.id, **pinned, "megabytes": megabytes}


def plan_import(request: HubRequest, root: Path, note: Callable[[str], None]) -> HubImport:
    """Choose the files of a repository, and determine which are to be downloaded.

    Raises:
        GoldievalError: The repository does not exist, is gated or made by a script, or several selections fit.
    """
    if is_forbidden():
        raise GoldievalError("HF_HUB_OFFLINE is set, so the Hub is not asked. Unset it, or import a folder.")
    page = f"{endpoint()}/datasets/{request.repository}"
    try:
        listed = list_files(request.repository, request.revision, [], note)
    except Refused as error:
        raise GoldievalError(
            f"{error}. It does not exist, has no revision {request.revision!r}, or is gated: accept its terms on "
            f"{page} and set HF_TOKEN."
        ) from None
    selection = select_files(request, listed)
    source = HubSource(
        reader="hub",
        id=f"hub/{request.repository}/{listed.commit[:12]}",
        hub=request.repository,
        revision=listed.commit,
        hub_files=selection.patterns,
        paths=selection.paths,
    )
    folder = source.folder(root, root)
    sizes = [file.bytes or 0 for file in listed.wanted if file.path in set(selection.paths)]
    plan = plan_fetch([source], folder, False, note)
    return HubImport(request, selection, source, folder, sum(sizes), plan, _licence(listed.card))


def _licence(card: Mapping[str, Any]) -> str:
    """Return the licence in the head of a README.md, shortened to a line."""
    stated = card.get("license")
    texts = stated if isinstance(stated, list) else [stated]
    return ", ".join(text for text in texts if isinstance(text, str) and text.isprintable())[:LONGEST_LICENCE]


def download(planned: HubImport, progress: FetchProgress) -> None:
    """Download what is missing. Raises GoldievalError like ``fetch_all``."""
    planned.folder.parent.mkdir(parents=True, exist_ok=True)
    with lock_for_fetch(planned.folder, progress.note):
        plan = plan_fetch([planned.source], planned.folder, False, progress.note)
        if plan.parts:
            fetch_all(plan, progress)
        remove_leftovers(planned.folder)


def propose_from_hub(
    planned: HubImport, hints: DetectionHints, name: str | None, out: Path | None, dry_run: bool
) -> Proposal:
    """Read the downloaded files and return their card, which pins repository and commit.

    Raises:
        GoldievalError: The files are no data of a task.
    """
    hints = hints if hints.file else replace(hints, file=_place(planned))
    with contained(f"looking at {planned.folder}", passing=GoldievalError):
        found = with_caption_rules(detect(planned.folder, hints), hints.keep_uncaptioned)
        found = replace(found, location=planned.location, licence=planned.licence)
        return proposal_of(planned.folder, found, name, out, dry_run, planned.request.name)


def _place(planned: HubImport) -> str:
    """Return the name of the group of files that was selected, or an empty string if it is not one group."""
    chosen = sorted(planned.selection.paths)
    groups = parquet_groups.groups_of(planned.folder) | shards.groups_of(planned.folder)
    for name in chosen:
        inside(planned.folder, name)
    return next((place for place, names in groups.items() if sorted(names) == chosen), "")
