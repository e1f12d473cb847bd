"""Names to cards, suites and adapters: entry points, folders, paths and globs. Nothing heavy is imported here."""

from __future__ import annotations

import ast
import fnmatch
import glob
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.core.text import shell_argument
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.card import Task, load_card, validation_line

MODELS = "goldieval.models"
TASKS = "goldieval.tasks"


def packaged(name: str) -> Path:
    """Return a folder that ships with the package: ``goldieval/_data/NAME``, else beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
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
    broken: what was asked for and has no readable card, with a line that says why; the others go on without it.
    """

    tasks: list[Task] = field(default_factory=list)
    by_name: set[str] = field(default_factory=set)
    headings: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[Task, str]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


class _NameTakenError(GoldievalError):
    """name: what a card or suite wanted to be called."""

    def __init__(self, name: str, line: str) -> None:
        super().__init__(line)
        self.name = name


class Catalogue:
    """All cards and suites that can be named: shipped, from installed packages, from the user's folder.

    broken: name to a line that says why, of cards and suites that cannot be used; the others can. A card that cannot be
    read goes by the name of its file.

    Raises:
        GoldievalError: the user's folder is not there.
    """

    def __init__(self, tasks_dir: str | Path | None = None) -> None:
        self.tasks: dict[str, Task] = {}
        self.suites: dict[str, Suite] = {}
        self.broken: dict[str, str] = {}
        for folder in [packaged("tasks"), *_plugin_folders(), *([Path(tasks_dir)] if tasks_dir else [])]:
            self._add(folder)

    def _add(self, folder: Path) -> None:
        if not folder.is_dir():
            raise GoldievalError(f"task folder {folder} does not exist.")
        for file in sorted(folder.glob("*.yaml")):
            self._guarded(file, self._add_card)
        for file in sorted((folder / "suites").glob("*.yaml")):
            self._guarded(file, self._add_suite)

    def _guarded(self, file: Path, add: Callable[[Path], None]) -> None:
        try:
            add(file)
        except _NameTakenError as error:
            self._leave_out(error.name, error)
        except GoldievalError as error:
            self._leave_out(file.stem, error)

    def _leave_out(self, name: str, error: GoldievalError) -> None:
        self.broken[name] = "; ".join([*([self.broken[name]] if name in self.broken else []), str(error)])

    def _add_card(self, file: Path) -> None:
        task = load_card(file)
        if task.name in self.tasks:
            other = self.tasks[task.name].file
            raise _NameTakenError(task.name, f"{file}: task {task.name!r} already exists in {other}.")
        if task.name in self.suites:
            raise _NameTakenError(task.name, f"{file}: {task.name!r} is the name of a suite and of a task. Rename one.")
        self.tasks[task.name] = task

    def _add_suite(self, file: Path) -> None:
        suite = _load_suite(file)
        name = suite.suite
        if name in self.suites:
            raise _NameTakenError(name, f"{file}: a suite {name!r} exists already; its content is fixed.")
        if name in self.tasks:
            raise _NameTakenError(name, f"{file}: {name!r} is the name of a suite and of a task. Rename one.")
        self.suites[name] = suite

    def select(self, names: Iterable[str], home: str = "") -> Selection:
        """Resolve suites, task ids, globs over ids and paths of cards, for a model whose home world is ``home``.

        Raises:
            GoldievalError: a name that is nothing of these (the nearest names are suggested), or no card can be read.
        """
        selection = Selection()
        for name in names:
            if name in self.broken:
                selection.broken[name] = self.broken[name]
            elif name in self.suites:
                self._select_suite(self.suites[name], home, selection)
            else:
                found = self._named(name, selection)
                selection.by_name.update(task.name for task in found)
                selection.tasks += found
        if selection.broken and not selection.tasks:
            raise GoldievalError("; ".join(selection.broken.values()))
        selection.tasks = _distinct(selection.tasks)
        chosen = {task.name for task in selection.tasks}
        selection.left_out = [(task, why) for task, why in selection.left_out if task.name not in chosen]
        return selection

    def _select_suite(self, suite: Suite, home: str, selection: Selection) -> None:
        real = self._known(suite.tasks, suite, selection)
        if home not in suite.home:
            selection.tasks += real
            return
        at_home = suite.home[home]
        selection.tasks += self._known(at_home.tasks, suite, selection)
        selection.headings |= dict.fromkeys(at_home.tasks, at_home.heading)
        selection.left_out += [(task, f"this model is at home in {home}") for task in real]

    def _known(self, names: list[str], suite: Suite, selection: Selection) -> list[Task]:
        for name in names:
            if name not in self.tasks and name not in self.broken:
                raise GoldievalError(f"suite {suite.suite}: no task {name!r}.{did_you_mean(name, self.tasks)}")
            if name not in self.tasks:
                selection.broken[name] = self.broken[name]
        return [self.tasks[name] for name in names if name in self.tasks]

    def _named(self, name: str, selection: Selection) -> list[Task]:
        if name.endswith((".yaml", ".yml")) or "/" in name:
            try:
                return [load_card(Path(name))]
            except GoldievalError as error:
                selection.broken[name] = str(error)
                return []
        if glob.has_magic(name) and (found := fnmatch.filter(self.tasks, name)):
            return [self.tasks[task] for task in found]
        if name not in self.tasks:
            near = did_you_mean(name, [*self.tasks, *self.suites])
            broken = f" Not read: {listing(self.broken.values(), 1)}." if self.broken else ""
            raise GoldievalError(f"no task or suite {name!r}.{near}{broken} See: goldieval ls tasks")
        return [self.tasks[name]]


def command_name(task: Task) -> str:
    """Return what names a task in any command: its id where it ships, else the path of its card."""
    return task.name if task.file.parent == packaged("tasks") else shell_argument(str(task.file))


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


def load_task(name: str | Path, tasks_dir: str | Path | None = None) -> Task:
    """Return one task by id or by the path of its card.

    Raises:
        GoldievalError: an unknown id, or a card with a fault.
    """
    found = Catalogue(tasks_dir).select([str(name)]).tasks
    if len(found) != 1:
        raise GoldievalError(f"{name!r} names {len(found)} tasks, not one.")
    return found[0]
