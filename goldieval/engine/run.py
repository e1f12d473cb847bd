"""The entry point of an evaluation, for Python and for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from goldieval.core.environment import available_cores
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import offline as without_network
from goldieval.core.processes.group import Ranks
from goldieval.core.processes.join import Place, joined
from goldieval.engine.arguments import model_arguments, task_arguments
from goldieval.engine.evaluator import Evaluator
from goldieval.engine.options import Options, validated_options
from goldieval.engine.reporter import RankReporter, Reporter, SilentReporter
from goldieval.engine.score_log import ScoreLog
from goldieval.models.adapter import Model
from goldieval.models.inputs import Batching
from goldieval.models.spec import ModelSpec
from goldieval.records.results import Results


def evaluate(
    model: str | Path | Model | Sequence[str | Path | Model],
    tasks: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = "results",
    data_dir: str | Path | None = None,
    tasks_dir: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batching: Batching = Batching(),
    overrides: Mapping[str, Any] = MappingProxyType({}),
    limit: int | None = None,
    allow_bad: int = 0,
    cache: bool = True,
    offline: bool = False,
    dry_run: bool = False,
    scoring: str | None = None,
    subset: str = "",
    save_images: int = 0,
    log: str | Sequence[str] = (),
    shard: str | tuple[int, int] | None = None,
    distributed: bool = True,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> Results:
    """Evaluate a model on tasks; return one record per task, including those that failed.

    An error while one task is read, encoded or scored is a failure of that task only. A task of a suite that does not
    apply to the model (for example because the model has no decoder) has no record; a task that was requested by its
    own name fails. If one of several models cannot be loaded, the others are evaluated, and ``Results.models_failed``
    holds the reason.

    Args:
        model: a spec (a glob over checkpoints gives several models), a loaded adapter (``from_module`` makes one), or
            a list of these. The data are read once for all models.
        tasks: task ids, suites, globs or paths of cards, as a list or separated by commas.
        out: folder for the records, or None to write none.
        data_dir: folder of the data; None means ``$GOLDIEVAL_DATA``, else the cache.
        tasks_dir: folder with your own task cards.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``, for models that are loaded here.
        precision: ``fp32``, ``bf16`` or ``fp16``, of the encoders; scores are always float32.
        batching: batch sizes of images and texts, and number of threads that read and decode.
        overrides: parameters of the cards to replace, as ``--set`` does.
        limit: number of images to take of each task; the records are marked as subsets.
        allow_bad: number of unreadable pictures of a task that may be left out.
        cache: whether embeddings are read from the store and kept there.
        offline: whether network access is refused; a file that is not on this machine is then an error.
        dry_run: whether only the plan is made; no record is returned.
        scoring: ``global``, ``conditioned`` or ``shortlist:K`` for all tasks that compare images with texts; None
            leaves it to the cards and the model.
        subset: ``present`` leaves out images whose picture file is missing; the records are marked as subsets.
        save_images: number of pictures of each segmentation, or with boxes, to write with truth and prediction.
        log: trackers that get the scores: ``tensorboard``, ``wandb``, ``mlflow``, ``trackio``. Each model's step is the
            number of images that it has seen, else the step or epoch in its name, so that checkpoints give a curve.
        shard: ``I/N`` or ``(I, N)``, the part I of N, from 0, of models and tasks, for jobs that divide the work;
            ``array`` takes both from Slurm's variables of an array of jobs; None evaluates all.
        distributed: whether the processes of torchrun, accelerate or srun, or of a training that is under way, share
            the work; every one of them must then call ``evaluate`` in the same way, and all get the same records.
            False for a call by one process alone.
        options: all settings from ``out`` to ``distributed`` in one object, instead of the keywords.
        reporter: shows the progress; without one only failures are reported, as warnings.

    Returns:
        The records, in the order of models and tasks.

    Raises:
        GoldievalError: an argument is invalid, or none of the models can be evaluated.
    """
    settings: dict[str, Any] = {
        "out": out,
        "data_dir": data_dir,
        "tasks_dir": tasks_dir,
        "device": device,
        "precision": precision,
        "batching": batching,
        "overrides": overrides,
        "limit": limit,
        "allow_bad": allow_bad,
        "cache": cache,
        "offline": offline,
        "dry_run": dry_run,
        "scoring": scoring,
        "subset": subset,
        "save_images": save_images,
        "log": log,
        "shard": shard,
        "distributed": distributed,
    }
    requested, default = validated_options(settings), Options()
    changed = [name for name in settings if getattr(requested, name) != getattr(default, name)]
    if options is not None and changed:
        raise GoldievalError(f"evaluate: options and {', '.join(changed)} are both given: name each setting once.")
    options = options or requested
    with joined(options.distributed) as (ranks, place):
        models, names = model_arguments(model), task_arguments(tasks)
        ranks.check_same("arguments", {"models": _named(models), "tasks": ", ".join(names)} | _common_settings(options))
        options, reporter = on_rank(options, reporter or Reporter(), ranks, place)
        with without_network(options.offline), ScoreLog(options.log, options.out, reporter.note) as score_log:
            return Evaluator(options, names, reporter, score_log, ranks, place).evaluate(models)


def on_rank(options: Options, reporter: Reporter, ranks: Ranks, place: Place) -> tuple[Options, Reporter]:
    """Return settings and reporter for one of several processes: rank 0 writes and prints, and cores are divided.

    Args:
        options: settings of the run.
        reporter: shows the progress.
        ranks: the processes that share the work.
        place: place of this process on its machine.
    """
    if ranks.size == 1:
        return options, reporter
    batching = options.batching
    if batching.workers == available_cores():  # the default
        batching = replace(batching, workers=place.cores)
    options = replace(options, batching=batching)
    if ranks.rank:
        options, reporter = replace(options, out=None, log=()), SilentReporter()
    return options, RankReporter(reporter, ranks.progressed)


def _common_settings(options: Options) -> dict[str, str]:
    """Return the settings, by name, that must be the same on all ranks."""
    batching = replace(options.batching, workers=1)  # machines may have different numbers of cores
    common = {field.name: str(getattr(options, field.name)) for field in fields(options)}
    own = {"out", "log", "data_dir"}  # of rank 0, and of each machine; the data themselves are compared
    return {name: value for name, value in common.items() if name not in own} | {"batching": str(batching)}


def _named(models: Sequence[ModelSpec | Model]) -> str:
    return ", ".join(model.text if isinstance(model, ModelSpec) else type(model).__name__ for model in models)
