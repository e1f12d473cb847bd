"""The engine's side of ``families.base.TaskRun``: one loaded task evaluated with one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from goldieval.core.group import Alone, Group
from goldieval.core.meter import Meter, StoppableMeter
from goldieval.core.timing import timed
from goldieval.data.image_source import ImageSource
from goldieval.engine.embeddings import Embeddings
from goldieval.engine.kept_arrays import open_arrays
from goldieval.engine.load import LoadedTask
from goldieval.engine.options import Options
from goldieval.engine.reporter import Reporter
from goldieval.engine.store import Store
from goldieval.families.base import Prepared
from goldieval.families.finished import NoParts, Parts
from goldieval.families.kept import KeptArrays, NothingKept
from goldieval.models.adapter import Model, ModelInfo, inference


class LoadedTaskRun:
    """What a family uses while it collects evidence; ``families.base.TaskRun`` documents the interface.

    Attributes:
        loaded: the task, without the pictures that were left out so far.
        model: the model.
        mode: the resolved scoring mode.
        logit_factor: factor of cosines before the model's own softmax or sigmoid; None if it is unknown.
        device: device on which scores are computed.
        batching: batch sizes and number of threads.
        pictures_to_draw: number of pictures to draw with their predictions.
        seconds: wall time by phase.
        group: the processes that share the work.
        parts: finished parts of the work.
    """

    def __init__(
        self,
        loaded: LoadedTask,
        model: Model,
        mode: str,
        *,
        device: str,
        embeddings: Embeddings,
        options: Options,
        reporter: Reporter,
        seconds: dict[str, float],
        group: Group = Alone(),
        parts: Parts = NoParts(),
        logit_factor: float | None = None,
        store: Store | None = None,
        info: ModelInfo | None = None,
    ) -> None:
        self.loaded, self.model, self.mode, self.device = loaded, model, mode, device
        self.batching, self.pictures_to_draw = options.batching, options.save_images
        self.seconds, self._allow_bad = seconds, options.allow_bad
        self._embeddings, self._reporter, self.group = embeddings, reporter, group
        self.parts = parts
        self.logit_factor = logit_factor
        self._store, self._info = store, info

    @property
    def prepared(self) -> Prepared[Any]:
        return self.loaded.prepared

    @property
    def keys(self) -> list[str]:
        return self.loaded.keys

    @property
    def sources(self) -> dict[str, ImageSource]:
        return self.loaded.sources

    @property
    def failed(self) -> Mapping[str, str]:
        return self._embeddings.failed

    def leave_out(self, failed: Mapping[str, str]) -> None:
        self.loaded = self.loaded.without(failed, self._allow_bad)

    def image_embeddings(self) -> np.ndarray:
        self.leave_out(self.failed)
        return self._embeddings.images(self.loaded)

    def text_embeddings(self) -> np.ndarray:
        return self._embeddings.texts(self.loaded)

    def kept(self, settings: Mapping[str, Any]) -> KeptArrays:
        if self._info is None:
            return NothingKept()
        return open_arrays(self._store, self._info, str(getattr(self.model, "device", self.device)), settings)

    def note(self, line: str) -> None:
        self._reporter.note(line)

    @contextmanager
    def working(self, phase: str, what: str, total: int) -> Iterator[Meter]:
        with inference(self.model), timed(self.seconds, phase), self._reporter.meter(what, total) as meter:
            try:
                yield StoppableMeter(meter)
            finally:
                self.parts.flush()
