"""Protection against remote code, which transformers would run, or ask the user to allow."""

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
LARGEST = 64_000_000  # bytes of a JSON file; vocabularies are the largest, with about 20 MB


@contextmanager
def no_code(wanted: bool = True) -> Iterator[None]:
    """Inside the block, transformers neither asks to run code of a repository nor imports any.

    Args:
        wanted: Whether transformers is used at all; if not, it is not imported.

    Raises:
        GoldievalError: In the block, if code would be downloaded or run.
    """
    if not wanted:
        yield
        return
    from transformers import dynamic_module_utils

    gates = {"TIME_OUT_REMOTE_CODE": 0, "get_cached_module_file": _refuse, "get_class_in_module": _refuse}
    before = {name: getattr(dynamic_module_utils, name) for name in gates}
    try:
        for name, gate in gates.items():  # with a time-out of 0 seconds it raises instead of asking
            setattr(dynamic_module_utils, name, gate)
        yield
    finally:
        for name, own in before.items():
            setattr(dynamic_module_utils, name, own)


def check_no_code(folder: Path) -> None:
    """Refuse a folder with a JSON file that refers to Python code, kernels on the Hub, or another base model.

    Raises:
        GoldievalError: There is such a file (names file and key), or a JSON file cannot be read.
    """
    for file in sorted(folder.rglob("*.json")):
        if file.name == "adapter_config.json":
            raise GoldievalError(f"{file}: this is an adapter for another model. Merge both and save them as one.")
        if file.name == "tokenizer.json":
            continue
        content = json_pairs(file)
        if key := _code_in(content):
            raise GoldievalError(f"{file} asks to run code ({key}); goldieval runs no code of a repository.")
        if file.name.endswith("config.json"):
            check_declared(content, file)


def json_pairs(file: Path) -> Any:
    """Return the content of a JSON file, with mappings as lists of pairs: duplicate keys are kept.

    Raises:
        GoldievalError: The file cannot be read.
    """
    try:
        return json.loads(read_text(file, LARGEST), object_pairs_hook=list)
    except (OSError, ValueError, RecursionError) as error:
        raise GoldievalError(f"{file} is not readable JSON: {first_line(error) or type(error).__name__}") from error


def _code_in(content: Any) -> str:
    """Return the first key, at any depth, that refers to code."""
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
    return key.endswith("attn_implementation") and "/" in json.dumps(value)  # a kernel on the Hub, for any part


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise GoldievalError("it asks to run code of its repository; goldieval runs no code of a repository.")
