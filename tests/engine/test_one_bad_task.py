"""Whatever goes wrong with one task, one item or one model costs the others nothing; each failure is one line."""

from __future__ import annotations

import errno
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Ran, card, class_folders, content, goldieval, one_line, records, toy_model

import goldieval as library
from goldieval.core.bisection import PATIENCE_AT_FIRST, BatchFailures, bisect_failures
from goldieval.core.containment import contained, error_line
from goldieval.core.errors import AdapterError, GoldievalError, InterruptedRunError, TaskError
from goldieval.core.out_of_memory import is_out_of_memory
from goldieval.data.folder import FolderSource
from goldieval.families.base import Prepared
from goldieval.families.zeroshot import Zeroshot


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Panic(BaseException):
    """As compiled extensions raise it: no ``Exception``."""


RAISED: list[BaseException] = [
    ValueError("embedded null byte"),
    KeyError("id"),
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RecursionError("maximum recursion depth exceeded"),
    OverflowError("int too large"),
    UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
    PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x"),
    AssertionError(),
    SystemExit(3),
    Panic("index out of bounds"),
    GoldievalError("a line of ours"),
]
by_type = pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def two_tasks(tmp_path: Path) -> str:
    """Two cards over pictures of their own, the first named bad."""
    for name in ("bad", "good"):
        class_folders(tmp_path / name / "data", {f"cat {name}": 2, f"dog {name}": 1})
        card(tmp_path / name, name=name)
    return f"{tmp_path / 'bad' / 'card.yaml'},{tmp_path / 'good' / 'card.yaml'}"


def run(model: str, tasks: str, *more: str) -> Ran:
    return goldieval("run", "--model", model, "--tasks", tasks, "--out", "out", *more)


def only_bad_fails(ran: Ran) -> str:
    """Return why the task ``bad`` failed; the other has its numbers, and the screen one line."""
    assert ran.code == 1 and "Traceback" not in ran.out + ran.err and "bug in goldieval" not in ran.err, ran
    by_name = {record["task"]["name"]: record for record in records(Path("out"))}
    assert by_name["good"]["status"] == "ok" and by_name["good"]["metrics"]
    assert by_name["bad"]["status"] == "failed" and by_name["bad"]["metrics"] == {}
    assert f"bad FAILED: {by_name['bad']['reason']}" in ran.out
    return one_line(by_name["bad"]["reason"])


# Phases of one task


@by_type
def test_a_reader_that_raises_fails_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    whole = FolderSource.read

    def read(self: FolderSource, folder: Path) -> Any:
        return raising(error)() if "bad" in str(folder) else whole(self, folder)

    monkeypatch.setattr(FolderSource, "read", read)
    reason = only_bad_fails(run(toy_model(tmp_path), two_tasks(tmp_path)))
    assert (
        reason == "a line of ours"
        or (type(error).__name__ in reason and f"reading {tmp_path}/bad/data" in reason)
        or (is_out_of_memory(error) and "out of memory" in reason)
    )


@pytest.mark.parametrize("phase", ["missing", "folder", "how_to_get"])
def test_a_source_that_raises_before_it_is_read_fails_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    whole = getattr(FolderSource, phase)

    def broken(self: FolderSource, *args: Any) -> Any:
        return raising(OverflowError("too many shards"))() if self.exclude else whole(self, *args)

    tasks = two_tasks(tmp_path)
    card(tmp_path / "bad", name="bad", source={"exclude": ["x"]})
    if phase == "how_to_get":
        for file in sorted((tmp_path / "bad" / "data").rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        (tmp_path / "bad" / "data").rmdir()
    monkeypatch.setattr(FolderSource, phase, broken)
    ran = run(toy_model(tmp_path), tasks)
    if phase == "folder":  # no card without it, so no task that could have a record
        assert ran.code == 1 and "bad/card.yaml: source.path: OverflowError" in ran.out
        assert [record["task"]["name"] for record in records(Path("out"))] == ["good"]
    else:
        assert "OverflowError" in only_bad_fails(ran)


@by_type
@pytest.mark.parametrize(
    "place", ["goldieval.families.zeroshot.Zeroshot.score", "goldieval.engine.describe.mark_truncated"]
)
def test_what_raises_after_encoding_fails_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException
) -> None:
    whole = pkgutil.resolve_name(place)
    tasks = two_tasks(tmp_path)

    def sometimes(*args: Any) -> Any:
        prepared = next(value for value in args if isinstance(value, Prepared))
        return raising(error)() if prepared.task.name == "bad" else whole(*args)

    monkeypatch.setattr(place, sometimes)
    only_bad_fails(run(toy_model(tmp_path), tasks))


def test_a_record_that_cannot_be_written_is_its_own_failure_and_its_numbers_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from goldieval.records.writing import write_record as whole

    def full(out: Path, record: Any, *rest: Any) -> Path:
        if record.task.name == "bad":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(out, record, *rest)

    monkeypatch.setattr("goldieval.engine.evaluator.write_record", full)
    ran = run(toy_model(tmp_path), two_tasks(tmp_path))
    assert ran.code == 1 and "bad FAILED: OSError while writing its record: No space left on device" in ran.out
    assert [record["task"]["name"] for record in records(Path("out"))] == ["good"]


def test_a_lone_surrogate_in_a_reason_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderSource, "read", raising(TaskError("no caption for \udce9.png")))
    results = library.evaluate(toy_model(tmp_path), two_tasks(tmp_path).split(",")[0], out=tmp_path / "out")
    assert results[0].reason == "no caption for \\udce9.png"


def test_ctrl_c_still_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderSource, "read", raising(KeyboardInterrupt()))
    assert run(toy_model(tmp_path), two_tasks(tmp_path)).code == 130


def test_debug_shows_the_traceback_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderSource, "prepared", raising(ZeroDivisionError("in the reader")))
    ran = goldieval("--debug", "run", "--model", toy_model(tmp_path), "--tasks", two_tasks(tmp_path), "--out", "out")
    assert ran.code == 1 and len(records(Path("out"))) == 2
    assert "ZeroDivisionError: in the reader" in ran.err and 'load.py", line' in ran.err


# A model that fails


def changed(tmp_path: Path, name: str, old: str, new: str) -> str:
    """Write a toy model with another line and return its spec."""
    file = Path(toy_model(tmp_path).rpartition(":")[0])
    text = file.read_text()
    assert old in text
    made = tmp_path / f"{name}.py"
    made.write_text(text.replace(old, new))
    return f"{made}:load"


def test_a_picture_on_which_the_model_fails_costs_the_tasks_that_have_it(tmp_path: Path) -> None:
    tasks = two_tasks(tmp_path)
    from PIL import Image

    Image.new("RGB", (8, 8), (255, 0, 255)).save(tmp_path / "bad" / "data" / "cat bad" / "1.png")
    for line, work in (
        ("        if (pixels.flatten(2).std(2) == 0).all(1).any(): raise RuntimeError('flat')\n", "encoding it"),
        ("        if (pixels.flatten(2).std(2) == 0).all(1).any(): raise SystemExit('flat')\n", "encoding it"),
    ):
        model = changed(tmp_path, "flat", "        return pixels.flatten(1)", f"{line}        return pixels.flatten(1)")
        reason = only_bad_fails(run(model, tasks, "--no-cache"))
        assert "fails on 1 of 3: cat bad/1.png" in reason and work in reason and "flat" in reason
    model = changed(
        tmp_path,
        "preprocess",
        "        return torch.from_numpy",
        "        if len(image.getcolors()) == 1: raise ZeroDivisionError('flat')\n        return torch.from_numpy",
    )
    assert "cat bad/1.png (ZeroDivisionError while preprocessing it: flat)" in only_bad_fails(
        run(model, tasks, "--no-cache")
    )


@pytest.mark.parametrize("method", ["tokenize", "encode_text"])
def test_a_text_on_which_the_model_fails_costs_the_tasks_that_have_it(tmp_path: Path, method: str) -> None:
    test = {
        "tokenize": ("tokenize(self, texts):", "any('cat bad' in text for text in texts)"),
        "encode_text": (
            "encode_text(self, tokens):",
            "any('cat bad' in ''.join(map(chr, row)) for row in tokens.tolist())",
        ),
    }
    place, condition = test[method]
    model = changed(tmp_path, method, place, f"{place}\n        if {condition}: raise ValueError('no cats')")
    reason = only_bad_fails(run(model, two_tasks(tmp_path)))
    assert "fails on 1 of 2: text 'a photo of a cat bad' (ValueError" in reason


WRONG = {
    "one row for a batch": ("return pixels.flatten(1) - 0.5", "return pixels.flatten(1).mean(0, keepdim=True)"),
    "no tensor": ("return pixels.flatten(1) - 0.5", "return pixels.flatten(1).numpy()"),
    "patches": ("return pixels.flatten(1) - 0.5", "return pixels.flatten(2)"),
    "always raises": ("return pixels.flatten(1) - 0.5", "raise RuntimeError('no kernel image for this device')"),
    "NaN": ("return pixels.flatten(1) - 0.5", "return pixels.flatten(1) * float('nan')"),
    "tokens of another number": ("for text in padded]", "for text in padded[:1]]"),
    "another width in the end": (
        "return pixels.flatten(1) - 0.5",
        "return pixels.flatten(1)[:, : 47 + len(pixels) % 2]",
    ),
    "pictures of two sizes": ("image.resize((4, 4))", "image.resize((4, 4 + image.getpixel((0, 0))[0] % 2))"),
    "cannot be entered": (
        "    def describe(self):",
        "    def inference(self): raise OSError('no lock')\n    def describe(self):",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_model_that_always_fails_fails_every_task_in_a_line(tmp_path: Path, what: str) -> None:
    model = changed(tmp_path, "wrong", *WRONG[what])
    ran = run(model, two_tasks(tmp_path), "--batch-size", "2")
    assert ran.code == 1 and "Traceback" not in ran.out + ran.err, ran
    assert {record["status"] for record in records(Path("out"))} == {"failed"}
    failures = [line for line in ran.out.splitlines() if " FAILED: " in line]
    assert len(failures) == 2 and all(len(line) < 300 for line in failures)


def test_a_model_that_fails_once_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    tasks = two_tasks(tmp_path)
    ill = changed(tmp_path, "toy_model_ill", "return pixels.flatten(1) - 0.5", "raise RuntimeError('busy')")
    assert run(ill, tasks).code == 1
    assert run(ill, tasks).code == 1  # and not "stored embeddings were removed"
    assert all("busy" in record["reason"] for record in records(Path("out")))
    assert run(toy_model(tmp_path), tasks).code == 0


# Several models


@pytest.mark.parametrize(
    "what",
    [
        ("def load(spec, options):", "def load(spec, options):\n    raise SystemExit('no licence')"),
        ("def describe(self):", "def describe(self):\n        raise KeyError('config')"),
        ("def load(spec, options):", "def load(spec, options):\n    return 3"),
        ("import numpy as np", "import numpie as np"),
    ],
)
def test_one_of_several_models_that_cannot_be_loaded_is_named_and_the_others_are_run(
    tmp_path: Path, what: tuple[str, str]
) -> None:
    broken, tasks = changed(tmp_path, "broken", *what), two_tasks(tmp_path)
    ran = goldieval("run", "--model", broken, "--model", toy_model(tmp_path), "--tasks", tasks, "--out", "out")
    assert ran.code == 1 and "Traceback" not in ran.out + ran.err and "bug in goldieval" not in ran.err
    assert [record["status"] for record in records(Path("out"))] == ["ok", "ok"]
    (_line,) = [line for line in ran.out.splitlines() if line.startswith(f"model {broken} FAILED: ")]
    with pytest.warns(UserWarning, match="was not evaluated"):
        results = library.evaluate([toy_model(tmp_path), broken], tasks, out=None)
    assert len(results) == 2 and list(results.models_failed) == [broken]
    alone = run(broken, tasks)
    assert alone.code == 2 and one_line(alone.err)


# Pieces


def test_halving_finds_the_items_at_fault_and_keeps_the_order_of_the_rest() -> None:
    keys, bad = [f"k{number}" for number in range(100)], {"k0", "k41", "k42", "k99"}

    def work(rows: Any) -> list[str]:
        chosen = [keys[row] for row in rows]
        if bad & set(chosen):
            raise ValueError("bad")
        return chosen

    faults = BatchFailures()
    made = [key for _, part in bisect_failures(keys, work, faults, "trying it") for key in part]
    assert made == [key for key in keys if key not in bad] and set(faults.reasons) == bad and not faults.given_up


def test_what_never_works_is_given_up_after_a_few_tries() -> None:
    tried: list[int] = []

    def work(rows: Any) -> None:
        tried.append(len(rows))
        raise ValueError("no")

    keys, faults = [str(number) for number in range(10_000)], BatchFailures()
    assert list(bisect_failures(keys, work, faults, "trying it")) == []
    assert len(tried) == PATIENCE_AT_FIRST and set(faults.reasons) == set(keys) and faults.given_up


def test_a_broken_promise_is_not_halved() -> None:
    tried: list[int] = []

    def work(rows: Any) -> None:
        tried.append(len(rows))
        raise AdapterError("one row for a batch")

    list(bisect_failures(["a", "b"], work, BatchFailures(), ""))
    assert tried == [2]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InterruptedRunError("again")])
def test_what_stops_a_run_is_not_contained(error: BaseException) -> None:
    with pytest.raises(type(error)), contained():
        raise error


def test_an_exception_that_cannot_even_be_printed_has_its_type() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert error_line(MuteError(), "encoding") == "MuteError while encoding: MuteError"


def test_words_for_exceptions() -> None:
    assert error_line(MemoryError(), "encoding").startswith("out of memory while encoding")
    assert error_line(OSError(errno.EIO, "Input/output error", "a/b"), "reading") == (
        "OSError while reading: Input/output error: a/b"
    )
    assert error_line(ValueError("one\ntwo\udce9")) == "ValueError: one"


# Not applicable


def suite(tmp_path: Path, tasks: list[str]) -> Path:
    """Write a folder of cards with a suite over shipped tasks and one of its own."""
    class_folders(tmp_path / "cards" / "data", {"cat": 2, "dog": 1})
    (tmp_path / "cards" / "suites").mkdir(parents=True)
    card(tmp_path / "cards")
    (tmp_path / "cards" / "suites" / "mix.yaml").write_text(f"suite: mix\ntitle: Mixed\ntasks: {['mine', *tasks]}\n")
    return tmp_path / "cards"


def test_what_a_model_cannot_do_is_not_applicable_in_a_suite_and_a_failure_by_name(tmp_path: Path) -> None:
    cards, model = suite(tmp_path, ["shapes-vqa", "shapes-segmentation"]), toy_model(tmp_path)
    arguments = ["run", "--model", model, "--tasks-dir", cards, "--limit", "2", "--out", "out", "--tasks"]
    ran = goldieval(*arguments, "mix")
    assert ran.code == 0, ran
    assert [record["task"]["name"] for record in records(Path("out"))] == ["mine"]
    assert "not run, not applicable: this model cannot answer questions" in ran.out
    assert "not run, not applicable: this model gives no patch features" in ran.out and "FAILED" not in ran.out
    assert goldieval(*arguments, "mix", "--strict").code == 1
    named = goldieval(*arguments, "mix,shapes-vqa")
    assert named.code == 1 and "shapes-vqa FAILED: this model cannot answer questions" in named.out


def test_what_is_found_out_while_scoring_is_not_applicable_too(tmp_path: Path) -> None:
    cards = suite(tmp_path, [])
    model = changed(
        tmp_path,
        "late",
        "    def encode_image",
        "    def encode_text_now(self): pass\n    def encode_image",
    )
    file = Path(model.rpartition(":")[0])
    late = "from goldieval.core.errors import NotApplicableError\nfrom goldieval.families import zeroshot\n\n"
    late += "def _no(*_): raise NotApplicableError('needs colour.')\n"
    file.write_text(
        file.read_text().replace(
            "def load(spec, options):", "def load(spec, options):\n    zeroshot.Zeroshot.score = _no"
        )
    )
    file.write_text(file.read_text().replace("import numpy as np\n", f"import numpy as np\n{late}", 1))
    whole = Zeroshot.score
    try:
        ran = goldieval("run", "--model", model, "--tasks-dir", cards, "--out", "out", "--tasks", "mix")
    finally:
        Zeroshot.score = whole  # type: ignore[method-assign]
    assert ran.code == 0 and "not applicable: needs colour" in ran.out and not records(Path("out"))


# True causes


def test_equal_class_names_and_equal_captions_are_the_datas_fault(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 2, "b": 1})
    file = card(tmp_path, params={"prompts": ["a {c}"], "class_names": ["cat", "cat"]})
    ran = run(toy_model(tmp_path), str(file))
    assert "all 2 class names are 'cat': there is nothing to distinguish" in ran.out and "collapsed" not in ran.out
    rows = content("table", "retrieval", source={"file": "t.csv", "caption": "said"})
    import yaml

    file.write_text(yaml.safe_dump(rows))
    (tmp_path / "data" / "t.csv").write_text("image,said\na/0.png,same\nb/0.png,same\n")
    ran = run(toy_model(tmp_path), str(file))
    assert "all 2 texts are identical, 'same': there is nothing to compare" in ran.out
    (tmp_path / "data" / "b" / "0.png").write_bytes((tmp_path / "data" / "a" / "0.png").read_bytes())
    (tmp_path / "data" / "t.csv").write_text("image,said\na/0.png,one\nb/0.png,two\n")
    ran = run(toy_model(tmp_path), str(file))
    assert "all 2 pictures are identical" in ran.out


# The other verbs


def test_data_check_goes_on_after_a_reader_that_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FolderSource.read

    def read(self: FolderSource, folder: Path) -> Any:
        return raising(OverflowError("too large"))() if "bad" in str(folder) else whole(self, folder)

    monkeypatch.setattr(FolderSource, "read", read)
    ran = goldieval("data", "check", two_tasks(tmp_path))
    assert ran.code == 1 and "good: ok, 3 images, 2 classes" in ran.out
    assert "bad: OverflowError while reading" in ran.out and "Traceback" not in ran.out + ran.err


def test_data_where_goes_on_after_a_damaged_lock_file(tmp_path: Path) -> None:
    tasks = two_tasks(tmp_path)
    (tmp_path / "bad" / "data" / ".goldieval-source.json").write_text("[" * 3000)
    ran = goldieval("data", "where", tasks)
    assert ran.code == 1 and "good: present" in ran.out
    assert one_line(ran.err).startswith("error: bad: ") and ".goldieval-source.json is broken" in ran.err


def test_doctor_goes_on_after_a_probe_that_ends_the_program() -> None:
    from goldieval.doctor.check import run_checks, run_probe

    def probe(_: None) -> Any:
        raise SystemExit("3")

    assert run_probe(probe, None).found == "SystemExit: 3"
    (check,) = run_checks("load", lambda: probe(None))
    assert (check.name, check.passed) == ("load", False)


def test_a_training_sample_that_raises_is_counted_and_another_takes_its_place() -> None:
    from types import SimpleNamespace

    from goldieval.goldiclip.data.batches import Batches

    class Corpus:
        def sample(self, row: int) -> Any:
            return raising(RecursionError("deep"))() if row == 0 else SimpleNamespace(bad=[], row=row)

    feed: Any = Batches.__new__(Batches)
    vars(feed).update(_order=[0, 1, 2, 3], batch_size=2, max_bad_samples=3, corpus=Corpus(), _unusable={})
    bad: list[Any] = []
    assert feed._usable(0, bad).row == 2
    assert [str(one) for one in bad] == ["sample 0: cannot be used: RecursionError: deep"]


def test_a_bad_card_or_suite_among_others_is_named_and_left_out(tmp_path: Path) -> None:
    cards, model = suite(tmp_path, []), toy_model(tmp_path)
    (cards / "broken.yaml").write_text("name: broken\nversion: x\n")
    (cards / "suites" / "broken.yaml").write_text("suite: [")
    arguments = ["run", "--model", model, "--tasks-dir", cards, "--out", "out", "--tasks"]
    ran = goldieval(*arguments, "mine")
    assert ran.code == 0 and [record["status"] for record in records(Path("out"))] == ["ok"]
    assert ran.out.count("a card is left out: ") == 1 and ran.out.count("broken.yaml") == 2
    named = goldieval(*arguments, "broken")
    assert named.code == 2 and named.err.count("broken.yaml") == 2 and "bug in goldieval" not in named.err
    assert "mine" in goldieval("ls", "tasks", "--tasks-dir", cards).out
