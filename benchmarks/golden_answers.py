"""Compare the rules for answers with the programs of their benchmarks, and write what those say of a small sample.

    uv run python benchmarks/golden_answers.py --oracle-python .venv-answers/bin/python [--count 6000] [--seed 0]
    uv run python benchmarks/golden_answers.py --oracle-python .venv-answers/bin/python --write

The first prints for each program how many of the generated answers it judges as our rule does, and exits with status 1
if a single one differs; the second writes tests/golden/answers.json, which the tests read without that environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from answer_agreement import GOLDEN, RULES, differences, judged_by_programs, kind_of
from generated_answers import questions

SAMPLE, SAMPLE_SEED = 150, 7  # questions of each kind that are kept, of those that are judged


def sampled(cases: dict[str, list[Any]], verdicts: dict[str, Any]) -> dict[str, list[Any]]:
    """Return a sample of every kind, in which all ways are there in which the programs disagree."""
    kept = {
        kind: _rows({name: of["credits"] for name, of in verdicts.items() if kind_of(name) == kind}) for kind in cases
    }
    return {kind: [cases[kind][row] for row in rows] for kind, rows in kept.items()}


def _rows(credits: dict[str, list[float]]) -> list[int]:
    """Return the rows of questions, those first whose credits no question before them got from the programs."""
    seen: Counter[tuple[float, ...]] = Counter()
    places = []
    for row, of_programs in enumerate(zip(*credits.values(), strict=True)):
        places.append((seen[of_programs], row))
        seen[of_programs] += 1
    return sorted(row for _, row in sorted(places)[:SAMPLE])


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write the sample; return 1 where a credit differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle-python", required=True, help="interpreter of the programs' environment")
    parser.add_argument("--count", type=int, default=6000, help="answers of each kind")
    parser.add_argument("--seed", type=int, default=0, help="seed of the answers")
    parser.add_argument("--write", action="store_true", help="write the sample that the tests read")
    chosen = parser.parse_args(arguments)
    cases = questions(chosen.count, SAMPLE_SEED if chosen.write else chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        verdicts = judged_by_programs(chosen.oracle_python, cases, Path(folder))
        if chosen.write:
            cases = sampled(cases, verdicts)
            verdicts = judged_by_programs(chosen.oracle_python, cases, Path(folder))
    if chosen.write:
        GOLDEN.write_text(
            json.dumps({"questions": cases, "verdicts": verdicts}, ensure_ascii=False, separators=(",", ":")) + "\n",
            encoding="utf-8",
        )
        print(f"{GOLDEN}: {GOLDEN.stat().st_size // 1000} kB")
    failures = 0
    for program, rule in RULES.items():
        found = list(differences(rule, cases[kind_of(program)], verdicts[program]["credits"]))
        failures += len(found)
        print(f"{program:<26}{rule:<20}{len(cases[kind_of(program)]) - len(found):>6,} same, {len(found):>4,} not")
        for difference in found[:5]:
            print(f"    {difference}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
