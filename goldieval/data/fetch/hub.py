"""Files of a dataset repository on the Hugging Face Hub at one commit. Scripts and pickles are never downloaded."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.file_request import FileRequest
from goldieval.data.fetch.retry import Refused, Transient, check_status, with_retries
from goldieval.data.roots import inside

DATA = frozenset({".parquet", ".tar", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".jpg", ".jpeg", ".png", ".zip"})
HOME = "https://huggingface.co"
_COMMIT = re.compile("[0-9a-f]{40}")

T = TypeVar("T")


@dataclass(frozen=True)
class Listing:
    """Files of a repository that match a request.

    Attributes:
        commit: The commit they belong to.
        wanted: Data files.
        left_out: Matching files that are not data.
        card: YAML head of the repository's README.md.
    """

    commit: str
    wanted: list[FileRequest]
    left_out: list[str]
    card: dict[str, Any] = field(default_factory=dict)


def is_forbidden() -> bool:
    """Return whether the user forbids network access; the Hub library reads this setting only once."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or HOME).rstrip("/")


def at_endpoint(url: str) -> tuple[str, dict[str, str]]:
    """Return the address of a file at the configured endpoint and its headers; only the Hub receives its token."""
    path = url.removeprefix(f"{HOME}/")
    if path == url and not url.startswith(f"{endpoint()}/"):
        return url, {}
    return (url if path == url else f"{endpoint()}/{path}"), _headers()


def list_files(repository: str, revision: str, globs: list[str], note: Callable[[str], None]) -> Listing:
    """Query the commit of a revision and its files that match the glob patterns (all files if there are none).

    Raises:
        Refused: The repository or revision does not exist, or access is denied.
        GoldievalError: The Hub cannot be reached, lists a path outside the folder, or has no data files there.
    """
    from huggingface_hub import HfApi, hf_hub_url

    what = f"{endpoint()}/datasets/{repository}"

    def about() -> Any:  # one query for commit and files, so that they are consistent
        return HfApi(endpoint=endpoint()).dataset_info(repository, revision=revision, files_metadata=True)

    answer = with_retries(what, lambda: _asked(what, about), note)
    at, found = str(answer.sha), answer.siblings or []
    if _COMMIT.fullmatch(revision) and at != revision:
        raise GoldievalError(f"{what}: asked for commit {revision}, the server answers with {at}.")
    asked = [file for file in found if not globs or any(fnmatch.fnmatch(file.rfilename, glob) for glob in globs)]
    data = [file for file in asked if PurePosixPath(file.rfilename).suffix.lower() in DATA]
    for file in data:
        inside(Path("/folder"), file.rfilename)
    if not data and (scripts := [file.rfilename for file in found if file.rfilename.endswith(".py")]):
        raise GoldievalError(
            f"{what} is made by a script ({scripts[0]}) at {at[:12]}, and no code of others is run. Its Parquet copy, "
            "if there is one, is at the revision refs/convert/parquet."
        )
    if not data:
        has = ", ".join(sorted({PurePosixPath(file.rfilename).suffix or file.rfilename for file in found})) or "nothing"
        raise GoldievalError(f"{what} has no data files {' '.join(globs)} at {at[:12]}, only {has}.")
    headers = _headers()
    wanted = [
        FileRequest(
            path=file.rfilename,
            url=hf_hub_url(repository, file.rfilename, repo_type="dataset", revision=at, endpoint=endpoint()),
            bytes=file.size,
            sha256=file.lfs.sha256 if file.lfs else "",
            git="" if file.lfs else file.blob_id or "",
            headers=headers,
        )
        for file in data
    ]
    card = answer.card_data.to_dict() if answer.card_data else {}
    return Listing(at, wanted, [file.rfilename for file in asked if file not in data], card)


def _headers() -> dict[str, str]:
    from huggingface_hub import get_token

    token = get_token()  # $HF_TOKEN, else what `hf auth login` has stored
    return {"Authorization": f"Bearer {token}"} if token else {}


def _asked(what: str, question: Callable[[], T]) -> T:
    """Convert the Hub library's errors; its messages are not shown because they repeat what was sent."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return question()
    except HFValidationError:
        raise GoldievalError(f"{what}: not a valid repository name.") from None
    except HfHubHTTPError as error:
        check_status(what, error.response.status_code, error.response.headers.get("retry-after"))
        raise Refused(what, error.response.status_code) from None
    except Exception as error:  # from the HTTP library that the Hub library uses
        raise Transient(f"no connection ({type(error).__name__})") from None
