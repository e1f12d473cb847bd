"""Recipes as YAML files: shipped ones by name, model sizes, recipes that extend others, and ``--set``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.core.paths import inside
from goldieval.core.yaml_files import read_yaml
from goldieval.goldiclip.data.addresses import runs_commands, shown
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_data import OF_SCENES
from goldieval.tasks.validation import validation_line

HERE = Path(__file__).parent
RECIPES, SIZES = HERE / "recipes", HERE / "sizes.yaml"


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes; files that begin with an underscore are there to be extended."""
    files = (file.relative_to(RECIPES) for file in RECIPES.rglob("*.yaml"))
    return sorted(file.with_suffix("").as_posix() for file in files if not file.name.startswith("_"))


def load_recipe(name: str, changes: dict[str, Any] | None = None, allow_commands: bool = False) -> Recipe:
    """Read a shipped recipe by name, or any recipe by path.

    ``extends: NAME`` in a recipe inherits from another shipped recipe: objectives and plain values are replaced, the
    other parts are merged key by key; a list of objectives takes these with the weights that they were last given.
    What only drawn scenes have, which of them are used and exchanged backgrounds, is not inherited by other data.
    ``model.size`` fills in the values of a size.

    Args:
        name: Name of a shipped recipe, or path of a YAML file.
        changes: Values by dotted key, such as ``optimiser.lr``.
        allow_commands: Whether ``data.path`` of the file may run commands (``pipe:``); that of ``changes`` may.

    Raises:
        GoldievalError: The recipe is wrong, one line names it and each wrong key; or it would run a command.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else inside(RECIPES, f"{name}.yaml")
    if not file.is_file():
        raise GoldievalError(_no_recipe(name, file))
    content = _extended(file)
    if changes:
        _drop_what_scenes_have(content, {"source": changes.get("data.source", "shapes")})
        for key, value in changes.items():
            _set(content, key.split("."), value)
    content["model"] = _sized(content.get("model"), file)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        with_these = f" with --set {listing(changes)}" if changes else ""
        near = "".join(_suggestion(key, content) for key in changes or () if _is_unknown(key, error))
        raise GoldievalError(f"recipe {name}{with_these}: {validation_line(error)}.{near}") from None
    if runs_commands(recipe.data.path) and not (allow_commands or {"data", "data.path"} & {*(changes or ())}):
        raise GoldievalError(
            f"recipe {name}: data.path runs a command ({shown(recipe.data.path)}). If you trust the recipe, allow it "
            "with --allow-commands."
        )
    return recipe


def _no_recipe(name: str, file: Path) -> str:
    if name.endswith((".yaml", ".yml")):
        return f"no file {file}." if not file.exists() else f"{file} is no file."
    known = recipe_names()
    return f"no recipe {name!r}.{did_you_mean(name, known)} There is {', '.join(known)}."


def _is_unknown(key: str, error: ValidationError) -> bool:
    faults = error.errors(include_url=False)
    return any(each["type"] == "extra_forbidden" and ".".join(map(str, each["loc"])) == key for each in faults)


def _suggestion(key: str, content: dict[str, Any]) -> str:
    """Suggest the dotted keys that a mistyped key, or one without its part, may have meant."""
    known = {f"{part}.{inner}" for part, values in content.items() if isinstance(values, dict) for inner in values}
    known = {*known, *content} - {key}
    names = {each.rpartition(".")[2] for each in known}
    near = difflib.get_close_matches(key.rpartition(".")[2], names, n=1, cutoff=0.5)
    meant = sorted(each for each in known if each.rpartition(".")[2] in near)
    return f" Did you mean {', '.join(meant)}?" if meant else ""


def _extended(file: Path) -> dict[str, Any]:
    """Return the content of a recipe with what it inherits."""
    merged: dict[str, Any] = {}
    weights: dict[str, Any] = {}  # of the objectives, as they were last given
    for source, content in _lineage(file):
        _drop_what_scenes_have(merged, content.get("data"))
        objectives = content.get("objectives")
        if isinstance(objectives, list):
            content["objectives"] = _weighted(objectives, weights, source)
        elif isinstance(objectives, dict):
            weights |= objectives
        for key, value in content.items():
            part = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "objectives"
            merged[key] = {**merged[key], **value} if part else value
    return merged


def _lineage(file: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return a recipe file after those that it extends, each with its content."""
    lineage: list[tuple[Path, dict[str, Any]]] = []
    while True:
        content = read_yaml(file)
        name = content.pop("extends", None)
        lineage.insert(0, (file, content))
        if name is None:
            return lineage
        parent = inside(RECIPES, f"{name}.yaml")
        if not parent.is_file() or parent in [source for source, _ in lineage]:
            raise GoldievalError(
                f"{file}: extends names {parent.stem}, which is not a shipped recipe, or extends this one."
            )
        file = parent


def _weighted(names: list[Any], weights: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the objectives of a list with the weights that the recipes above give them."""
    if unknown := [name for name in names if not isinstance(name, str) or name not in weights]:
        raise GoldievalError(
            f"{file}: objectives names {unknown[0]}, to which no recipe that it extends gives a weight; they weigh "
            f"{', '.join(weights) or 'none'}."
        )
    return {name: weights[name] for name in names}


def _drop_what_scenes_have(content: dict[str, Any], data: Any) -> None:
    """Remove what only drawn scenes have from a recipe whose ``data`` are files."""
    if isinstance(data, dict) and data.get("source", "shapes") != "shapes" and isinstance(content.get("data"), dict):
        for key in OF_SCENES:
            content["data"].pop(key, None)


def _sized(model: Any, file: Path) -> Any:
    """Return the model with the values of the size that ``model.size`` names."""
    if not isinstance(model, dict) or "size" not in model:
        return model or {}
    sizes = read_yaml(SIZES)
    size = str(model["size"])
    if size not in sizes:
        raise GoldievalError(f"{file}: model.size {size!r} is none of {', '.join(sizes)}.{did_you_mean(size, sizes)}")
    return {**sizes[size], **{key: value for key, value in model.items() if key != "size"}}


def _set(content: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = content.setdefault(part, {})
        if not isinstance(inner, dict):
            raise GoldievalError(f"--set {'.'.join(path)}: {part} has no keys.")
        content = inner
    content[path[-1]] = value
