"""``goldieval run --config FILE``: models, tasks and options of a run in a YAML file that can be committed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from goldieval.core.errors import GoldievalError, did_you_mean

META = "goldieval.config"  # where the context of the command keeps the file
LEFT_OUT = ("config", "help")  # options that a file cannot have
SYNONYMS = {"models": "model", "task": "tasks"}
TYPES = {"boolean": "true or false", "integer": "a whole number", "float": "a number"}


@dataclass(frozen=True)
class RunConfig:
    """A configuration file of a run.

    Attributes:
        file: the file.
        values: value of each parameter that the file sets, by its name in the command, with paths resolved.
        overridden: name to value on the command line, of parameters that are also given there.
    """

    file: Path
    values: dict[str, Any]
    overridden: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return one line for the plan: which file, and what the command line replaces in it."""
        replaced = [
            f"--{_key(name)} {_shown(value)} replaces {_shown(self.values[name])}"
            for name, value in self.overridden.items()
        ]
        return "; ".join([f"config {self.file}", *replaced])

    def arguments(self) -> tuple[str, ...]:
        """Return the settings of the file as arguments, without those that the command line replaces."""
        settings = {name: value for name, value in self.values.items() if name not in self.overridden}
        return tuple(argument for name, value in settings.items() for argument in _arguments(_key(name), value))


def use_config(context: typer.Context, file: Path | None) -> Path | None:
    """Make the values of a configuration file the defaults of a command; the callback of ``--config``.

    Raises:
        GoldievalError: the file cannot be read, or has an unknown key or a wrong value.
    """
    if file is None or context.resilient_parsing:
        return file
    config = RunConfig(file, read_config(file, context))
    context.meta[META] = config
    context.default_map = {**(context.default_map or {}), **config.values}
    return file


def config_of(context: typer.Context) -> RunConfig | None:
    """Return the configuration file of a command and what the command line replaces in it; None without one."""
    config: RunConfig | None = context.meta.get(META)
    if config is None:
        return None
    given = {name: context.params[name] for name in config.values if _on_command_line(context, name)}
    return RunConfig(config.file, config.values, given)


def read_config(file: Path, context: typer.Context) -> dict[str, Any]:
    """Return the values of a configuration file by parameter, checked as on the command line.

    Args:
        file: the file.
        context: the context of the command, whose options are the keys.

    Raises:
        GoldievalError: the file cannot be read, or has an unknown key or a wrong value.
    """
    from goldieval.cli.config_paths import rebased
    from goldieval.core.yaml_files import read_yaml

    parameters = {_key(each.name or ""): each for each in context.command.params if each.name not in LEFT_OUT}
    values: dict[str, Any] = {}
    for written, value in read_yaml(file).items():
        key = str(written).replace("_", "-")
        key = SYNONYMS.get(key, key)
        if key not in parameters:
            hint = did_you_mean(key, [*parameters, *SYNONYMS]) or " Its keys are the options of goldieval run."
            raise GoldievalError(f"{file}: unknown key {str(written)!r}.{hint} See: goldieval run --help")
        parameter = parameters[key]
        if str(parameter.name) in values:
            raise GoldievalError(f"{file}: {written} is given twice, under two spellings.")
        if value is not None:
            checked = _checked(value, key, parameter, f"{file}: {written}", context)
            values[str(parameter.name)] = rebased(checked, key, parameter.type.name, file.parent)
    return values


def _checked(value: Any, key: str, parameter: Any, where: str, context: typer.Context) -> Any:
    """Return a value in the form that the command line has. Raises GoldievalError for a value of another type."""
    if key == "set" and isinstance(value, dict):
        return [f"{name}={_json(each, where)}" for name, each in value.items()]
    several = bool(getattr(parameter, "multiple", False))
    if isinstance(value, list) and not several:
        raise GoldievalError(f"{where}: one value is expected, not a list.")
    values = value if isinstance(value, list) else [value]
    if not values:
        raise GoldievalError(f"{where}: the list is empty.")
    for each in values:
        _check_type(each, parameter, where, context)
    return values if several else value


def _check_type(value: Any, parameter: Any, where: str, context: typer.Context) -> None:
    kind = parameter.type.name.removesuffix(" range")
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "boolean": isinstance(value, bool),
        "integer": whole,
        "float": whole or isinstance(value, float),
    }.get(kind, isinstance(value, str))
    if not fits:
        raise GoldievalError(f"{where}: {value!r} is not {TYPES.get(kind, 'text; write it in quotes')}.")
    try:
        parameter.type.convert(value, parameter, context)
    except Exception as error:
        if not hasattr(error, "format_message"):  # the errors of click, and of the copy of it in typer
            raise
        raise GoldievalError(f"{where}: {getattr(error, 'message', error)}") from None


def _json(value: Any, where: str) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise GoldievalError(f"{where}: {value!r} cannot be a value of a parameter.") from None


def _key(name: str) -> str:
    """Return the name of an option without its dashes, given its parameter's name.

    >>> _key("data_dir"), _key("set_")
    ('data-dir', 'set')
    """
    return name.rstrip("_").replace("_", "-")


def _arguments(key: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{key}"] if value else []
    values = value if isinstance(value, list) else [value]
    return [argument for each in values for argument in (f"--{key}", str(each))]


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
