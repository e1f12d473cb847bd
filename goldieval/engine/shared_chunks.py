"""Division of chunks among ranks, and the way of their embeddings to the ranks that need them.

The store is the medium where ranks share a file system. What a rank cannot read there (another machine's disk, a store
that is not kept, embeddings that are held in memory) is sent through the process group.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.core.group import share
from goldieval.core.processes.group import Ranks
from goldieval.engine.chunks import Chunk, ChunkContent
from goldieval.engine.space import Space

CHUNKS_AT_A_TIME = 64  # of 256 pictures and 1,024 dimensions they are 64 MB


def own_chunks(chunks: Sequence[Chunk], ranks: Ranks) -> list[Chunk]:
    """Return the chunks that this rank encodes."""
    return [chunk for _, chunk in share(chunks, ranks)]


def share_chunks(space: Space, chunks: Sequence[Chunk], ranks: Ranks, needed: bool) -> None:
    """Give every rank that needs them the chunks that it cannot read in the store.

    Args:
        space: where the embeddings of this rank are stored.
        chunks: all chunks of the plan, in the same order on every rank.
        ranks: the processes that share the work.
        needed: whether this rank needs the embeddings.
    """
    if ranks.size == 1:
        return
    space.refresh()
    failed = ranks.all_gather(dict(space.failed))
    for each in failed:
        space.failed |= each
    unseen = [number for number, chunk in enumerate(chunks) if needed and space.missing(chunk.keys)]
    unseen_by = ranks.all_gather(unseen)
    wanted = sorted({number for each in unseen_by for number in each})
    send = ranks.all_gather if any(unseen_by[1:]) else ranks.gather
    for start in range(0, len(wanted), CHUNKS_AT_A_TIME):
        numbers = wanted[start : start + CHUNKS_AT_A_TIME]
        own = {number: space.content(chunks[number]) for number in numbers if number % ranks.size == ranks.rank}
        for sent in send(own) or []:
            _keep(space, {chunks[number]: content for number, content in sent.items() if number in unseen and content})
    space.refresh()


def _keep(space: Space, contents: dict[Chunk, ChunkContent]) -> None:
    for chunk, content in contents.items():
        space.keep(chunk, content)
