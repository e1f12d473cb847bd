"""What the benchmarks' own programs say of answers; runs in their environment (benchmarks/README.md), not in ours.

    .venv-answers/bin/python tests/support/answer_oracles.py CASES.json VERDICTS.json [PROGRAM ...]

CASES.json has a list of questions for each kind (``generated_answers.py``). VERDICTS.json gets for each program a list
of credits, in the order of the questions, and the scores that it makes of all of them. The files of the programs are
loaded one by one, because their packages import libraries that no metric needs.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import importlib.util
import io
import json
import re
import runpy
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Questions = list[dict[str, Any]]
BEFORE = Path(sys.prefix) / "lmms-eval-0.2.0"


def path(package: str, file: str) -> Path:
    """Return a file of an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations))) / file


def module(package: str, file: str) -> Any:
    """Load one file of an installed package without the package."""
    return _loaded(path(package, file))


def _loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"oracle_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def function(package: str, file: str, name: str) -> Callable[..., Any]:
    """Load one function of a file that imports more than the function needs."""
    tree = ast.parse(path(package, file).read_text())
    (node,) = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == name]
    names: dict[str, Any] = {"np": np, "re": re, "string": string}
    exec(compile(ast.Module([node], []), file, "exec"), names)
    found: Callable[..., Any] = names[name]
    return found


def lmms(task: str) -> Any:
    """Load the functions of a task of lmms-eval; what its package of tasks imports at once is not needed for them."""
    if "lmms_eval.tasks" not in sys.modules:
        package = ModuleType("lmms_eval.tasks")
        package.__path__ = [str(path("lmms_eval", "tasks"))]
        sys.modules["lmms_eval.tasks"] = package
    return importlib.import_module(f"lmms_eval.tasks.{task}.utils")


class Annotated:
    """What the official evaluation asks of an object of answers."""

    def __init__(self, by_question: dict[int, Any]) -> None:
        """Keep the answers of every question."""
        self.qa = by_question

    def getQuesIds(self) -> list[int]:  # noqa: N802, the evaluation's name for it
        """Return the ids of all questions."""
        return list(self.qa)


def vqa_lavis(questions: Questions) -> list[float]:
    """VQA's own vqaEval.py as it was before 2018, whose file LAVIS contains."""
    truths = {
        row: {
            "question_type": "",
            "answer_type": "",
            "answers": [{"answer": answer, "answer_id": place} for place, answer in enumerate(question["truths"])],
        }
        for row, question in enumerate(questions)
    }
    given = {row: {"answer": question["given"]} for row, question in enumerate(questions)}
    judge = module("lavis", "common/vqa_tools/vqa_eval.py").VQAEval(Annotated(truths), Annotated(given), n=15)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
    return [judge.evalQA[row] / 100 for row in range(len(questions))]


def vqa_lmms(questions: Questions) -> list[float]:
    """lmms-eval on VQAv2."""
    return _of_mappings(lmms("vqav2"), questions)


def _of_mappings(task: Any, questions: Questions) -> list[float]:
    """Return what lmms-eval says of VQAv2, whose answers are mappings."""
    docs = [
        {"question_id": 0, "answers": [{"answer": text, "id": place} for place, text in enumerate(item["truths"])]}
        for item in questions
    ]
    return [
        task.vqav2_process_results(doc, [item["given"]])["exact_match"]
        for doc, item in zip(docs, questions, strict=True)
    ]


def vqa_lmms_before(questions: Questions) -> list[float]:
    """lmms-eval 0.2 on VQAv2: it cleans the answer, and then judges as VQA's own vqaEval.py does since 2018."""
    return _of_mappings(_lmms_before("vqav2"), questions)


def vqa_official(questions: Questions) -> list[float]:
    """VQA's own vqaEval.py since 2018: what lmms-eval 0.2 does without its clean-up of the answer."""
    task = _lmms_before("vqav2")

    class OneLine(task.EvalAIAnswerProcessor):  # type: ignore[misc, name-defined]
        def __call__(self, item: str) -> str:
            return item.replace("\n", " ").replace("\t", " ").strip()

    task.EvalAIAnswerProcessor = OneLine
    return _of_mappings(task, questions)


def _lmms_before(task: str) -> Any:
    """Load the functions of a task of lmms-eval 0.2, which lies beside the packages of the environment."""
    lmms(task)  # what both import
    return _loaded(BEFORE / f"lmms_eval/tasks/{task}/utils.py")


def strings_lmms(task: str, name: str) -> Callable[[Questions], list[float]]:
    """lmms-eval on VizWiz and TextVQA, whose answers are strings."""

    def judged(questions: Questions) -> list[float]:
        judge = getattr(lmms(task), name)
        docs = [{"question_id": 0, "answers": list(item["truths"])} for item in questions]
        return [judge(doc, [item["given"]])["exact_match"] for doc, item in zip(docs, questions, strict=True)]

    return judged


def textvqa_llava(questions: Questions) -> list[float]:
    """LLaVA's evaluation of TextVQA."""
    judge = module("llava", "eval/m4c_evaluator.py").TextVQAAccuracyEvaluator()
    with contextlib.redirect_stderr(io.StringIO()):
        return [
            judge.eval_pred_list([{"pred_answer": item["given"], "gt_answers": item["truths"]}]) for item in questions
        ]


def gqa_lmms(questions: Questions) -> list[float]:
    """lmms-eval on GQA: exact match without case and punctuation."""
    judge = function("lmms_eval", "api/metrics.py", "exact_match_hf_evaluate")
    return [
        float(judge([item["given"]], item["truths"], ignore_case=True, ignore_punctuation=True)["exact_match"])
        for item in questions
    ]


def options_lmms(questions: Questions) -> list[float]:
    """lmms-eval on ScienceQA."""
    judge = lmms("scienceqa").sqa_process_results
    return [
        judge({"choices": item["options"], "answer": item["right"]}, [item["given"]])["exact_match"]
        for item in questions
    ]


def options_llava(questions: Questions) -> list[float]:
    """LLaVA's script for ScienceQA, run as it is on files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ids = [str(row) for row in range(len(questions))]
        problems = {
            id: {"choices": item["options"], "answer": item["right"]} for id, item in zip(ids, questions, strict=True)
        }
        lines = [
            json.dumps({"question_id": id, "text": item["given"], "prompt": "<image>"})
            for id, item in zip(ids, questions, strict=True)
        ]
        (folder / "pid_splits.json").write_text(json.dumps({"test": ids}))
        (folder / "problems.json").write_text(json.dumps(problems))
        (folder / "answers.jsonl").write_text("\n".join(lines))
        paths = {"--base-dir": folder, "--result-file": folder / "answers.jsonl"}
        paths |= {"--output-file": folder / "out.json", "--output-result": folder / "result.json"}
        _as_script(path("llava", "eval/eval_science_qa.py"), [str(part) for pair in paths.items() for part in pair])
        chosen = json.loads((folder / "result.json").read_text())["results"]
    return [float(chosen[id] == item["right"]) for id, item in zip(ids, questions, strict=True)]


def _as_script(file: Path, arguments: list[str]) -> None:
    before, sys.argv = sys.argv, [str(file), *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(file), run_name="__main__")
    finally:
        sys.argv = before


def pope_lmms(questions: Questions) -> tuple[list[float], dict[str, float]]:
    """lmms-eval on POPE: credits, and its five scores."""
    task = lmms("pope")
    judged = [
        task.pope_process_results({"question_id": row, "answer": item["truths"][0]}, [item["given"]])["pope_accuracy"]
        for row, item in enumerate(questions)
    ]
    scores = {
        name: getattr(task, f"pope_aggregate_{theirs}")(judged)
        for name, theirs in (
            ("accuracy", "accuracy"),
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1", "f1_score"),
            ("yes_rate", "yes_ratio"),
        )
    }
    return [item["score"] for item in judged], scores


def pope_llava(questions: Questions) -> tuple[list[float], dict[str, float]]:
    """LLaVA's evaluation of POPE: credits, and its five scores."""
    answers, printed = [{"text": item["given"]} for item in questions], io.StringIO()
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(printed):
        labels = Path(temporary) / "labels.json"
        labels.write_text("\n".join(json.dumps({"label": item["truths"][0]}) for item in questions))
        module("llava", "eval/eval_pope.py").eval_pope(answers, str(labels))
    words = {"Accuracy": "accuracy", "Precision": "precision", "Recall": "recall", "F1 score": "f1"}
    words["Yes ratio"] = "yes_rate"
    lines = [line.split(": ") for line in printed.getvalue().splitlines()]
    scores = {words[line[0]]: float(line[1]) for line in lines if line[0] in words}
    return [float(a["text"] == q["truths"][0]) for a, q in zip(answers, questions, strict=True)], scores


def mme_lmms(questions: Questions) -> tuple[list[float], dict[str, float]]:
    """lmms-eval on MME: credits, and the sums of its two parts; two questions in a row share a picture.

    The subtasks take turns with pictures.
    """
    task = lmms("mme")
    subtasks = [*task.eval_type_dict["Perception"], *task.eval_type_dict["Cognition"]]
    results: dict[str, list[Any]] = {}
    credits: list[float] = []
    for row, item in enumerate(questions):
        doc = {"question_id": row // 2, "answer": item["truths"][0], "category": subtasks[row // 2 % len(subtasks)]}
        ((part, result),) = task.mme_process_results(doc, [item["given"]]).items()
        results.setdefault(part, []).append(result)
        credits.append(result["score"])
    names = {"mme_perception_score": "perception", "mme_cognition_score": "cognition"}
    return credits, {names[part]: task.mme_aggregate_results(of) for part, of in results.items()}


CREDITS: dict[str, tuple[str, Callable[[Questions], list[float]]]] = {
    "vqa official": ("ten", vqa_official),
    "vqa official before 2018": ("ten", vqa_lavis),
    "vqav2 lmms-eval 0.2": ("ten", vqa_lmms_before),
    "vqav2 lmms-eval": ("ten", vqa_lmms),
    "vizwiz lmms-eval": ("ten", strings_lmms("vizwiz_vqa", "vizwiz_vqa_process_results")),
    "textvqa lmms-eval": ("ten", strings_lmms("textvqa", "textvqa_process_results")),
    "textvqa llava": ("ten", textvqa_llava),
    "gqa lmms-eval": ("one", gqa_lmms),
    "scienceqa lmms-eval": ("options", options_lmms),
    "scienceqa llava": ("options", options_llava),
}
SCORES: dict[str, tuple[str, Callable[[Questions], tuple[list[float], dict[str, float]]]]] = {
    "pope lmms-eval": ("yes-no", pope_lmms),
    "pope llava": ("yes-no", pope_llava),
    "mme lmms-eval": ("yes-no", mme_lmms),
}


def verdict(name: str, cases: dict[str, Questions]) -> dict[str, Any]:
    """Return what a program says of the cases of its kind: credits, and scores where it makes any."""
    if name in CREDITS:
        kind, judge = CREDITS[name]
        return {"credits": judge(copy.deepcopy(cases[kind])), "scores": {}}
    kind, judge_all = SCORES[name]
    credits, scores = judge_all(copy.deepcopy(cases[kind]))
    return {"credits": credits, "scores": scores}


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    programs = sys.argv[3:] or [*CREDITS, *SCORES]
    Path(sys.argv[2]).write_text(json.dumps({name: verdict(name, asked) for name in programs}))
