"""Rates that a suite's cost depends on, as measured on one machine, and the file in which they are kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from goldieval.core.errors import GoldievalError


@dataclass(frozen=True)
class Rates:
    """Measured rates of one core of one machine.

    Attributes:
        hash_mb: megabytes per second of SHA-256, with which files are identified.
        picture_s: seconds to decode and transform a picture, without those that grow with its size.
        megapixel_s: further seconds per megapixel.
        tokenized: texts per second.
        images_cpu: pictures per second of the image tower on this core, for comparison only.
        texts_cpu: texts of 16 tokens per second of the text tower on this core, for comparison only.
        tower_share: share of this core's matrix rate that the image tower reaches.
        global_pairs: pairs per second of cosine scores and their ranks on this core, for comparison only.
        conditioned_pairs: pairs per second of text-conditioned scores and their ranks on this core, for comparison only.
        conditioned_share: share of this core's matrix rate that text-conditioned scoring reaches.
        task_s: seconds to read, score and write a task without what grows with it.
        text_s: seconds to read one line of annotations.
        query_s: seconds of outcomes, metrics and their intervals per query.
        row_s: seconds to write one row of outcomes.
        tally_s: seconds per text to merge the counts of a batch of pictures into those of all.
        chunk_s: seconds to write a chunk of 256 embeddings to the store.
        gathered: embeddings per second that are read from the store.
        load_s: processor seconds to load a ViT-B/16 from its file and to identify it.
        start_s: processor seconds until Python has imported goldieval, torch and open_clip.
        machine: cores, load average and version of torch while this was measured.
    """

    hash_mb: float
    picture_s: float
    megapixel_s: float
    tokenized: float
    images_cpu: float
    texts_cpu: float
    tower_share: float
    global_pairs: float
    conditioned_pairs: float
    conditioned_share: float
    task_s: float
    text_s: float
    query_s: float
    row_s: float
    tally_s: float
    chunk_s: float
    gathered: float
    load_s: float
    start_s: float
    machine: str

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_rates(file: Path) -> Rates:
    """Return the rates of a file that ``Rates.write`` has written.

    Raises:
        GoldievalError: the file cannot be read, or does not hold exactly these rates.
    """
    wanted = {field.name for field in fields(Rates)}
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise GoldievalError(f"{file}: cannot be read as measured rates: {error}") from None
    if not isinstance(found, dict) or set(found) != wanted:
        raise GoldievalError(f"{file}: does not hold the rates of this version; measure again without --measured.")
    numbers = {name: value for name, value in found.items() if name != "machine"}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise GoldievalError(f"{file}: {name}: {value!r} is not a positive number.")
    return Rates(**found)


# What a rate is called on the screen: words, unit, and factor from the number that is stored.
MEANING = {
    "hash_mb": ("SHA-256 of files, one core", "MB/s", 1),
    "picture_s": ("decode and transform a picture, one core: constant", "ms", 1e3),
    "megapixel_s": ("and for each megapixel", "ms", 1e3),
    "tokenized": ("tokenizer, one core", "texts/s", 1),
    "images_cpu": ("image tower on one core, for comparison", "pictures/s", 1),
    "texts_cpu": ("text tower on one core, 16 tokens, for comparison", "texts/s", 1),
    "tower_share": ("the image tower's share of this core's matrix rate", "", 1),
    "global_pairs": ("cosines with ranks on one core, for comparison", "pairs/s", 1),
    "conditioned_pairs": ("text-conditioned scores with ranks on one core, for comparison", "pairs/s", 1),
    "conditioned_share": ("text-conditioned scoring's share of this core's matrix rate", "", 1),
    "task_s": ("read, score and write a task: constant", "s", 1),
    "text_s": ("and for each text, reading its line", "us", 1e6),
    "query_s": ("and for each query, outcomes, metrics and intervals", "us", 1e6),
    "row_s": ("and for each query, writing its row", "us", 1e6),
    "tally_s": ("merge the counts of a batch of pictures, for each text", "ns", 1e9),
    "chunk_s": ("write a chunk of 256 embeddings to the store", "ms", 1e3),
    "gathered": ("read embeddings from the store", "per s", 1),
    "load_s": ("load and identify a ViT-B/16 (open_clip)", "s", 1),
    "start_s": ("start Python and import", "s", 1),
}
