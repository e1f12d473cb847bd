"""Model weights on the network: are they here already, where would they come from, how large are they."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from goldieval.errors import GoldievalError

# The names under which open_clip looks for weights in a hub repository, in its order.
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


def cached_weights(repository: str, url: str) -> bool:
    """Say whether the library would find the weights without a network."""
    if repository:
        from huggingface_hub import try_to_load_from_cache

        name, file = _split(repository)
        files = (file,) if file else HUB_FILES
        return any(isinstance(try_to_load_from_cache(name, candidate), str) for candidate in files)
    return (Path.home() / ".cache" / "clip" / url.rpartition("/")[2]).is_file()


def weights_url(repository: str, url: str) -> str:
    """Return the address that the weights would come from."""
    if not repository:
        return url
    from huggingface_hub import hf_hub_url

    name, file = _split(repository)
    return hf_hub_url(name, file or HUB_FILES[1])


def download_size(url: str, timeout_s: float = 20) -> int:
    """Ask the server for the size of a file in bytes.

    Raises:
        GoldievalError: the server cannot be reached or names no size.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return int(answer.headers["x-linked-size"] or answer.headers["content-length"])
    except (OSError, TypeError, ValueError) as error:
        raise GoldievalError(
            f"cannot reach {url}: {error}. Without a network, give a file: open_clip:ARCH@FILE"
        ) from error


def _split(repository: str) -> tuple[str, str]:
    """``org/name/file`` may name a file after the repository."""
    parts = repository.split("/")
    return "/".join(parts[:2]), "/".join(parts[2:])
