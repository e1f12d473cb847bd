"""What the benchmarks' own programs say of answers; runs in their environment (benchmarks/README.md), not in ours.

    .venv-answers/bin/python tests/support/answer_oracles.py CASES.json VERDICTS.json [PROGRAM ...]

CASES.json has a list of questions for each kind (``generated_answers.py``). VERDICTS.json gets for each program a list
of credits, in the order of the questions, and the scores that it makes of all of them.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import runpy
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oracle_files import function, lmms, lmms_before, module, path
from oracle_scores import mme_lmms, pope_llava, pope_lmms

Questions = list[dict[str, Any]]


class Annotated:
    """What the official evaluation asks of an object of answers."""

    def __init__(self, by_question: dict[int, Any]) -> None:
        """Keep the answers of every question."""
        self.qa = by_question

    def getQuesIds(self) -> list[int]:  # noqa: N802, the evaluation's name for it
        """Return the ids of all questions."""
        return list(self.qa)


def vqa_lavis(questions: Questions) -> list[float]:
    """VQA's own vqaEval.py in the state whose file LAVIS contains."""
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
    """lmms-eval 0.2 on VQAv2: it cleans the answer, and then judges by its copy of VQA's own vqaEval.py."""
    return _of_mappings(lmms_before("vqav2"), questions)


def vqa_official(questions: Questions) -> list[float]:
    """VQA's own vqaEval.py in the state of lmms-eval 0.2: what that does without its clean-up of the answer."""
    task = lmms_before("vqav2")

    class OneLine(task.EvalAIAnswerProcessor):  # type: ignore[misc, name-defined]
        def __call__(self, item: str) -> str:
            return item.replace("\n", " ").replace("\t", " ").strip()

    task.EvalAIAnswerProcessor = OneLine
    return _of_mappings(task, questions)


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


CREDITS: dict[str, tuple[str, Callable[[Questions], list[float]]]] = {
    "vqa official": ("ten", vqa_official),
    "vqa official, LAVIS": ("ten", vqa_lavis),
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
