"""Where the weights of a spec lie: a file, the catalogue's name, or a file of a hub repository."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.offline import is_offline
from goldieval.models.adapter import LoadOptions
from goldieval.models.spec import ModelSpec

ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


def locate(spec: ModelSpec, name: str, options: LoadOptions) -> Path:
    """Return the weights file that a spec means, fetched if need be.

    Args:
        name: NAME of the spec, or what is left of it: empty (then WHERE is a file), the catalogue's short name, or
            OWNER/REPOSITORY/FILE on the hub (then WHERE is a revision).

    Raises:
        GoldievalError: nothing of these, or a file that is neither here nor to be fetched.
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
    """Return a file of a hub repository, from the cache if it is there; what is fetched is announced with its size.

    Raises:
        GoldievalError: not here under ``--offline``, or it cannot be fetched.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache

    from goldieval.data.remote import first_there

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
