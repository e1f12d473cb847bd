"""Tables: what ships, which rows they have and what never shares a column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line, retrieval_embeddings
from synthetic_records import made, sha
from table_cases import cells, spec, table

from goldieval.report.built_table import build_table
from goldieval.report.formats.footer import legend
from goldieval.report.published import load_published
from goldieval.report.table_spec import Column, load_spec, shipped_specs

pytestmark = pytest.mark.usefixtures("here")


RECON = {"notice": "GoldiCLIP-R (reconstruction): ours, not the paper's", "recipe": "goldiclip-b16"}


# What ships


@pytest.mark.parametrize("name", shipped_specs())
def test_every_shipped_table_names_published_models_and_columns_that_exist(name: str) -> None:
    loaded, published = load_spec(name), load_published()
    assert loaded.table == name
    groups = [*loaded.groups, *(group for panel in loaded.panels for group in panel.groups)]
    assert [model for group in groups for model in group.published if model not in published.models] == []
    made_of = [column for panel in loaded.panels for column in panel.columns if isinstance(column, Column)]
    assert [column.protocol for column in made_of if column.protocol and column.protocol not in protocols(column)] == []
    faults = [
        fault for fault in build_table(loaded, []).grid.faults if "-probe'" not in fault
    ]  # cards of another family
    assert faults == []


def protocols(column: Column) -> set[str]:
    scores = load_published().scores
    return {score.protocol for score in scores if score.metric == column.metric}


def test_the_tables_that_papers_have_are_there() -> None:
    paper = {f"goldiclip-{name}" for name in ("retrieval", "fine-grained", "long", "question", "classification")}
    paper |= {f"superclip-{name}" for name in ("zeroshot", "caption-mix", "vision", "llava")}
    assert paper | {
        "goldiclip-segmentation",
        "shapes",
        "ablation",
        "methods",
        "superclip-batches",
        "goldilocks",
        "leaderboard",
        "datacomp-38",
        "compositional",
        "fine-grained-2026",
        "small-data",
    } == set(shipped_specs())


def test_n_says_what_it_counts_where_that_is_not_images() -> None:
    """Of VALSE's plurals the card states the pictures, of counting only the items are known."""
    grid = build_table(load_spec("compositional"), []).grid
    (panel,) = (panel for panel in grid.panels if panel.title == "VALSE")
    found = dict(zip(panel.columns, panel.n, strict=True))
    assert (found["plurals"], found["counting balanced"]) == ("803", "868 items")
    assert any(line.startswith("n: ") for line in legend(grid))


def test_columns_of_fgclips_count_have_the_chance_of_their_cards() -> None:
    panel = build_table(load_spec("fine-grained-2026"), []).grid.panels[0]
    found = dict(zip(panel.columns, panel.chance, strict=True))
    assert (found["hard"], found["medium"], found["COCO boxes, 80"]) == ("9.3", "9.1", "1.2")


def test_with_nothing_run_the_published_rows_stand_there_and_the_command() -> None:
    ran = goldieval("table", "goldiclip-retrieval")
    assert ran.code == 0
    assert re.search(r"FLAIR Merged-30M B/16 +53\.3 \[3\] +68\.0 \[3\] +81\.1 \[3\] +94\.7 \[3\]", ran.out)
    assert re.search(r"GoldiCLIP B/16 +– \[1\]", ran.out) and "+2.2 over the best baseline (abstract)" in ran.out
    assert "goldieval run --model MODEL --tasks coco-val2017,flickr30k-val" in ran.err


def test_drawn_scenes_stand_in_their_own_tables_only(tmp_path: Path) -> None:
    shapes, real = made("shapes-retrieval", home="shapes"), made("coco-karpathy")
    names = {name: table(name, shapes, real) for name in ("leaderboard", "shapes")}
    columns = {name: [column for panel in one.grid.panels for column in panel.columns] for name, one in names.items()}
    assert columns["leaderboard"] == ["coco-karpathy T2I R@1"]
    assert "retrieval T2I" in columns["shapes"] and len(names["shapes"].grid.panels) == 1
    mixed = [{"columns": [{"task": task, "metric": "t2i_r1"} for task in ("coco-karpathy", "shapes-retrieval")]}]
    ran = goldieval("table", spec(tmp_path, panels=mixed))
    assert ran.code == 2 and "drawn scenes are never shown with real data" in one_line(ran.err)


# Rows


def test_after_a_real_run_our_rows_stand_in_their_own_group(tmp_path: Path) -> None:
    folder = retrieval_embeddings(tmp_path / "given", name="coco-karpathy-mine")
    goldieval("run", "--model", f"embeddings:{folder}", "--tasks", f"{folder}/card.yaml")
    columns = [{"task": "coco-karpathy-mine", "metric": "t2i_r1", "label": "mine"}]
    ran = goldieval("table", spec(tmp_path, panels=[{"columns": columns}]))
    assert ran.code == 0 and ran.err == ""
    assert re.search(r"ours *\n *embeddings:\S+ +\d+\.\d *\n", ran.out)  # too few queries for an interval


def test_a_reconstruction_has_its_own_name_never_the_papers() -> None:
    grid = table("goldiclip-retrieval", made("coco-val2017", "goldiclip@x.pt", 0.3, **RECON)).grid
    by_kind = {row.name: row.kind for panel in grid.panels for row in panel.rows}
    assert by_kind["GoldiCLIP-R (reconstruction), goldiclip-b16"] == "ours" and by_kind["GoldiCLIP B/16"] == "published"


def test_another_method_of_our_trainer_has_not_the_name_of_the_reconstruction() -> None:
    notice = "goldieval's trainer (reimplementation): CLIP"
    grid = table("goldiclip-retrieval", made("coco-val2017", "c@x.pt", 0.3, notice=notice, recipe="clip-b16")).grid
    assert "goldieval's trainer (reimplementation), clip-b16" in {row.name for part in grid.panels for row in part.rows}


def test_two_checkpoints_of_one_recipe_are_told_apart_and_seeds_can_be_folded(tmp_path: Path) -> None:
    runs = [
        made("shapes-retrieval", f"g@{seed}", 0.3 + seed / 100, notice=RECON["notice"], recipe="ablation/h", seed=seed)
        for seed in (1, 2, 3)
    ]  # fmt: skip
    (panel,) = table("shapes", *runs).grid.panels
    assert len({row.name for row in panel.rows}) == 3
    folded = table("ablation", *runs).grid
    (row,) = folded.panels[1].rows
    score = row.cells[0].score
    assert score and score.value == pytest.approx(0.32) and score.n == 3
    assert score.high is not None and score.high - 0.32 == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-3)
    assert "mean of 3 seeds" in folded.footnotes[row.notes[0] - 1]


def test_a_failed_record_is_a_dash_with_its_reason_until_it_succeeds(tmp_path: Path) -> None:
    failed = made("coco-karpathy", "m", status="failed", reason="no data", metrics={})
    grid = table(spec(tmp_path), failed).grid
    cell = cells(grid.panels[0])["m"]
    assert grid.value(cell) == "–" and "failed: no data" in grid.footnotes[cell.notes[0] - 1]


# What never shares a column


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"precision": "bf16"}, "bf16"),
        ({"scoring": "conditioned"}, "conditioned scoring"),
        ({"limit": 100}, "subset of 100 images"),
        ({"status": "partial", "reason": "3 images unreadable"}, "PARTIAL: 3 images unreadable"),
        ({"protocol": "karpathy + k=[1]"}, "protocol karpathy + k=[1]"),
        ({"version": 2}, "version 2"),
        ({"card_sha256": sha("other")}, "another card of that name"),
        ({"data": sha("other")}, "other data"),
    ],
)
def test_other_settings_never_share_a_column(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    usual = [made("coco-karpathy", name, value) for name, value in (("a", 0.5), ("b", 0.4))]
    odd = made("coco-karpathy", "odd", 0.9, **change)
    main, apart = table(spec(tmp_path), *usual, odd).grid.panels
    assert {"a", "b", "OpenAI CLIP B/16"} <= set(cells(main)) and "odd" not in cells(main)
    assert set(cells(apart)) == {"odd"} and word in apart.title

    allowed = table(spec(tmp_path), *usual, odd, allow=True).grid
    (panel,) = allowed.panels
    cell = cells(panel)["odd"]
    assert not cell.best and word in allowed.footnotes[cell.notes[0] - 1]


def test_nothing_but_a_subset_still_does_not_stand_beside_published_rows(tmp_path: Path) -> None:
    main, apart = table(spec(tmp_path), made("coco-karpathy", "a", limit=50)).grid.panels
    assert {row.kind for row in main.rows} == {"published"} and set(cells(apart)) == {"a"}


def test_published_rows_of_another_protocol_stay_out(tmp_path: Path) -> None:
    column = {"task": "voc20", "metric": "miou", "protocol": "training-free, CSA"}
    groups = [{"title": "published", "published": ["GoldiCLIP B/16", "FLAIR Merged-30M B/16"]}]
    grid = table(spec(tmp_path, panels=[{"columns": [column]}], groups=groups)).grid
    assert set(cells(grid.panels[0])) == {"FLAIR Merged-30M B/16"}
    assert grid.value(cells(grid.panels[0])["FLAIR Merged-30M B/16"]) == "41.0"
