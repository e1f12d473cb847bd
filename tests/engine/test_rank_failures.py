"""Inputs on which a model fails: the same ones, with the same reasons, for any number of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rank_threads import run_ranks

from goldieval.core.processes.group import Processes
from goldieval.engine.embeddings import StoredEmbeddings
from goldieval.engine.encode import text_key
from goldieval.engine.plan import Plan, plan_towers
from goldieval.engine.reporter import SilentReporter
from goldieval.engine.store import Store
from goldieval.models.adapter import Adapter, ModelInfo
from goldieval.models.inputs import Batching

TEXTS = [
    "w" * length + str(number) for length in (1, 30) for number in range(64)
]  # the long ones are in chunks of their own
KEYS = {text_key(text): text for text in TEXTS}


class ShortTexts:
    """A text tower that refuses long texts, in its tokenizer or in its encoder."""

    def __init__(self, refuses: str) -> None:
        self.refuses = refuses

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        return self.checked("tokenize", torch.tensor([[len(text)] for text in texts]))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.checked("encode_text", tokens).float()

    def checked(self, work: str, tokens: torch.Tensor) -> torch.Tensor:
        if work == self.refuses and bool((tokens > 10).any()):
            raise ValueError("too long")
        return tokens


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("refuses", ["tokenize", "encode_text"])
def test_a_rank_whose_whole_share_fails_does_not_give_up_what_works_elsewhere(
    refuses: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldieval.engine.encode.TEXTS_PER_CHUNK", 64)
    info = ModelInfo("short", "short", "0", "image", "text")

    def work(group: Processes) -> Any:
        plan = Plan(info, [], group_size=size)
        monkeypatch.setattr(Plan, "ready", [(_task(), SimpleNamespace(texts=KEYS, sources={}))])
        plan_towers(plan, Store(tmp_path), group)
        embeddings = StoredEmbeddings(
            cast(Adapter, ShortTexts(refuses)), plan, Batching(8, 16, 1), SilentReporter(), {}, group
        )
        return embeddings._text_failures.reasons, embeddings._text_failures.given_up

    reasons = {
        key: f"ValueError while {'tokenizing' if refuses == 'tokenize' else 'encoding'} it: too long"
        for key, text in KEYS.items()
        if len(text) > 10
    }
    assert run_ranks(size, work) == [(reasons, "")] * size


class SmallMemory:
    """A text tower that has no memory for more than 8 texts of 30 characters at a time."""

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[len(text)] for text in texts])

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        if len(tokens) > 8 and bool((tokens > 10).any()):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return tokens.float()


@pytest.mark.parametrize("size", [1, 3])
def test_batches_that_do_not_fit_are_reported_whichever_rank_had_them(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldieval.engine.encode.TEXTS_PER_CHUNK", 64)
    monkeypatch.setattr(Plan, "ready", [(_task(), SimpleNamespace(texts=KEYS, sources={}))])
    notes: list[list[str]] = [[] for _ in range(size)]

    def work(group: Processes) -> None:
        plan = Plan(ModelInfo("small", "small", "0", "image", "text"), [], group_size=size)
        plan_towers(plan, Store(tmp_path), group)
        reporter = SilentReporter()
        reporter.note = notes[group.rank].append  # type: ignore[method-assign]
        StoredEmbeddings(cast(Adapter, SmallMemory()), plan, Batching(8, 16, 1), reporter, {}, group)

    run_ranks(size, work)
    assert all("did not fit into memory and were encoded in smaller ones: 4;" in "".join(lines) for lines in notes)


def _task() -> Any:
    family = SimpleNamespace(encodes_images=lambda mode: False)
    return SimpleNamespace(family=family, scoring=lambda info: "global")
