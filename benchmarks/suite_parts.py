"""How long work takes on several ranks: phases follow each other, and the slowest of the parts that overlap bounds each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """What is assumed of the machines.

    Attributes:
        tflops: peak of a GPU in TFLOP/s at the precision of the encoders.
        share: share of it that encoding reaches.
        float32_tflops: peak in float32 without TF32, in which scores are computed.
        float32_share: share of it that text-conditioned scoring reaches.
        memory_gb: GB/s of the memory of a GPU.
        cores: processor cores for each GPU; one is as fast as the measured one.
        gpus_per_node: number of GPUs of a node.
        storage_mb: MB/s that a node reads from its storage.
        network_gb: GB/s that a rank receives.
    """

    tflops: float
    share: float
    float32_tflops: float
    float32_share: float
    memory_gb: float
    cores: int
    gpus_per_node: int
    storage_mb: float
    network_gb: float

    def encoding(self, flop: float) -> float:
        return flop / (self.tflops * 1e12 * self.share)

    def scoring(self, flop: float) -> float:
        return flop / (self.float32_tflops * 1e12 * self.float32_share)


@dataclass(frozen=True)
class Part:
    """One resource that a phase uses.

    Attributes:
        bound: name of the resource.
        seconds: time of the whole work on one rank.
        units: number of units that are divided among ranks; 0 if the work is not divided.
        node: number of ranks that share the resource; 0 if each has its own.
        gathered: seconds in which every rank receives the results of all others, if all were other ranks.
        how: the arithmetic in words.
    """

    bound: str
    seconds: float
    units: int = 0
    node: int = 0
    gathered: float = 0.0
    how: str = ""

    def on(self, ranks: int) -> float:
        """Return the time on so many ranks: that of the rank with the most units, since units are never split."""
        shares = -(-ranks // self.node) if self.node else ranks
        largest = -(-self.units // shares) / self.units if self.units else 1.0
        return self.seconds * largest + self.gathered * (1 - 1 / ranks)


@dataclass(frozen=True)
class Phase:
    """Work whose parts overlap; phases follow each other.

    Attributes:
        task: name of the task; empty for work of all tasks together.
        name: name of the phase.
        parts: the resources in use.
    """

    task: str
    name: str
    parts: tuple[Part, ...]

    def slowest(self, ranks: int) -> Part:
        return max(self.parts, key=lambda part: part.on(ranks))

    def on(self, ranks: int) -> float:
        return self.slowest(ranks).on(ranks)
