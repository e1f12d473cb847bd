"""Gates before transformers: it runs Python of a repository that asks for it, or asks the user whether it may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from goldieval.core.declared_sizes import check_declared
from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.reading import read_text

CODE = ("auto_map", "custom_pipelines", "trust_remote_code")
LARGEST = 64_000_000  # bytes of a JSON file; vocabularies are the largest, with some 20 MB


@contextmanager
def no_code(wanted: bool = True) -> Iterator[None]:
    """Within it transformers neither asks whether to run code of a repository nor imports any.

    Args:
        wanted: false where transformers has no part in what is loaded, so that it need not be imported.

    Raises:
        GoldievalError: in the block, where code would be fetched or run.
    """
    if not wanted:
        yield
        return
    from transformers import dynamic_module_utils

    gates = {"TIME_OUT_REMOTE_CODE": 0, "get_cached_module_file": _refuse, "get_class_in_module": _refuse}
    before = {name: getattr(dynamic_module_utils, name) for name in gates}
    try:
        for name, gate in gates.items():  # a time-out of 0 seconds: it raises instead of asking
            setattr(dynamic_module_utils, name, gate)
        yield
    finally:
        for name, own in before.items():
            setattr(dynamic_module_utils, name, own)


def check_no_code(folder: Path) -> None:
    """Refuse a folder of which a JSON file names Python code, kernels of the hub, or another model to begin with.

    Raises:
        GoldievalError: with the file and the key; or a JSON file that cannot be read.
    """
    for file in sorted(folder.rglob("*.json")):
        if file.name == "adapter_config.json":
            raise GoldievalError(f"{file}: an adapter on another model. Merge the two and save them as one.")
        if file.name == "tokenizer.json":
            continue
        content = _json(file)
        if key := _code_in(content):
            raise GoldievalError(f"{file} asks to run code ({key}); goldieval runs no code of a repository.")
        if file.name.endswith("config.json"):
            check_declared(content, file)


def _json(file: Path) -> Any:
    try:
        return json.loads(read_text(file, LARGEST), object_pairs_hook=list)  # doubled keys count as well
    except (OSError, ValueError, RecursionError) as error:
        raise GoldievalError(f"{file} is no readable JSON: {first_line(error) or type(error).__name__}") from error


def _code_in(content: Any) -> str:
    """Return the first key, however deep, that leads to code."""
    todo = [content] if isinstance(content, list) else []
    while todo:
        for each in todo.pop():
            if isinstance(each, tuple) and _leads_to_code(*each):
                return str(each[0])
            value = each[1] if isinstance(each, tuple) else each
            if isinstance(value, list):
                todo.append(value)
    return ""


def _leads_to_code(key: str, value: Any) -> bool:
    if key in CODE:
        return bool(value)
    return key.endswith("attn_implementation") and "/" in json.dumps(value)  # a kernel of the hub, of any part


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise GoldievalError("it asks to run code of its repository; goldieval runs no code of a repository.")
