"""``goldieval run --config FILE``: models, tasks and options of a run in a YAML file that can be committed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

from goldieval.core.errors import GoldievalError, did_you_mean

META = "goldieval.config"  # where the context of the command keeps the file
LEFT_OUT = ("config", "context", "return")  # of the parameters of the command: what a file cannot have
SYNONYMS = {"models": "model", "task": "tasks"}
KINDS: dict[Any, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
}


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
    config = RunConfig(file, read_config(file))
    context.meta[META] = config
    context.default_map = {**(context.default_map or {}), **config.values}
    return file


def is_given(context: typer.Context, name: str, file: bool = True) -> bool:
    """Return whether a parameter has a value on the command line, or in a configuration file if that counts.

    Args:
        context: the context of the command.
        name: name of the parameter.
        file: whether a configuration file counts.
    """
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", *(["DEFAULT_MAP"] if file else []))


def source_of(error: Any) -> str:
    """Return which file a wrong value comes from, in parentheses; empty if it was typed.

    Args:
        error: an error of typer about the value of a parameter.
    """
    context: typer.Context | None = getattr(error, "ctx", None)
    config = context.meta.get(META) if context is not None else None
    name = str(getattr(getattr(error, "param", None), "name", ""))
    if context is None or config is None or name not in config.values or is_given(context, name, file=False):
        return ""
    return f" ({_key(name)} in {config.file})"


def config_of(context: typer.Context) -> RunConfig | None:
    """Return the configuration file of a command and what the command line replaces in it; None without one."""
    config: RunConfig | None = context.meta.get(META)
    if config is None:
        return None
    given = {name: context.params[name] for name in config.values if is_given(context, name, file=False)}
    return RunConfig(config.file, config.values, given)


def read_config(file: Path) -> dict[str, Any]:
    """Return the values of a configuration file by parameter of ``goldieval run``.

    Numbers out of range are reported when typer checks all values of the command.

    Raises:
        GoldievalError: the file cannot be read, or has an unknown key or a value of another type.
    """
    from goldieval.cli.config_paths import rebased
    from goldieval.core.yaml_files import read_yaml

    types = _types()
    values: dict[str, Any] = {}
    for written, value in read_yaml(file).items():
        key = str(written).replace("_", "-")
        key = SYNONYMS.get(key, key)
        if key not in types:
            hint = did_you_mean(key, [*types, *SYNONYMS]) or " Its keys are the options of goldieval run."
            raise GoldievalError(f"{file}: unknown key {str(written)!r}.{hint} See: goldieval run --help")
        parameter, kind = types[key]
        if parameter in values:
            raise GoldievalError(f"{file}: {written} is given twice, under two spellings.")
        if value is not None:
            checked = _checked(value, key, kind, f"{file}: {written}")
            values[parameter] = rebased(checked, key, kind is Path, file.parent)
    return values


def _types() -> dict[str, tuple[str, Any]]:
    """Return parameter and type of each option of ``goldieval run``, by key; of a list, the type ``list``."""
    from goldieval.cli.run import run

    found: dict[str, tuple[str, Any]] = {}
    for name, hint in get_type_hints(run).items():
        kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
        if name not in LEFT_OUT:
            found[_key(name)] = name, list if get_origin(hint) is list else kinds[0]
    return found


def _checked(value: Any, key: str, kind: Any, where: str) -> Any:
    """Return a value in the form that the command line has. Raises GoldievalError for a value of another type."""
    if key == "set" and isinstance(value, dict):
        return [f"{name}={_json(each, where)}" for name, each in value.items()]
    if isinstance(value, list) and kind is not list:
        raise GoldievalError(f"{where}: one value is expected, not a list.")
    values = value if isinstance(value, list) else [value]
    if not values:
        raise GoldievalError(f"{where}: the list is empty.")
    wanted, accepted = KINDS.get(kind, ("text; write it in quotes", (str,)))
    for each in values:
        if not isinstance(each, accepted) or (isinstance(each, bool) and kind is not bool):
            raise GoldievalError(f"{where}: {each!r} is not {wanted}.")
    return values if kind is list else value


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
