"""Scores that the programs of POPE and MME make of all answers."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from oracle_files import lmms, module

Questions = list[dict[str, Any]]


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
