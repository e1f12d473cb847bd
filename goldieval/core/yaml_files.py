"""YAML of unknown origin, in bounded time and memory: cards, suites, recipes, tables, lists of checkpoints.

A file is scanned as a stream of events before any object is constructed: its size, its depth and its number of values
(with aliases expanded) are limited, and tags and keys that are not plain values are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import YAML_BYTES, YAML_DEPTH, YAML_NODES, YAML_NUMBER
from goldieval.core.reading import read_text

MERGE = "tag:yaml.org,2002:merge"
TRUTH, TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C version, if PyYAML was built with libyaml


class _Loader(_Parser):  # type: ignore[misc]
    """Safe YAML loader in which a duplicate key is an error, not a silent choice of the last one.

    A key such as ``true``, ``no`` or ``on`` is that word, a name like any other: YAML 1.1 reads it as a truth value.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Insert the pairs of merged mappings (``<<``); the mapping's own keys take precedence, then the earliest.

        PyYAML 6.0.4 chooses differently if a merged mapping itself contains a merge.
        """
        if hasattr(node, "flat"):
            return
        node.flat = True  # type: ignore[attr-defined]
        own: dict[Any, Any] = {}
        taken: dict[Any, Any] = {}
        for key, value in node.value:
            if key.tag == MERGE:
                self._take_in(value, taken)
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key must be one plain value", key.start_mark)
            key.tag = TEXT if key.tag == TRUTH else key.tag
            name = self.construct_object(key, deep=True)
            if name in own:
                raise ConstructorError(None, None, f"duplicate key {str(name)[:40]!r}", key.start_mark)
            own[name] = key, value
        node.value = [*(pair for name, pair in taken.items() if name not in own), *own.values()]

    def _take_in(self, node: yaml.Node, taken: dict[Any, Any]) -> None:
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(each, yaml.MappingNode):
                raise ConstructorError(None, None, "'<<' must refer to mappings", each.start_mark)
            self.flatten_mapping(each)
            for key, value in each.value:
                taken.setdefault(self.construct_object(key, deep=True), (key, value))

    def number(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > YAML_NUMBER:
            raise ConstructorError(None, None, f"a number of {len(node.value):,} characters", node.start_mark)
        made = self.construct_yaml_int if node.tag.endswith(":int") else self.construct_yaml_float
        return made(node)

    def text(self, node: yaml.ScalarNode) -> str:
        """Keep a date as it was written."""
        return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.text)


def _reason(file: Path, error: OSError) -> str:
    return "it is a folder; name a YAML file in it" if file.is_dir() else error.strerror or str(error)


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML mapping. Raises GoldievalError with file and line if the file is anything else."""
    try:
        text = read_text(file, YAML_BYTES)
    except OSError as error:
        raise GoldievalError(f"cannot read {file}: {_reason(file, error)}.") from error
    except UnicodeDecodeError as error:
        raise GoldievalError(f"cannot read {file}: {error}") from error
    return parse_yaml(text, file)


def parse_yaml(text: str, file: Path) -> dict[str, Any]:
    """Parse a YAML mapping that stands in a file. Raises GoldievalError with file and line if it is anything else."""
    try:
        measure = _Measure()
        for event in yaml.parse(text, Loader=_Parser):
            measure.add(event)
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        raise GoldievalError(f"{place}: invalid YAML: {_line(error)}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise GoldievalError(f"{file}: invalid YAML: {error}") from error
    if not isinstance(content, dict):
        raise GoldievalError(f"{file}: expected a mapping of keys to values.")
    return content


def _line(error: yaml.YAMLError) -> str:
    """Return PyYAML's message on one line; a part of it is in ``context``."""
    parts = [getattr(error, name, None) or "" for name in ("context", "problem")]
    return " ".join((" ".join(parts).strip() or str(error)).split())[:200]


class _Measure:
    """Size of each open collection and of each anchored value, with aliases expanded."""

    def __init__(self) -> None:
        self._sizes = [0]
        self._open: list[str | None] = []
        self._anchors: dict[str, int] = {}

    def add(self, event: yaml.Event) -> None:
        """Register the next event. Raises yaml.YAMLError if the file exceeds a limit."""
        if isinstance(event, AliasEvent):
            self._count(self._meant(event), None)
        elif isinstance(event, ScalarEvent):
            _plain(event)
            self._count(1, event.anchor)
        elif isinstance(event, CollectionStartEvent):
            _plain(event)
            self._sizes.append(1)
            self._open.append(event.anchor)
        elif isinstance(event, CollectionEndEvent):
            self._count(self._sizes.pop(), self._open.pop())
        if len(self._open) > YAML_DEPTH:
            _refuse(event, f"nested deeper than {YAML_DEPTH} levels")
        if self._sizes[-1] > YAML_NODES:
            _refuse(event, f"more than {YAML_NODES:,} values with aliases expanded")

    def _count(self, size: int, anchor: str | None) -> None:
        self._sizes[-1] += size
        if anchor:
            self._anchors[anchor] = size

    def _meant(self, event: AliasEvent) -> int:
        if event.anchor in self._open:
            _refuse(event, "an alias inside the value it refers to")
        return self._anchors.get(event.anchor or "", 1)  # an unknown anchor is reported by the loader


def _plain(event: NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None:
        _refuse(event, f"tag {str(tag)[:40]!r}; tags are not allowed")
    try:
        str(getattr(event, "value", "")).encode()
    except UnicodeEncodeError:
        _refuse(event, "a lone surrogate, which is not a valid character")


def _refuse(event: yaml.Event, why: str) -> None:
    raise ConstructorError(None, None, why, event.start_mark)  # type: ignore[arg-type]
