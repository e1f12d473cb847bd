"""Names to cards, suites and model families."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from helpers import card

from goldieval.core.errors import GoldievalError
from goldieval.tasks.catalogue import Catalogue, Selection, load_task
from goldieval.tasks.plugins import describe_family, model_families

REAL_RETRIEVAL = ["coco-karpathy", "flickr30k-test"]


def _names(selection: Selection) -> list[str]:
    return [task.name for task in selection.tasks]


def test_task_is_selected_by_id_and_counts_as_named() -> None:
    selection = Catalogue().select(["cifar10"])
    assert _names(selection) == ["cifar10"] and selection.by_name == {"cifar10"}


def test_tasks_are_selected_by_glob() -> None:
    assert sorted(_names(Catalogue().select(["coco-val*", "cifar10?", "iiw-*"]))) == [
        "cifar100",
        "coco-val2017",
        "coco-val2017-first5",
        "iiw-fg",
        "iiw-long",
    ]


def test_suite_is_its_list_in_its_order_and_names_no_task_by_itself() -> None:
    selection = Catalogue().select(["retrieval"])
    assert _names(selection) == REAL_RETRIEVAL
    assert not selection.by_name and not selection.skipped and not selection.headings


def test_card_is_selected_by_path(tmp_path: Path) -> None:
    assert _names(Catalogue().select([str(card(tmp_path))])) == ["mine"]
    assert load_task(str(card(tmp_path))).file == tmp_path / "card.yaml"


def test_task_that_is_named_twice_runs_once() -> None:
    assert _names(Catalogue().select(["cifar10", "zeroshot", "cifar1?"])).count("cifar10") == 1


def test_two_cards_of_one_name_in_one_run_are_refused(tmp_path: Path) -> None:
    files = [str(card(tmp_path / place, protocol=place)) for place in ("a", "b")]
    with pytest.raises(GoldievalError, match="mine"):
        Catalogue().select(files)


@pytest.mark.parametrize(
    ("typed", "meant"), [("cifar11", "cifar10"), ("coco-karpaty", "coco-karpathy"), ("retreival", "retrieval")]
)
def test_unknown_name_suggests_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(GoldievalError, match=rf"{typed}.*Did you mean .*{meant}") as caught:
        Catalogue().select([typed])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["zzz*", "no/such/card.yaml", "card.yml"])
def test_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(GoldievalError, match=r"zzz|card\.y"):
        Catalogue().select([name])


def test_one_task_cannot_be_loaded_from_a_suite() -> None:
    with pytest.raises(GoldievalError, match="2 tasks"):
        load_task("retrieval")


def test_model_at_home_in_shapes_meets_shapes_and_lists_the_real_tasks() -> None:
    selection = Catalogue().select(["retrieval", "zeroshot"], home="shapes")
    assert _names(selection) == ["shapes-retrieval", "shapes-zeroshot"]
    assert all("says nothing about" in selection.headings[name] for name in _names(selection))
    skipped = [task.name for task, _ in selection.skipped]
    assert skipped[:2] == REAL_RETRIEVAL and len(skipped) == 2 + 13


@pytest.mark.parametrize("home", ["", "elsewhere"])
def test_other_models_meet_shapes_only_by_name(home: str) -> None:
    catalogue = Catalogue()
    for suite in set(catalogue.suites) - {"shapes"}:
        assert not any(name.startswith("shapes") for name in _names(catalogue.select([suite], home)))
    assert _names(catalogue.select(["shapes-zeroshot"], home)) == ["shapes-zeroshot"]
    drawn = [name for name in catalogue.tasks if name.startswith("shapes-")]
    assert len(drawn) > 9 and sorted(_names(catalogue.select(["shapes"], home))) == sorted(drawn)


def test_real_task_named_beside_its_suite_is_run_at_home_too() -> None:
    selection = Catalogue().select(["retrieval", "coco-karpathy"], home="shapes")
    assert _names(selection) == ["shapes-retrieval", "coco-karpathy"]
    assert [task.name for task, _ in selection.skipped] == ["flickr30k-test"]


def test_user_folder_adds_tasks_and_suites(tmp_path: Path) -> None:
    card(tmp_path)
    _suite(tmp_path, "ours", ["mine", "cifar10"])
    catalogue = Catalogue(tmp_path)
    assert _names(catalogue.select(["mine"])) == ["mine"]
    assert _names(catalogue.select(["ours"])) == ["mine", "cifar10"]


def test_missing_user_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError, match="nowhere"):
        Catalogue(tmp_path / "nowhere")


def test_task_name_that_exists_already_is_refused(tmp_path: Path) -> None:
    card(tmp_path, name="cifar10")
    with pytest.raises(GoldievalError, match=r"card\.yaml.*'cifar10' already exists in .*cifar10\.yaml"):
        Catalogue(tmp_path).select(["cifar10"])


def test_suite_name_that_exists_already_is_refused(tmp_path: Path) -> None:
    _suite(tmp_path, "retrieval", ["cifar10"])
    with pytest.raises(GoldievalError, match="a suite 'retrieval' exists already"):
        Catalogue(tmp_path).select(["retrieval"])


def test_task_that_a_suite_of_its_name_would_hide_is_refused(tmp_path: Path) -> None:
    card(tmp_path, name="retrieval")
    with pytest.raises(GoldievalError, match="'retrieval' is the name of a suite and of a task"):
        Catalogue(tmp_path).select(["retrieval"])


def test_suite_of_an_unknown_task_is_refused_with_the_nearest(tmp_path: Path) -> None:
    _suite(tmp_path, "ours", ["cifar11"])
    with pytest.raises(GoldievalError, match=r"suite ours: no task 'cifar11'.*cifar10"):
        Catalogue(tmp_path).select(["ours"])


def test_fault_in_a_suite_is_one_line_with_file_and_key(tmp_path: Path) -> None:
    _suite(tmp_path, "ours", ["cifar10"], colour="red")
    with pytest.raises(GoldievalError, match=r"ours\.yaml: colour: unknown key"):
        Catalogue(tmp_path).select(["ours"])


def test_one_bad_card_leaves_the_others(tmp_path: Path) -> None:
    card(tmp_path, name="good")
    (tmp_path / "bad.yaml").write_text("name: [")
    catalogue = Catalogue(tmp_path)
    assert "good" in catalogue.tasks and "cifar10" in catalogue.tasks and list(catalogue.errors) == ["bad"]
    found = catalogue.select(["good", "bad", str(tmp_path / "bad.yaml"), str(tmp_path / "gone.yaml")])
    assert [task.name for task in found.tasks] == ["good"] and len(found.errors) == 3
    assert all("bad.yaml" in why or "gone.yaml" in why for why in found.errors.values())
    with pytest.raises(GoldievalError, match=r"bad\.yaml:.*invalid YAML"):
        catalogue.select(["bad"])


def test_suite_with_one_bad_card_has_the_others(tmp_path: Path) -> None:
    _suite(tmp_path, "ours", ["cifar10", "bad"])
    (tmp_path / "bad.yaml").write_text("name: [")
    found = Catalogue(tmp_path).select(["ours"])
    assert [task.name for task in found.tasks] == ["cifar10"] and list(found.errors) == ["bad"]


def _suite(folder: Path, name: str, tasks: list[str], **more: str) -> None:
    (folder / "suites").mkdir(parents=True)
    text = yaml.safe_dump({"suite": name, "title": "Ours", "tasks": tasks} | more)
    (folder / "suites" / f"{name}.yaml").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages. What a test imports from there is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    model_families.cache_clear()
    yield folder
    model_families.cache_clear()
    for name in [name for name in sys.modules if name.startswith("plug")]:
        del sys.modules[name]


def _install(site: Path, group: str, value: str, name: str = "plug") -> None:
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


def test_installed_package_adds_tasks(site: Path) -> None:
    card(site / "plug_cards")
    (site / "plug_cards" / "__init__.py").touch()
    _install(site, "goldieval.tasks", "plug_cards")
    assert _names(Catalogue().select(["mine"])) == ["mine"]


def test_cards_of_an_installed_package_are_found_without_importing_it(site: Path) -> None:
    card(site / "plug_pack" / "cards")
    for folder in (site / "plug_pack", site / "plug_pack" / "cards"):
        (folder / "__init__.py").write_text("raise SystemExit('imported')\n")
    _install(site, "goldieval.tasks", "plug_pack.cards")
    assert "mine" in Catalogue().tasks


ADAPTER = '"""A plugged-in family."""\n\n\ndef load(spec, options):\n    return "the model"\n'


def test_installed_package_adds_a_model_family(site: Path) -> None:
    (site / "plug_model.py").write_text(ADAPTER)
    _install(site, "goldieval.models", "plug_model:load")
    assert {"plug", "random", "open_clip", "embeddings"} <= set(model_families())
    assert model_families()["plug"].load()(None, None) == "the model"


def test_plug_in_cannot_replace_a_shipped_family(site: Path) -> None:
    (site / "plug_model.py").write_text(ADAPTER)
    _install(site, "goldieval.models", "plug_model:load", name="random")
    assert model_families()["random"].module == "model_adapters.random"


@pytest.mark.parametrize("module", ["plug_model", "plug_pack.model", "plug_pack.deep.model"])
def test_family_is_described_without_importing_it(site: Path, module: str) -> None:
    *parents, _ = module.split(".")
    (site.joinpath(*parents)).mkdir(parents=True, exist_ok=True)
    for depth in range(len(parents)):
        site.joinpath(*parents[: depth + 1], "__init__.py").write_text("raise SystemExit('imported')\n")
    site.joinpath(*module.split(".")).with_suffix(".py").write_text(ADAPTER + "raise SystemExit('imported')\n")
    _install(site, "goldieval.models", f"{module}:load")
    assert describe_family(model_families()["plug"]) == "A plugged-in family."


def test_family_whose_file_is_gone_is_described_by_nothing(site: Path) -> None:
    _install(site, "goldieval.models", "plug_gone:load")
    assert describe_family(model_families()["plug"]) == ""


@pytest.mark.parametrize("family", ["random", "open_clip", "embeddings"])
def test_shipped_family_has_a_line_about_itself(family: str) -> None:
    assert describe_family(model_families()[family])
