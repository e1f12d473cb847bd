"""Shards that are read as streams: an endless sequence of samples for each reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from random import Random

import torch

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import SHARDS
from goldieval.goldiclip.data.addresses import PIPE, SCHEME, shown, sources_of
from goldieval.goldiclip.data.corpus import BROKEN_SHARD, Bad, BadSampleError, Extent, Sample
from goldieval.goldiclip.data.pictures import decoded
from goldieval.goldiclip.data.sample_json import FIELDS, sample_of
from goldieval.goldiclip.data.shard_names import names_of, shards_of
from goldieval.goldiclip.data.stream.faults import UnreadableError
from goldieval.goldiclip.data.stream.shuffling import shuffled
from goldieval.goldiclip.data.stream.sizes import samples_of_shards
from goldieval.goldiclip.data.stream.tar_stream import EncodedSample, samples_in
from goldieval.goldiclip.tokenizer import Tokenizer


class StreamedShards:
    """Shards without an index. An epoch is a number of samples, after which about every shard has been read once.

    Attributes:
        addresses: The shards.
        samples: Number of samples of an epoch.
        bad: What could not be read when it was opened: nothing is read then.

    Raises:
        GoldievalError: An address cannot be used, or the number of samples is not known.
    """

    bad: Sequence[Bad] = ()

    def __init__(
        self, path: str, samples: int | None, tokenizer: Tokenizer, fields: Sequence[str] = (), buffer: int = 2_000
    ) -> None:
        """Name the shards.

        Args:
            path: Addresses with braces, commands and files, several of them separated by ``::``.
            samples: Number of samples of an epoch; by default that of a ``sizes.json`` beside the shards.
            tokenizer: Turns texts into token ids.
            fields: Caption fields; by default all known ones.
            buffer: Samples that a worker holds in order to shuffle them.
        """
        self.addresses = addresses_of(path)
        self.samples = samples or samples_of_shards(self.addresses)
        self.tokenizer, self.fields, self.buffer = tokenizer, tuple(fields) or FIELDS, buffer

    def __len__(self) -> int:
        return self.samples

    def extent(self) -> Extent:
        digest = hashlib.sha256("\n".join(map(shown, self.addresses)).encode()).hexdigest()
        return Extent(len(self), len(self.addresses), digest=digest)

    def read(self, place: int, reader: int, readers: int, seed: int) -> Iterator[Sample | Bad]:
        """Yield the samples of one of several readers; it ends only if no shard holds a sample any more.

        The shuffled shards of all epochs in a row are dealt out to the readers in turn.

        Args:
            place: Number of shards that all readers together have read before.
            reader: Number of this reader, from 0.
            readers: Number of readers.
            seed: Seed of the training.
        """
        encoded = self._encoded(range(place + reader, 2**62, readers), seed)
        most = min(self.buffer, max(1, self.samples // readers))  # more would hold samples of two epochs
        for sample in shuffled(encoded, most, Random(f"{seed}/{place}/{reader}/{readers}")):
            try:
                if isinstance(sample, BadSampleError):
                    raise sample
                yield self._decoded(sample)
            except BadSampleError as error:
                yield error.bad

    def _encoded(self, numbers: Sequence[int], seed: int) -> Iterator[EncodedSample | BadSampleError]:
        without_samples = 0
        for number in numbers:
            address, without_samples = self._address(number, seed), without_samples + 1
            try:
                for sample in samples_in(address):
                    without_samples = 0
                    yield sample
            except UnreadableError as error:
                yield BadSampleError(shown(address), BROKEN_SHARD, str(error))
            if without_samples == len(self.addresses):
                return

    def _address(self, number: int, seed: int) -> str:
        epoch, place = divmod(number, len(self.addresses))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        return self.addresses[int(torch.randperm(len(self.addresses), generator=generator)[place])]

    def _decoded(self, sample: EncodedSample) -> Sample:
        return sample_of(
            sample.where,
            sample.text,
            lambda entry: decoded(sample.where, sample.picture),
            self.fields,
            self.tokenizer,
        )


def addresses_of(path: str) -> list[str]:
    """Return the shards of a path, in the order in which it names them.

    Raises:
        GoldievalError: There are too many, a file is missing, or a library for an address is not installed.
    """
    found: list[str] = []
    for source in sources_of(path):
        is_file = not source.startswith(PIPE) and not SCHEME.match(source)
        found += map(str, shards_of(source)) if is_file else _expanded(source)
        if len(found) > SHARDS:
            raise GoldievalError(f"data.path: more than {SHARDS:,} shards.")
    for scheme in {match[0].lower() for match in map(SCHEME.match, found) if match}:
        _check_scheme(scheme.removesuffix("://"))
    return found


def _expanded(source: str) -> list[str]:
    try:
        return list(names_of(source))
    except GoldievalError as error:
        raise GoldievalError(f"data.path: {shown(source)}: its braces cannot be expanded.") from error


def _check_scheme(scheme: str) -> None:
    """Raise GoldievalError if addresses of this kind cannot be read here."""
    if scheme in ("http", "https"):
        return
    import fsspec

    try:
        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise GoldievalError(f"data.path: addresses with {scheme}:// cannot be read here: {error}.") from error
