"""Model weights on the network: whether they are cached, where they come from, and their size."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.offline import is_offline
from goldieval.core.reads import note_network, note_read, note_tree

# The files that open_clip requests from a Hub repository, in its order, if the tag does not name one.
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def cached_weights(repository: str, url: str) -> str:
    """Return the file that open_clip would find without network access, or an empty string."""
    if repository:
        from huggingface_hub import try_to_load_from_cache

        name, files = _files(repository)
        note_repository(name)
        found = (try_to_load_from_cache(name, file) for file in files)
        return next((file for file in found if isinstance(file, str)), "")
    file = Path.home() / ".cache" / "clip" / url.rpartition("/")[2]
    note_read(file)
    return str(file) if file.is_file() else ""


def note_repository(name: str) -> None:
    """Note a repository in the Hub's cache as read: which revisions are there, and their files."""
    from huggingface_hub import constants

    note_tree(Path(constants.HF_HUB_CACHE, f"models--{name.replace('/', '--')}"))


def note_pretrained(name: str) -> None:
    """Note what transformers reads for a name: a folder, else a repository, whose newest files it asks for."""
    note_tree(Path(name))
    if not Path(name).is_dir():
        note_repository(name)
        note_network()


def addresses(repository: str, url: str) -> list[str]:
    """Return the addresses from which the weights may be downloaded, in open_clip's order."""
    if not repository:
        return [url]
    from huggingface_hub import hf_hub_url

    name, files = _files(repository)
    return [hf_hub_url(name, file) for file in files]


def first_there(candidates: list[str], timeout_s: float = 20) -> tuple[str, int]:
    """Find the first address that exists; return it with the file's size in bytes.

    Raises:
        GoldievalError: Network access is forbidden, the server cannot be reached, or no address exists.
    """
    if is_offline():
        raise GoldievalError(f"it is not on this machine and --offline is set ({candidates[0]}).")
    fault = ""
    for address in candidates:
        if not address.startswith(("https://", "http://")):
            fault = "not a web address"
            continue
        request = urllib.request.Request(address, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                size = int(answer.headers["x-linked-size"] or answer.headers["content-length"] or 0)
                return address, max(0, size)
        except urllib.error.HTTPError as error:
            fault = f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            fault = str(error)
            break
    raise GoldievalError(f"cannot reach {candidates[0]}: {fault}. Without a network, give a file: open_clip:ARCH@FILE")


def _files(repository: str) -> tuple[str, tuple[str, ...]]:
    """Return repository and files: ``org/name/`` leaves the file to open_clip, ``org/name/file.bin`` names it."""
    name, _, file = repository.rpartition("/")
    if not file:
        return name, HUB_FILES
    stem, dot, ending = file.rpartition(".")
    return name, (f"{stem}.safetensors", file) if dot and ending in ("bin", "pth") else (file,)
