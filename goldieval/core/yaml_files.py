"""YAML of unknown origin, in bounded time and memory: cards, suites, recipes, tables, lists of checkpoints.

A file is looked through as a stream of events before anything is made of it: its bytes, its depth, and its values with
every alias written out are bounded, tags and keys that are no plain values are refused.
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
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where PyYAML was built with libyaml


class _Loader(_Parser):  # type: ignore[misc]
    """Safe YAML in which a key given twice is a fault, not a silent choice of the last."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the pairs of mappings that one takes in (``<<``) before its own; its own come first, then the earliest.

        PyYAML 6.0.4 takes others where a mapping that is taken in takes in one itself.
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
            name = self.construct_object(key, deep=True)
            if name in own:
                raise ConstructorError(None, None, f"key {str(name)[:40]!r} is given twice", key.start_mark)
            own[name] = key, value
        node.value = [*(pair for name, pair in taken.items() if name not in own), *own.values()]

    def _take_in(self, node: yaml.Node, taken: dict[Any, Any]) -> None:
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(each, yaml.MappingNode):
                raise ConstructorError(None, None, "'<<' takes in mappings only", each.start_mark)
            self.flatten_mapping(each)
            for key, value in each.value:
                taken.setdefault(self.construct_object(key, deep=True), (key, value))

    def number(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > YAML_NUMBER:
            raise ConstructorError(None, None, f"a number of {len(node.value):,} characters", node.start_mark)
        made = self.construct_yaml_int if node.tag.endswith(":int") else self.construct_yaml_float
        return made(node)

    def text(self, node: yaml.ScalarNode) -> str:
        """A date stays as it was written."""
        return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.text)


def _reason(file: Path, error: OSError) -> str:
    return "it is a folder, name one YAML file in it" if file.is_dir() else error.strerror or str(error)


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML mapping. Raises GoldievalError with file and line for anything else."""
    try:
        text = read_text(file, YAML_BYTES)
    except OSError as error:
        raise GoldievalError(f"cannot read {file}: {_reason(file, error)}.") from error
    except UnicodeDecodeError as error:
        raise GoldievalError(f"cannot read {file}: {error}") from error
    try:
        measure = _Measure()
        for event in yaml.parse(text, Loader=_Parser):
            measure.add(event)
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        raise GoldievalError(f"{place}: broken YAML: {_line(error)}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise GoldievalError(f"{file}: broken YAML: {error}") from error
    if not isinstance(content, dict):
        raise GoldievalError(f"{file}: expected a mapping of keys to values.")
    return content


def _line(error: yaml.YAMLError) -> str:
    """What is wrong, in a line; PyYAML says the half of it in ``context``."""
    parts = [getattr(error, name, None) or "" for name in ("context", "problem")]
    return " ".join((" ".join(parts).strip() or str(error)).split())[:200]


class _Measure:
    """The size of each open collection, and what every anchor stands for, aliases written out."""

    def __init__(self) -> None:
        self._sizes = [0]
        self._open: list[str | None] = []
        self._anchors: dict[str, int] = {}

    def add(self, event: yaml.Event) -> None:
        """Take in the next event. Raises yaml.YAMLError where the file goes beyond a bound."""
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
            _refuse(event, f"more than {YAML_NODES:,} values, aliases written out")

    def _count(self, size: int, anchor: str | None) -> None:
        self._sizes[-1] += size
        if anchor:
            self._anchors[anchor] = size

    def _meant(self, event: AliasEvent) -> int:
        if event.anchor in self._open:
            _refuse(event, "an alias inside what it stands for")
        return self._anchors.get(event.anchor or "", 1)  # an unknown one is the loader's to refuse


def _plain(event: NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None:
        _refuse(event, f"tag {str(tag)[:40]!r}; tags are not read")
    try:
        str(getattr(event, "value", "")).encode()
    except UnicodeEncodeError:
        _refuse(event, "half of a surrogate pair, which is no character")


def _refuse(event: yaml.Event, why: str) -> None:
    raise ConstructorError(None, None, why, event.start_mark)  # type: ignore[arg-type]
