"""Results of other harnesses: their files are read, marked as imported, and unknown names are reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line

from goldieval.report.importing.number import all_names
from goldieval.report.imports import read_imports
from goldieval.tasks.catalogue import Catalogue

ZEROSHOT = {
    "dataset": "wds/vtab/pets", "model": "ViT-B-16", "pretrained": "openai", "task": "zeroshot_classification",
    "metrics": {"acc1": 0.889, "acc5": 0.994, "mean_per_class_recall": 0.8845}, "language": "en",
}  # fmt: skip
RETRIEVAL = {
    "dataset": "wds/mscoco_captions", "model": "ViT-B-16", "pretrained": "openai", "task": "zeroshot_retrieval",
    "metrics": {"image_retrieval_recall@1": 0.331, "text_retrieval_recall@1": 0.524}, "language": "en",
}  # fmt: skip
BUILT = (
    "acc1,acc5,mean_per_class_recall,dataset,model,pretrained,task,mean_average_precision,"
    "image_retrieval_recall@5,text_retrieval_recall@5,model_fullname"
)  # the header of clip-benchmark's benchmark.csv
OPEN_CLIP = (
    "name,pretrained,params (M),FLOPs (B),Average score,Flickr image retr. R@1,MSCOCO text retr. R@10,"
    "WinoGAViL jaccard score 12"
)  # columns of open_clip's docs/openclip_retrieval_results.csv
LMMS = {
    "results": {
        "gqa": {"alias": "gqa", "exact_match,none": 0.575, "exact_match_stderr,none": 0.004},
        "mme": {"alias": "mme", "mme_cognition_score,none": 300.0, "mme_perception_score,none": 1562.0},
        "pope": {"alias": "pope", "pope_accuracy,none": 0.86, "pope_f1_score,none": 0.85},
        "textvqa_val": {"alias": "textvqa_val", "exact_match,none": 0.484},
        "docvqa_val": {"alias": "docvqa_val", "anls,none": 0.2},
    },
    "config": {"model": "llava", "model_args": "pretrained=superclip-b"},
}


def found(file: Path) -> dict[tuple[str, str, str], float]:
    return {(score.model, score.task, score.metric): score.value or 0 for score in read_imports([file]).scores}


def put(folder: Path, name: str, content: Any) -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_clip_benchmark_json(tmp_path: Path) -> None:
    pets = found(put(tmp_path, "a.json", ZEROSHOT))
    assert pets["ViT-B-16/openai", "pets", "mean_per_class_recall"] == 0.8845 and len(pets) == 3
    coco = found(put(tmp_path, "b.json", RETRIEVAL))
    assert coco == {
        ("ViT-B-16/openai", "coco-karpathy", "t2i_r1"): 0.331,
        ("ViT-B-16/openai", "coco-karpathy", "i2t_r1"): 0.524,
    }


def test_clip_benchmarks_splits_of_sugarcrepe_and_winoground_have_their_own_names(tmp_path: Path) -> None:
    about = {"model": "ViT-B-32", "pretrained": "openai", "task": "image_caption_selection", "language": "en"}
    selection = {"image_acc": 1.0, "text_acc": 0.614, "acc": 0.614}
    crepe = put(tmp_path, "a.json", about | {"dataset": "sugar_crepe/swap_obj", "metrics": selection})
    assert found(crepe) == {("ViT-B-32/openai", "sugarcrepe", "accuracy_swap_obj"): 0.614}
    pairs = {"image_acc": 0.1, "text_acc": 0.3, "acc": 0.08}
    assert found(put(tmp_path, "b.json", about | {"dataset": "winoground", "metrics": pairs})) == {
        ("ViT-B-32/openai", "winoground", "image_score"): 0.1,
        ("ViT-B-32/openai", "winoground", "text_score"): 0.3,
        ("ViT-B-32/openai", "winoground", "group_score"): 0.08,
    }


def test_what_clip_benchmark_calls_by_a_name_of_its_own_is_counted_and_said(tmp_path: Path) -> None:
    file = put(tmp_path, "a.json", ZEROSHOT | {"dataset": "pets", "metrics": {"acc1": 0.9, "acc_top7": 0.99}})
    (fault,) = read_imports([file]).faults
    assert "1 number left out, with unknown names: metric acc_top7 of pets" in fault
    for name, task in (
        ("wds/vtab/caltech101", "caltech101-102"),
        ("vtab/caltech101", "caltech101-102"),
        ("caltech101", ""),
        ("wds/vtab/eurosat", "eurosat"),
        ("eurosat", ""),  # torchvision's has all images
        ("wds/vtab/svhn", ""),  # other prompts and names than DataComp's
        ("wds/renderedsst2", "rendered-sst2"),
    ):
        scores = read_imports([put(tmp_path, "b.json", ZEROSHOT | {"dataset": name})]).scores
        assert {score.task for score in scores} == ({task} if task else set())


def test_clip_benchmark_csv_with_its_empty_cells(tmp_path: Path) -> None:
    rows = ["0.44,0.76,0.449,vtab/dtd,ViT-B-16,openai,zeroshot_classification,,,,ViT-B-16 openai",
            ",,,flickr30k,ViT-B-16,openai,zeroshot_retrieval,,0.855,0.963,ViT-B-16 openai"]  # fmt: skip
    numbers = found(put(tmp_path, "benchmark.csv", "\n".join([BUILT, *rows]) + "\n"))
    assert numbers["ViT-B-16/openai", "dtd", "acc1"] == 0.44
    assert numbers["ViT-B-16/openai", "flickr30k-test", "t2i_r5"] == 0.855 and len(numbers) == 5


def test_open_clip_csv_says_what_it_leaves_out(tmp_path: Path) -> None:
    file = put(
        tmp_path,
        "openclip_retrieval_results.csv",
        f"{OPEN_CLIP}\nViT-B-16,openai,149.62,41.09,0.65,0.6216,0.8462,0.51\n",
    )
    assert found(file) == {
        ("ViT-B-16/openai", "flickr30k-test", "t2i_r1"): 0.6216,
        ("ViT-B-16/openai", "coco-karpathy", "i2t_r10"): 0.8462,
    }
    assert read_imports([file]).faults == [
        f"{file}: 1 number left out, with unknown names: column WinoGAViL jaccard score 12"
    ]


MIEB = {
    "task_name": "Winoground", "mteb_version": "1.14.15",
    "scores": {"test": [{"accuracy": 0.09, "image_acc": 0.1125, "text_acc": 0.3125, "main_score": 0.09,
                         "hf_subset": "default", "nauc": float("nan")}]},
}  # fmt: skip


def mieb(folder: Path, name: str, content: Any) -> Path:
    place = folder / "openai__clip-vit-base-patch32" / "3d74acf9"
    place.mkdir(parents=True, exist_ok=True)
    return put(place, name, content)


def test_mieb_has_the_model_in_the_folder_and_leaves_other_tasks_out_once(tmp_path: Path) -> None:
    file = mieb(tmp_path, "Winoground.json", MIEB)
    model = "openai/clip-vit-base-patch32"
    assert found(file) == {
        (model, "winoground", "text_score"): 0.3125, (model, "winoground", "image_score"): 0.1125,
        (model, "winoground", "group_score"): 0.09,
    }  # fmt: skip
    for task in ("RP2kI2IRetrieval", "METI2IRetrieval"):
        mieb(tmp_path, f"{task}.json", MIEB | {"task_name": task})
    mieb(tmp_path, "model_meta.json", {"name": model})
    assert read_imports([tmp_path]).faults == [
        f"{tmp_path}: 2 numbers left out, with unknown names: task METI2IRetrieval, task RP2kI2IRetrieval"
    ]
    zero_shot = {"task_name": "CIFAR10ZeroShot", "scores": {"test": [{"accuracy": 0.8831}]}}
    assert found(mieb(tmp_path, "CIFAR10ZeroShot.json", zero_shot)) == {(model, "cifar10-mieb", "acc1"): 0.8831}


def test_miebs_file_about_the_model_names_it_wherever_it_lies(tmp_path: Path) -> None:
    file = put(tmp_path, "Winoground.json", MIEB)
    assert {model for model, _, _ in found(file)} == {tmp_path.name}
    put(tmp_path, "model_meta.json", {"name": "google/siglip-base-patch16-224"})
    assert {model for model, _, _ in found(file)} == {"google/siglip-base-patch16-224"}


def datacomp_lines(keys: list[str], value: float = 0.5) -> str:
    names = ["acc1", "mean_per_class_recall", "mean_recall@1", "jaccard_score_10-12", "F1-macro_all", "main_metric"]
    names += ["acc_worst_region", "acc_top5_wg", "acc_wg"]
    lines = [{"key": key, "dataset": key, "metrics": dict.fromkeys(names, value) | {"acc5": None}} for key in keys]
    return "".join(json.dumps(line) + "\n" for line in lines)


def averaged_keys() -> list[str]:
    return [key for key, task in all_names()["datacomp"]["tasks"].items() if task.get("averaged")]


def test_datacomps_lines_and_the_average_of_all_38(tmp_path: Path) -> None:
    keys = averaged_keys()
    assert len(keys) == 38
    numbers = found(put(tmp_path, "mine.jsonl", datacomp_lines(keys[:20], 0.25) + datacomp_lines(keys[20:], 0.5)))
    assert numbers["mine", "datacomp-38", "average"] == pytest.approx((20 * 0.25 + 18 * 0.5) / 38)
    firsts = [key in keys[:20] for key in ("vtab/caltech101", "fairness/geode")]
    recall, worst = ("caltech101-102", "mean_per_class_recall"), ("geode", "worst_group_acc1")
    assert [numbers[("mine", *name)] == 0.25 for name in (recall, worst)] == firsts


def test_a_text_may_contain_other_ends_of_lines(tmp_path: Path) -> None:
    lines = datacomp_lines(["stl10"]).replace('"dataset": "stl10"', '"dataset": "STL\u2028-10"')
    (tmp_path / "mine.jsonl").write_text(lines, encoding="utf-8", newline="\r\n")
    assert found(tmp_path / "mine.jsonl") == {("mine", "stl10", "acc1"): 0.5}


def test_winogavils_scores_of_all_cues_and_of_the_hard_ones_are_two_metrics(tmp_path: Path) -> None:
    scores = {"avg_jaccard_score": 0.55, "jaccard_score_5-6": 0.57, "jaccard_score_10-12": 0.48}
    file = put(tmp_path, "m.jsonl", json.dumps({"key": "misc/winogavil", "metrics": scores}))
    columns = "name,pretrained,WinoGAViL avg jaccard score,WinoGAViL jaccard score 5-6,WinoGAViL jaccard score 10-12"
    table = put(tmp_path, "t.csv", f"{columns}\nm,,0.55,0.57,0.48\n")
    expected = {"jaccard": 0.55, "jaccard_5_6": 0.57, "jaccard_10_12": 0.48}
    for each in (file, table):
        assert {metric: value for (_, _, metric), value in found(each).items()} == expected


def test_without_one_of_the_38_there_is_no_average_and_a_line_says_so(tmp_path: Path) -> None:
    file = put(tmp_path, "mine.jsonl", datacomp_lines([*averaged_keys()[:37], "fairness/utkface"]))
    assert not any(task == "datacomp-38" for _, task, _ in found(file))
    (fault,) = read_imports([file]).faults
    assert "data set fairness/utkface, average of 38 data sets, of which 37 are there" in fault


def test_vl_compo_is_in_percent_and_names_the_family(tmp_path: Path) -> None:
    columns = "arch,pretrained,family,aro::VG_Relation,coco_karpathy::t2i/R@1,elevator::mnist"
    rows = ["ViT-B-16,openai,OpenCLIP,59.9,33.08,50", "CLIP_ViT-B-16,cc12m,LaCLIP,47.5,25.6,"]
    file = put(tmp_path, "individual_results.csv", "\n".join([columns, *rows]) + "\n")
    numbers = found(file)
    assert numbers["ViT-B-16/openai", "aro-relation", "mean_accuracy"] == pytest.approx(0.599)
    assert numbers["CLIP_ViT-B-16/cc12m (LaCLIP)", "coco-karpathy", "t2i_r1"] == pytest.approx(0.256)
    assert {score.protocol for score in read_imports([file]).scores} == {"macro, as run by vl_compo", "Karpathy test"}
    assert "1 number left out, with unknown names: column elevator::mnist" in read_imports([file]).faults[0]


def test_open_clips_tables_of_38_sets_and_of_languages(tmp_path: Path) -> None:
    sets = put(
        tmp_path, "a.csv", "name,pretrained,Average perf. on 38 datasets,ImageNet-A,MSCOCO,FMoW\nV,o,0.56,0.5,0.4,0\n"
    )
    assert found(sets) == {
        ("V/o", "datacomp-38", "average"): 0.56, ("V/o", "imagenet-a", "acc1"): 0.5,
        ("V/o", "coco-karpathy-mean-recall", "mean_r1"): 0.4, ("V/o", "fmow", "worst_group_acc1"): 0,
    }  # fmt: skip
    columns = "model,version,avg,crossmodal3600 image_retrieval_recall@1 avg,crossmodal3600 image_retrieval_recall@1 de"
    languages = put(tmp_path, "b.csv", f"{columns},xtd10 image_retrieval_recall@1 de\nV,o,0.1,0.2,0.3,0.4\n")
    assert found(languages) == {
        ("V/o", "xm3600-languages", "t2i_r1"): 0.2, ("V/o", "xm3600-languages", "t2i_r1_de"): 0.3,
    }  # fmt: skip
    assert "column xtd10 image_retrieval_recall@1 de" in read_imports([languages]).faults[0]


ORACLES = Path(__file__).parents[3] / "shared/data/oracles"


@pytest.mark.skipif(not ORACLES.is_dir(), reason="the results of other harnesses do not lie beside the checkout")
def test_averages_of_real_results() -> None:
    read = read_imports([ORACLES / "mobileclip", ORACLES / "open_clip/openclip_results.csv"]).scores
    averages = {score.model: 100 * (score.value or 0) for score in read if score.task == "datacomp-38"}
    assert averages["mobileclip2_s0"] == pytest.approx(59.7, abs=0.05)
    assert averages["ViT-B-16/openai"] == pytest.approx(56.26) and len(averages) > 120


def test_lmms_eval_json_keeps_the_metric_that_the_paper_means(tmp_path: Path) -> None:
    read = read_imports([put(tmp_path, "results.json", LMMS)])
    scores = {(score.task, score.metric): score for score in read.scores}
    assert scores["gqa", "accuracy"].value == 0.575 and scores["pope", "f1"].value == 0.85
    assert scores["pope", "accuracy"].value == 0.86 and "not the mean of three splits" in scores["pope", "f1"].note
    assert (scores["mme", "perception"].value, scores["mme", "perception"].unit) == (1562.0, "score")
    assert scores["mme", "cognition"].value == 300.0
    assert "no OCR tokens" in scores["textvqa-val", "accuracy"].note
    assert {score.model for score in read.scores} == {"pretrained=superclip-b"}
    (line,) = read.faults
    assert "task docvqa_val" in line


def test_every_task_of_lmms_eval_has_metrics_that_its_card_has() -> None:
    cards = Catalogue().tasks
    for ours in all_names()["lmms_eval"].values():
        known = cards[ours["task"]].card.metrics() if ours["task"] in cards else ["accuracy"]
        assert set(ours["metrics"]) <= set(known), ours


def test_splits_of_pope_are_imported_as_its_groups(tmp_path: Path) -> None:
    results = {"pope_adv": {"pope_accuracy,none": 0.8, "pope_f1_score,none": 0.79, "pope_recall,none": 0.7}}
    read = found(put(tmp_path, "r.json", LMMS | {"results": results}))
    assert {key[1:]: value for key, value in read.items()} == {
        ("pope", "accuracy_adversarial"): 0.8,
        ("pope", "f1_adversarial"): 0.79,
    }


def test_imported_rows_join_the_table_marked_and_without_marks(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    put(folder, "a.json", {**RETRIEVAL, "metrics": {"image_retrieval_recall@1": 0.99}})
    ran = goldieval("table", "superclip-zeroshot", "--import", str(folder), "--format", "markdown")
    assert ran.code == 0
    (row,) = [line for line in ran.out.splitlines() if "ViT-B-16/openai" in line]
    assert row.startswith("| ViT-B-16/openai \\* |") and "| 99.0<sup>" in row
    assert "imported from a.json" in ran.out and "Rows marked \\* are imported" in ran.out
    rows = list(
        csv.DictReader(
            goldieval("table", "superclip-zeroshot", "--import", str(folder), "--format", "csv").out.splitlines()
        )
    )
    (source,) = {row["source"] for row in rows if row["kind"] == "imported"}
    assert source == str(folder / "a.json")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.json", "{", "cannot read"),
        ("a.json", {"x": 1}, "is not a supported result file"),
        ("a.csv", "x,y\n1,2\n", "is not a supported result file"),
        ("a.json", {**ZEROSHOT, "metrics": {"acc1": "much"}}, "acc1: 'much' is not a number"),
        ("a.json", {**ZEROSHOT, "metrics": {"acc1": float("nan")}}, "is not a finite number"),
        (
            "a.json",
            {"dataset": "cifar10", "metrics": {"acc1": 0.5}},
            "not as its harness writes it: it lacks 'model'",
        ),
        ("a.json", {"results": {}, "config": [1]}, "is not as its harness writes it"),
        ("a.json", {**ZEROSHOT, "metrics": {"acc1": 72.1}}, "72.1 is not a possible fraction"),
        ("a.json", {"task_name": "Winoground", "scores": {"test": 5}}, "scores must be a list of subsets"),
        ("a.jsonl", '{"key": "cifar10"}\n', "a.jsonl:1: not a line of DataComp's evaluation"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: not a line of DataComp's evaluation"),
        ("a.csv", "arch,pretrained,family,aro::VG_Relation\nV,o,OpenCLIP,many\n", "'many' is not a number"),
        ("a.csv", "name,pretrained,STL-10\nV,o\n", "a.csv:2: the row ends before the column 'STL-10'"),
        ("a.csv", "name,pretrained,STL-10\nV,o,0.5,0.6\n", "a.csv:2: more values than columns"),
        ("a.csv", "name,pretrained,STL-10,STL-10\nV,o,0.5,0.6\n", "two columns are named 'STL-10'"),
        ("a.csv", 'name,pretrained,STL-10\n"V,o,0.5\n', "a.csv:2: unexpected end of data"),
        ("a.csv", "name,pretrained,STL-10\nV,o,0.5\nV,o,0.6\n", "V/o is there twice, as 0.5 and as 0.6"),
        ("a.csv", f"name,pretrained,STL-10\n{'V' * 600},o,0.5\n", "the name of a model has 602 characters"),
        ("a.json", json.dumps(ZEROSHOT).replace('"acc5"', '"acc1"'), "an object has the key 'acc1' twice"),
        ("a.json", {**ZEROSHOT, "metrics": {"acc1": True}}, "acc1: 'True' is not a number"),
        ("a.json", {**ZEROSHOT, "metrics": {"acc1": 10**400}}, "is not a finite number"),
        ("a.jsonl", "", "a.jsonl holds no results"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: Any, line: str) -> None:
    file = put(tmp_path, name, content)
    ran = goldieval("table", "superclip-llava", "--import", str(file))
    assert ran.code == 2 and line in one_line(ran.err) and name in ran.err


def test_in_a_folder_the_other_files_are_still_read(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    put(folder, "bad.json", "{")
    put(folder, "good.json", LMMS)
    read = read_imports([folder])
    assert len(read.scores) == 6 and any("bad.json" in fault for fault in read.faults)
