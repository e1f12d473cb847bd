"""Names to cards, suites and adapters: entry points, folders, paths and globs. Nothing heavy is imported here."""

from __future__ import annotations

import ast
import fnmatch
import glob
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from goldieval.card import Task, load_card, validation_line
from goldieval.core.yaml_files import read_yaml
from goldieval.errors import GoldievalError, did_you_mean

MODELS = "goldieval.models"
TASKS = "goldieval.tasks"


def packaged(name: str) -> Path:
    """Return a folder that ships with the package: ``goldieval/_data/NAME``, else beside it in a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / name


class HomeSuite(BaseModel):
    """What a suite means for a model at home in a built-in world."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: str
    tasks: list[str]


class Suite(BaseModel):
    """A fixed list of tasks under one name, the same on every machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    title: str
    tasks: list[str]
    home: dict[str, HomeSuite] = {}


@dataclass
class Selection:
    """What ``--tasks`` means for one model.

    by_name: tasks that the user named one by one; missing data there is a failure.
    left_out: tasks of a suite that this model does not meet, each with the reason.
    """

    tasks: list[Task] = field(default_factory=list)
    by_name: set[str] = field(default_factory=set)
    headings: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[Task, str]] = field(default_factory=list)


class Catalogue:
    """All cards and suites that can be named: shipped, from installed packages, from the user's folder."""

    def __init__(self, tasks_dir: Path | None = None) -> None:
        self.tasks: dict[str, Task] = {}
        self.suites: dict[str, Suite] = {}
        for folder in [packaged("tasks"), *_plugin_folders(), *([tasks_dir] if tasks_dir else [])]:
            self._add(folder)

    def _add(self, folder: Path) -> None:
        if not folder.is_dir():
            raise GoldievalError(f"task folder {folder} does not exist.")
        for file in sorted(folder.glob("*.yaml")):
            task = load_card(file)
            if task.name in self.tasks:
                raise GoldievalError(f"{file}: task {task.name!r} already exists in {self.tasks[task.name].file}.")
            self.tasks[task.name] = task
        for file in sorted((folder / "suites").glob("*.yaml")):
            suite = _load_suite(file)
            if suite.suite in self.suites:
                raise GoldievalError(f"{file}: a suite {suite.suite!r} exists already; its content is fixed.")
            self.suites[suite.suite] = suite
        if clash := sorted(set(self.suites) & set(self.tasks)):
            raise GoldievalError(f"{folder}: {clash[0]!r} is the name of a suite and of a task. Rename one.")

    def select(self, names: Iterable[str], home: str = "") -> Selection:
        """Resolve suites, task ids, globs over ids and paths of cards, for a model whose home world is ``home``.

        Raises:
            GoldievalError: a name that is nothing of these; the nearest names are suggested.
        """
        selection = Selection()
        for name in names:
            if name in self.suites:
                self._select_suite(self.suites[name], home, selection)
            else:
                found = self._named(name)
                selection.by_name.update(task.name for task in found)
                selection.tasks += found
        selection.tasks = _distinct(selection.tasks)
        chosen = {task.name for task in selection.tasks}
        selection.left_out = [(task, why) for task, why in selection.left_out if task.name not in chosen]
        return selection

    def _select_suite(self, suite: Suite, home: str, selection: Selection) -> None:
        real = [self._known(name, suite) for name in suite.tasks]
        if home not in suite.home:
            selection.tasks += real
            return
        at_home = suite.home[home]
        selection.tasks += [self._known(name, suite) for name in at_home.tasks]
        selection.headings |= dict.fromkeys(at_home.tasks, at_home.heading)
        selection.left_out += [(task, f"this model is at home in {home}") for task in real]

    def _known(self, name: str, suite: Suite) -> Task:
        if name not in self.tasks:
            raise GoldievalError(f"suite {suite.suite}: no task {name!r}.{did_you_mean(name, self.tasks)}")
        return self.tasks[name]

    def _named(self, name: str) -> list[Task]:
        if name.endswith((".yaml", ".yml")) or "/" in name:
            return [load_card(Path(name))]
        if glob.has_magic(name) and (found := fnmatch.filter(self.tasks, name)):
            return [self.tasks[task] for task in found]
        if name not in self.tasks:
            near = did_you_mean(name, [*self.tasks, *self.suites])
            raise GoldievalError(f"no task or suite {name!r}.{near} See: goldieval ls tasks")
        return [self.tasks[name]]


def command_name(task: Task) -> str:
    """Return what names a task in any command: its id where it ships, else the path of its card."""
    return task.name if task.file.parent == packaged("tasks") else str(task.file)


def _distinct(tasks: list[Task]) -> list[Task]:
    """Return each task once. Raises GoldievalError for two cards of one name, which would share a record's name."""
    by_name: dict[str, Task] = {}
    for task in tasks:
        known = by_name.setdefault(task.name, task)
        if known.file.resolve() != task.file.resolve():
            raise GoldievalError(f"{known.file} and {task.file} are both named {task.name!r}. Rename one.")
    return list(by_name.values())


def _load_suite(file: Path) -> Suite:
    try:
        return Suite.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None


def _plugin_folders() -> list[Path]:
    """Folders of packages that announce cards: the entry point's value is the package that holds the YAML files."""
    points = importlib.metadata.entry_points(group=TASKS)
    return [place for point in points if (place := _place(point.value)) is not None and place.is_dir()]


def _place(module: str) -> Path | None:
    """Return the folder or file (without ending) of a module; nothing of it is run, not even its packages."""
    top, *rest = module.split(".")
    found = importlib.util.find_spec(top)
    if found is None:
        return None
    folders = found.submodule_search_locations
    start = Path(next(iter(folders))) if folders else Path(found.origin or "").with_suffix("")
    return start.joinpath(*rest)


@cache
def model_families() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the adapters that are installed, by family name. Shipped families cannot be replaced by a plug-in."""
    points = importlib.metadata.entry_points(group=MODELS)
    ours_last = sorted(points, key=lambda point: bool(point.dist and point.dist.name == "goldieval"))
    return {point.name: point for point in ours_last}


def describe_family(point: importlib.metadata.EntryPoint) -> str:
    """Return the first line of the adapter module's docstring, read from its source without importing it."""
    place = _place(point.module)
    files = [place.with_name(f"{place.name}.py"), place / "__init__.py"] if place else []
    source = next((file for file in files if file.is_file()), None)
    document = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else ""
    return document.splitlines()[0].replace("``", "") if document else ""


def load_task(name: str, tasks_dir: Path | None = None) -> Task:
    """Return one task by id or by the path of its card.

    Raises:
        GoldievalError: an unknown id, or a card with a fault.
    """
    found = Catalogue(tasks_dir).select([name]).tasks
    if len(found) != 1:
        raise GoldievalError(f"{name!r} names {len(found)} tasks, not one.")
    return found[0]
