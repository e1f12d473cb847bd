"""Location of a spec's weights: a file, a name in the catalogue, or a file of a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.offline import is_offline
from goldieval.models.adapter import LoadOptions
from goldieval.models.spec import ModelSpec

ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


def locate(spec: ModelSpec, name: str, options: LoadOptions) -> Path:
    """Return the weights file of a spec, downloaded if necessary.

    Args:
        spec: The spec.
        name: NAME of the spec, or the rest of it: empty (then WHERE is a file), a name in the catalogue, or
            OWNER/REPOSITORY/FILE on the Hub (then WHERE is a revision).
        options: How the model is loaded.

    Raises:
        GoldievalError: The name is none of these, or the file is neither local nor can be downloaded.
    """
    from goldieval.models.checkpoints import weights_of

    if not name:
        if not spec.where:
            raise GoldievalError(f"model {spec.text!r}: write {spec.family}@FILE or {spec.family}:OWNER/REPO/FILE.")
        return Path(spec.where)
    if spec.where.endswith(ENDINGS):
        raise GoldievalError(f"model {spec.text!r}: give a name or a file, not both.")
    if name.count("/") >= 2:
        owner, repository, file = name.split("/", 2)
        return hub_file(f"{owner}/{repository}", file, spec.where or "main", options)
    repository, file, revision = weights_of(spec.family, name)
    return hub_file(repository, file, spec.where or revision, options)


def hub_file(repository: str, file: str, revision: str, options: LoadOptions) -> Path:
    """Return a file of a repository on the Hub, from the cache if possible; downloads are announced with their size.

    Raises:
        GoldievalError: It is not cached under ``--offline``, or the download failed.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache

    from goldieval.data.remote import first_there, note_repository

    note_repository(repository)
    cached = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    address = hf_hub_url(repository, file, revision=revision)
    if is_offline():
        raise GoldievalError(f"{repository}/{file} is not on this machine and --offline is set ({address}).")
    place, size = first_there([address])
    options.announce(f"fetching {repository}/{file}: {size / 1e6:,.0f} MB from {place}")
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:
        raise GoldievalError(f"cannot fetch {address}: {type(error).__name__}: {first_line(error)}") from error
