"""The plan of the study ``goldilocks``: ``plan.yaml``, typed, and the runs that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from trainings import Planned

from goldieval.core.yaml_files import read_yaml
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.recipe_parts import Optimiser
from goldieval.tasks.validation import validation_line
from goldilocks_study.plan_types import AtTheEnd, Claim, Gate, Group, Part, Stage, Start, Validation

FILE = Path(__file__).with_name("plan.yaml")


class Plan(Part):
    """The whole plan.

    Attributes:
        start: what all rows begin with.
        length: steps of a row.
        evaluations: evaluations of a run on its way.
        validation: what is evaluated on scenes of the validation split.
        at_the_end: what is evaluated for the tables.
        pools: task of retrieval to the number of scenes among which it is, in all evaluations; all by default.
        rows: row to its recipe.
        groups: groups of runs by name.
        gate: what has to hold for a table to be printed.
        claims: what the study must show.
    """

    start: Start
    length: int
    evaluations: int
    validation: Validation
    at_the_end: AtTheEnd
    pools: dict[str, int]
    rows: dict[str, str]
    groups: dict[str, Group]
    gate: Gate
    claims: list[Claim]

    @model_validator(mode="after")
    def _rows_exist(self) -> Plan:
        named = [(where, row) for where, group in self.groups.items() for row in [*group.rows, group.as_long_as]]
        named += [(w, row) for w, group in self.groups.items() for v in group.variants.values() for row in v.rows or ()]
        if unknown := [f"{where} names row {row}" for where, row in named if row and row not in self.rows]:
            raise ValueError(f"{unknown[0]}; there are {', '.join(self.rows)}")
        return self

    def groups_of(self, stage: Stage, only: str = "") -> dict[str, Group]:
        """Return the groups of a stage with runs whose names may begin with ``only``."""
        return {
            name: group
            for name, group in self.groups.items()
            if group.stage == stage and (f"{name}-".startswith(only) or only.startswith(f"{name}-"))
        }

    def of_stage(
        self, stage: Stage, rates: Mapping[str, float], start: Path, steps: int | None, only: str = ""
    ) -> list[Planned]:
        """Return the runs of a stage, first one seed of everything, then the next.

        Args:
            stage: the stage.
            rates: processor seconds per step of a row, for rows of equal processor time.
            start: checkpoint that all begin with.
            steps: steps of the longest runs, for a trial; None for those of the plan.
            only: what their names begin with.
        """
        groups = self.groups_of(stage, only)
        most = max((seeds for group in groups.values() for seeds in group.rows.values()), default=0)
        runs = [
            self._planned(name, row, variant, group.first_seed + number, rates, start, steps)
            for number in range(most)
            for name, group in groups.items()
            for row, variant in _cells(group)
            if number < group.rows[row]
        ]
        return [run for run in runs if run.name.startswith(only)]

    def _planned(
        self, name: str, row: str, variant: str, seed: int, rates: Mapping[str, float], start: Path, trial: int | None
    ) -> Planned:
        group = self.groups[name]
        own, recipe = group.variants[variant], self.rows[row]
        base = load_recipe(recipe)
        batch = own.batch or base.optimiser.batch_size
        steps = own.steps or (own.images // batch if own.images else self.length)
        if group.as_long_as:
            steps = round(steps * rates[group.as_long_as] / rates[row])
        if trial:
            steps = min(steps, trial)
        every = math.ceil(steps / self.evaluations)
        changes = {**group.changes, **own.changes, **_batch_changes(batch, base.optimiser)}
        changes |= {"data.scenes": own.scenes} if own.scenes else {}
        changes |= {"seed": seed, "init": str(start), "optimiser.steps": steps}
        changes |= {"save_every": every, "keep": self.evaluations + 2}
        label = f"{row}-{variant}" if variant else row
        about = {"row": label, "group": name, "seed": seed, "scenes": own.scenes or base.data.scenes}
        return Planned(f"{name}-{label}-seed{seed}", recipe, changes, about)


def _cells(group: Group) -> Iterator[tuple[str, str]]:
    for variant, own in group.variants.items():
        yield from ((row, variant) for row in group.rows if own.rows is None or row in own.rows)


def _batch_changes(batch: int, optimiser: Optimiser) -> dict[str, Any]:
    ratio = batch / optimiser.batch_size
    if ratio == 1:
        return {}
    rates = {name: getattr(optimiser, name) for name in ("lr", "muon_lr")}
    return {
        "optimiser.batch_size": batch,
        **{f"optimiser.{name}": rate * ratio**0.5 for name, rate in rates.items() if rate is not None},
        "optimiser.warm_up": max(1, round(optimiser.warm_up / ratio)),
    }


def rows_with_rates(groups: Sequence[Group]) -> list[str]:
    """Return the rows whose processor seconds per step must be known, in order."""
    timed = [group for group in groups if group.as_long_as]
    return list(dict.fromkeys(row for group in timed for row in [*group.rows, group.as_long_as]))


def load_plan(file: Path = FILE) -> Plan:
    """Read the plan; a mistake in it ends the program with one line."""
    try:
        return Plan.model_validate(read_yaml(file))
    except ValidationError as error:
        raise SystemExit(f"{file}: {validation_line(error)}") from None
