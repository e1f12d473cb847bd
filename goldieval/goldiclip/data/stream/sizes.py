"""The number of samples of streamed shards, where a ``sizes.json`` beside them says it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import TEXT_BYTES
from goldieval.goldiclip.data.addresses import PIPE, shown
from goldieval.goldiclip.data.stream.faults import UnreadableError
from goldieval.goldiclip.data.stream.reading_ahead import ReadingAhead

NAME = "sizes.json"  # {"00000.tar": 1000, …}, as webdataset's tools write it


def samples_of_shards(addresses: Sequence[str]) -> int:
    """Return the number of samples that ``sizes.json`` gives for some shards.

    Raises:
        GoldievalError: There is none, or it does not name each of them.
    """
    needed = "data.samples is needed for a stream: the number of samples of an epoch"
    if any(address.startswith(PIPE) for address in addresses):
        raise GoldievalError(f"{needed}.")
    listed: dict[str, dict[str, int]] = {}
    for folder in dict.fromkeys(map(_beside, addresses)):
        listed[folder] = _sizes(folder, needed)
    total = sum(listed[_beside(address)].get(_name(address), 0) for address in addresses)
    if lacking := [address for address in addresses if _name(address) not in listed[_beside(address)]]:
        raise GoldievalError(f"{needed}, because {NAME} does not name {shown(lacking[0])}.")
    return total


def _beside(address: str) -> str:
    """Return the address of the list beside a shard; a query, which may be a key, is that of the shard."""
    place, mark, query = address.partition("?")
    return f"{place.rpartition('/')[0]}/{NAME}{mark}{query}"


def _name(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]


def _sizes(address: str, needed: str) -> dict[str, int]:
    try:
        with closing(ReadingAhead(address)) as stream:
            content = stream.read(TEXT_BYTES)
        return dict(_pairs(json.loads(content)))
    except (UnreadableError, ValueError, AttributeError, RecursionError) as error:
        raise GoldievalError(f"{needed}, or a {NAME} beside the shards ({shown(address)}: {error}).") from error


def _pairs(content: dict[str, object]) -> Iterable[tuple[str, int]]:
    for name, count in content.items():
        number = int(str(count))
        if number < 0:
            raise ValueError(f"{name} has {number} samples")
        yield name, number
