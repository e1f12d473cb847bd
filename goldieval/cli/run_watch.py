"""``goldieval run --watch DIR``: evaluate each new checkpoint of a folder, and say at the end what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from goldieval.cli.run_config import is_given
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError
from goldieval.core.text import shell_argument

if TYPE_CHECKING:
    from goldieval.engine.options import Options
    from goldieval.engine.watch import Watch, Watched, WatchOptions
    from goldieval.records.schema import Record
    from goldieval.report.console import ConsoleReporter


WATCH_OPTIONS = ("watch_every", "watch_until", "watch_idle")


def check_watch(context: typer.Context) -> None:
    """Raise GoldievalError for options that do not go together with ``--watch``, or not without it."""
    given = [name for name in WATCH_OPTIONS if is_given(context, name)]
    watch, shard, json_ = (context.params[name] for name in ("watch", "shard", "json_"))
    if watch is None and given:
        raise GoldievalError(f"--{given[0].replace('_', '-')} is an option of --watch DIR.")
    if watch is not None and shard is not None:
        raise GoldievalError("--watch does not go together with --shard, which divides checkpoints that are all there.")
    if watch is not None and json_:
        raise GoldievalError("--watch prints no JSON: its records are in --out; see: goldieval show FOLDER --json")


def run_watch(
    models: list[str],
    tasks: str,
    options: Options,
    watch: WatchOptions,
    reporter: ConsoleReporter,
    quiet: bool,
) -> bool:
    """Evaluate the checkpoints of a folder as they appear there; return whether all of them were evaluated.

    Args:
        models: the model; exactly one.
        tasks: names of the tasks, separated by commas.
        options: settings of the evaluations.
        watch: the folder, and until when.
        reporter: prints the output.
        quiet: whether there is no summary at the end, which is otherwise also printed after Ctrl-C.

    Raises:
        GoldievalError: there are several models, or nothing can be watched.
    """
    from goldieval.core.offline import offline
    from goldieval.core.processes.join import joined
    from goldieval.engine.arguments import task_arguments
    from goldieval.engine.evaluator import Evaluator
    from goldieval.engine.recorded import RecordedRuns
    from goldieval.engine.run import on_rank
    from goldieval.engine.score_log import ScoreLog
    from goldieval.engine.watch import Watch, announced, follow
    from goldieval.models.spec import parse_spec

    if len(models) != 1:
        raise GoldievalError(f"--watch takes one --model, not {len(models)}: it names the family of the checkpoints.")
    names = task_arguments(tasks)
    records: dict[str, list[Record]] = {}  # of the last state of each checkpoint
    with joined(options.distributed) as (ranks, place), offline(options.offline):
        options, shared = on_rank(options, reporter, ranks, place)
        with ScoreLog(options.log, options.out, shared.note) as score_log:
            evaluator = Evaluator(options, names, shared, score_log, ranks, place)

            def evaluate(spec: str) -> None:
                records[spec] = list(evaluator.evaluate([parse_spec(spec)]))

            if ranks.rank:
                follow(ranks, evaluate)
                return True
            recorded = RecordedRuns(options, names).has
            watching = Watch(models[0], watch, announced(ranks, evaluate), recorded, shared, ranks.progressed)
            _watch(watching, watch, options, None if quiet else reporter.console)
            ranks.broadcast("")
    return not watching.done.broken and all(record.status == "ok" for found in records.values() for record in found)


def _watch(watching: Watch, watch: WatchOptions, options: Options, console: Console | None) -> None:
    """Watch, and print the summary at any end."""
    try:
        watching.run()
    finally:
        if console is not None:
            _print_summary(watching.done, watch, options, console)


def _print_summary(done: Watched, watch: WatchOptions, options: Options, console: Console) -> None:
    counts = [f"{len(done.evaluated):,} evaluated"]
    counts += [f"{len(done.recorded):,} with records already"] if done.recorded else []
    counts += [f"{len(done.broken):,} not evaluated"] if done.broken else []
    lines = [f"watched {watch.folder}: checkpoints {', '.join(counts)}"]
    lines += [f"  {spec}: {reason}" for spec, reason in done.broken.items()]
    if options.out is not None and (done.evaluated or done.recorded):
        lines.append(f"all scores: goldieval show {shell_argument(str(options.out))}")
    for line in lines:
        console.print(Text(line), soft_wrap=True)
