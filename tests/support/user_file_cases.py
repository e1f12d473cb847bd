"""What the tests of data in several files share: user tables, user masks, user folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line
from pydantic import TypeAdapter

from goldieval.core.errors import TaskError
from goldieval.data.readers import AnySource
from goldieval.data.samples import Dataset
from goldieval.data.source import Source
from goldieval.engine.load import load_task_data
from goldieval.tasks.card import load_card

SOURCE: TypeAdapter[Source] = TypeAdapter(AnySource)


def read(reader: str, **options: Any) -> Dataset:
    return SOURCE.validate_python({"reader": reader, "path": "."} | options).read(Path("mine"))


def refused(reader: str, **options: Any) -> str:
    with pytest.raises(TaskError) as caught:
        read(reader, **options)
    return one_line(str(caught.value))


def put(name: str, text: str | bytes) -> None:
    Path("mine", name).write_bytes(text.encode() if isinstance(text, str) else text)


def imported(*options: str) -> tuple[int, str]:
    ran = goldieval("data", "import", "mine", *options)
    return ran.code, ran.out + ran.err


def loaded(file: str) -> Dataset:
    return load_task_data(load_card(Path(file)), Path("mine"), None, 1).prepared.dataset
