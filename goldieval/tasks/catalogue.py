"""The catalogue of task cards and suites: ids, suites, globs and paths to tasks. Nothing heavy is imported here."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.core.packaged import packaged as packaged  # also the name under which it was known before
from goldieval.core.text import shell_argument
from goldieval.tasks.averages import Average, fault_of
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.plugins import plugin_folders
from goldieval.tasks.suites import Suite, load_suite


@dataclass
class Selection:
    """The tasks that ``--tasks`` selects for one model.

    Attributes:
        tasks: the tasks, each once.
        by_name: names of the tasks that were requested individually; missing data is a failure for these.
        headings: task name to the line that is shown above its result.
        skipped: tasks of a suite that are not run with this model, each with the reason.
        errors: requested name to error message, of requested cards and suites that cannot be read.
        averages: averages of the selected suites, and those of which all tasks are selected.
    """

    tasks: list[Task] = field(default_factory=list)
    by_name: set[str] = field(default_factory=set)
    headings: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[Task, str]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    averages: list[Average] = field(default_factory=list)


class _NameTakenError(GoldievalError):
    """A card or suite has a name that another one has already.

    Attributes:
        name: the name.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Catalogue:
    """All available cards and suites: shipped, from installed packages, and from the user's folder.

    Attributes:
        tasks: tasks by name.
        suites: suites by name.
        errors: name to error message, of cards and suites that cannot be used. A card that cannot be read is listed
            under the name of its file.
        averages: averages of all suites, by name.
    """

    def __init__(self, tasks_dir: str | Path | None = None) -> None:
        """Read all cards and suites.

        Args:
            tasks_dir: the user's folder of cards.

        Raises:
            GoldievalError: the user's folder does not exist.
        """
        self.tasks: dict[str, Task] = {}
        self.suites: dict[str, Suite] = {}
        self.errors: dict[str, str] = {}
        self.averages: dict[str, Average] = {}
        self._suite_files: dict[str, Path] = {}
        for folder in [packaged("tasks"), *plugin_folders(), *([Path(tasks_dir)] if tasks_dir else [])]:
            self._add(folder)
        for suite in list(self.suites.values()):
            self._add_averages(suite)

    @property
    def faults(self) -> list[str]:
        """One line for each card or suite that cannot be used."""
        return [f"a card or suite is left out: {error}" for error in self.errors.values()]

    def _add(self, folder: Path) -> None:
        if not folder.is_dir():
            raise GoldievalError(f"task folder {folder} does not exist.")
        for file in sorted(folder.glob("*.yaml")):
            self._try_to_add(file, self._add_card)
        for file in sorted((folder / "suites").glob("*.yaml")):
            self._try_to_add(file, self._add_suite)

    def _try_to_add(self, file: Path, add: Callable[[Path], None]) -> None:
        try:
            add(file)
        except _NameTakenError as error:
            self._note_error(error.name, error)
        except GoldievalError as error:
            self._note_error(file.stem, error)

    def _note_error(self, name: str, error: GoldievalError) -> None:
        earlier = [self.errors[name]] if name in self.errors else []
        self.errors[name] = "; ".join([*earlier, str(error)])

    def _add_card(self, file: Path) -> None:
        task = load_card(file)
        if task.name in self.tasks:
            other = self.tasks[task.name].file
            raise _NameTakenError(task.name, f"{file}: task {task.name!r} already exists in {other}.")
        if task.name in self.suites:
            raise _NameTakenError(task.name, f"{file}: {task.name!r} is the name of a suite and of a task. Rename one.")
        self.tasks[task.name] = task

    def _add_suite(self, file: Path) -> None:
        suite = load_suite(file)
        name = suite.suite
        if name in self.suites:
            raise _NameTakenError(name, f"{file}: a suite {name!r} exists already; its content is fixed.")
        if name in self.tasks:
            raise _NameTakenError(name, f"{file}: {name!r} is the name of a suite and of a task. Rename one.")
        self.suites[name] = suite
        self._suite_files[name] = file

    def _add_averages(self, suite: Suite) -> None:
        """Add the averages of a suite; a suite with a wrong one cannot be used."""
        names = [each.name for each in suite.averages]
        taken = [name for name in names if {name} & {*self.averages, *self.tasks} or names.count(name) > 1]
        unread = [task for task in suite.tasks if task in self.errors]
        faults = [f"average {name}: this name is taken." for name in taken]
        faults += [fault for each in suite.averages if (fault := fault_of(each, self.tasks))]
        if faults and not unread:
            del self.suites[suite.suite]
            self.errors[suite.suite] = f"{self._suite_files[suite.suite]}: {faults[0]}"
        elif not faults:
            shipped = self._suite_files[suite.suite].parent == packaged("tasks") / "suites"
            averages = [each.of_shipped(suite.suite) if shipped else each for each in suite.averages]
            self.averages |= {each.name: each for each in averages}

    def select(self, names: Iterable[str], home: str = "") -> Selection:
        """Resolve suites, task ids, globs over ids, and paths of cards.

        Args:
            names: what to resolve.
            home: the built-in world that the model was trained for; empty if none.

        Raises:
            GoldievalError: a name is none of these (similar names are suggested), or none of the cards can be read.
        """
        selection = Selection()
        for name in names:
            if name in self.errors:
                selection.errors[name] = self.errors[name]
            elif name in self.suites:
                self._select_suite(self.suites[name], home, selection)
            else:
                tasks = self._select_by_name(name, selection)
                selection.by_name.update(task.name for task in tasks)
                selection.tasks += tasks
        if selection.errors and not selection.tasks:
            raise GoldievalError("; ".join(selection.errors.values()))
        selection.tasks = _distinct(selection.tasks)
        selected = {task.name for task in selection.tasks}
        selection.skipped = [(task, reason) for task, reason in selection.skipped if task.name not in selected]
        complete = [each for each in self.averages.values() if selected.issuperset(each.tasks)]
        averages = {average.name: average for average in [*selection.averages, *complete]}
        selection.averages = list(averages.values())
        return selection

    def _select_suite(self, suite: Suite, home: str, selection: Selection) -> None:
        tasks = self._readable(suite.tasks, suite, selection)
        if home not in suite.home:
            selection.tasks += tasks
            selection.averages += [each for each in suite.averages if each.name in self.averages]
            return
        replacement = suite.home[home]
        selection.tasks += self._readable(replacement.tasks, suite, selection)
        selection.headings |= dict.fromkeys(replacement.tasks, replacement.heading)
        reason = f"this model was trained for the built-in {home} world"
        selection.skipped += [(task, reason) for task in tasks]

    def _readable(self, names: list[str], suite: Suite, selection: Selection) -> list[Task]:
        """Return the tasks of a suite whose cards can be read, and note the errors of the others."""
        for name in names:
            if name not in self.tasks and name not in self.errors:
                raise GoldievalError(f"suite {suite.suite}: no task {name!r}.{did_you_mean(name, self.tasks)}")
            if name not in self.tasks:
                selection.errors[name] = self.errors[name]
        return [self.tasks[name] for name in names if name in self.tasks]

    def _select_by_name(self, name: str, selection: Selection) -> list[Task]:
        """Return the tasks of a path, a glob or an id. Raises GoldievalError for a name that does not exist."""
        if name.endswith((".yaml", ".yml")) or "/" in name:
            try:
                return [load_card(Path(name))]
            except GoldievalError as error:
                selection.errors[name] = str(error)
                return []
        if glob.has_magic(name) and (matches := fnmatch.filter(self.tasks, name)):
            return [self.tasks[match] for match in matches]
        if name not in self.tasks:
            hint = did_you_mean(name, [*self.tasks, *self.suites])
            unreadable = f" Not read: {listing(self.errors.values(), 1)}." if self.errors else ""
            raise GoldievalError(f"no task or suite {name!r}.{hint}{unreadable} See: goldieval ls tasks")
        return [self.tasks[name]]


def command_name(task: Task) -> str:
    """Return the name of a task for use in any command: its id if it is shipped, else the path of its card."""
    return task.name if is_shipped(task) else shell_argument(str(task.file))


def is_shipped(task: Task) -> bool:
    """Return whether a task is one of this package or of an installed plug-in, so that its name suffices."""
    return task.file.parent == packaged("tasks") or task.file.parent in plugin_folders()


def _distinct(tasks: list[Task]) -> list[Task]:
    """Return each task once. Raises GoldievalError for two cards of one name, whose records would share a file."""
    by_name: dict[str, Task] = {}
    for task in tasks:
        first = by_name.setdefault(task.name, task)
        if first.file.resolve() != task.file.resolve():
            raise GoldievalError(f"{first.file} and {task.file} are both named {task.name!r}. Rename one.")
    return list(by_name.values())


def load_task(name: str | Path, tasks_dir: str | Path | None = None) -> Task:
    """Return one task by id or by the path of its card.

    Raises:
        GoldievalError: the id does not exist, the card is invalid, or the name is that of several tasks.
    """
    tasks = Catalogue(tasks_dir).select([str(name)]).tasks
    if len(tasks) != 1:
        raise GoldievalError(f"{name!r} names {len(tasks)} tasks, not one.")
    return tasks[0]
