"""Write docs/separable.md: which of the improvements that papers claim can the samples of a set separate?

uv run python benchmarks/separable.py
uv run python benchmarks/separable.py --check      # exit 1 if the page is not what this command writes
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from goldieval.metrics.effective import Z95
from goldieval.metrics.registry import metric_of
from goldieval.report.built_table import sources_of
from goldieval.report.model_agreement import Agreement, read_agreement
from goldieval.report.separable import (
    POWER,
    VERDICTS,
    Claim,
    independent_error,
    paired_error,
    read_claims,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "separable.md"
COLUMNS = {"independent": "independent", "paired": "paired only", "paired, if they agree much": "paired, if they agree much",
           "no": "not", "not testable": "not testable"}  # fmt: skip
GAIN, IMAGES = 0.022, 5_000  # of GoldiCLIP's abstract on COCO; of val2017 and of Karpathy's test split


def page() -> str:
    """Return the page."""
    agreement = read_agreement()
    ratios = min(each.ratio for each in agreement), max(each.ratio for each in agreement)
    claims = read_claims(sources_of([])[0], ratios)
    parts = [_introduction(claims, ratios), _summary(claims), _findings(claims), _goldiclip(ratios),
             _agreement(agreement, ratios), _all(claims), _limits()]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 138, break_on_hyphens=False))


def _introduction(claims: Sequence[Claim], ratios: tuple[float, float]) -> str:
    counts = Counter(claim.verdict for claim in claims)
    tested = len(claims) - counts["not testable"]
    independent, paired = counts["independent"], counts["independent"] + counts["paired"]
    return f"""# Which claimed improvements can be separated from chance?

Written by `uv run python benchmarks/separable.py` from the published numbers in `results/published`.

SuperCLIP, FLAIR and COSMOS print their method beside a baseline of their own tables. {len(claims)} such pairs of numbers could be read, {tested}
of them shares of a known number n of images. **{independent} of {tested} differences are larger than two independent samples of n images would
show by chance; {paired} are with a paired test on the same images**, at the least agreement that was seen between real models. A difference
counts as separated if it exceeds {Z95:.2f} standard errors (two-sided test at 5 %, without a correction for the number of tests).

- **independent**: as if each model had been tested on images of its own. No outcomes of single images are needed, but much is given away.
- **paired**: both models answer the same images, and only those count that one of them has right and the other has not. How many these are
  is not published. Here it is assumed that they are {ratios[0]:.2f} to {ratios[1]:.2f} of what two models with these accuracies would show that err
  independently, the range that was seen between two real models (below).
- **n** is the number of images: captions of one image are not independent. With captions as independent samples, n would be five times as
  large on COCO and Flickr30k, and more would be separated, wrongly if captions of one image succeed and fail together."""


def _summary(claims: Sequence[Claim]) -> str:
    papers = list(dict.fromkeys(claim.paper for claim in claims))
    lines = [f"| paper | numbers | {' | '.join(COLUMNS.values())} |", f"|---|--:|{'--:|' * len(COLUMNS)}"]
    for paper in [*papers, "all"]:
        own = [claim.verdict for claim in claims if paper in (claim.paper, "all")]
        lines.append(f"| {paper} | {len(own)} | {' | '.join(str(own.count(verdict)) for verdict in VERDICTS)} |")
    note = (
        '"Paired, if they agree much": only at the greatest agreement that was seen. "Not testable": mIoU, errors and scores, and '
        "accuracies of sets whose n is not known here."
    )
    return "\n".join(["## Summary", "", *lines, "", _wrapped(note)])


def _findings(claims: Sequence[Claim]) -> str:
    sets: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.independent is not None:
            sets.setdefault(_title(claim), []).append(claim)
    lines = ["| set | n | claims | median difference | MDD independent | MDD paired | separated independently | separated paired |",
             "|---|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for title, own in sorted(sets.items(), key=lambda item: -len(item[1])):
        verdicts = [claim.verdict for claim in own]
        alone = verdicts.count("independent")
        sizes = sorted(abs(claim.difference) for claim in own)
        middle = (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2
        widest = max(own, key=lambda claim: claim.independent or 0.0)
        lines.append(
            f"| {title} | {_count(own[0])} | {len(own)} | {100 * middle:.1f} | {_mdd(widest)} | {alone} | {alone + verdicts.count('paired')} |"
        )
    return "\n".join([
        "## By set", "",
        _wrapped("The minimum detectable difference (MDD, 5 %, 80 % power, in points) is what a new method should aim at, or test on "
                 "more images. It is that of the pair of models with the widest error."), "", *lines,
    ])  # fmt: skip


def _goldiclip(ratios: tuple[float, float]) -> str:
    widest = Z95 * independent_error(0.5, 0.5, IMAGES)
    paired = [Z95 * paired_error(0.5, 0.5, IMAGES, ratio) for ratio in ratios]
    word = "exceeds" if widest < GAIN else "does not exceed"
    return f"""## GoldiCLIP

The abstract states gains, not the two numbers: {100 * GAIN:.1f} points on COCO, 2.0 on fine-grained and 5.9 on question-based retrieval. At the accuracy
where errors are widest (50 %) and with the {IMAGES:,} images of either COCO split, a difference has to exceed {100 * widest:.1f} points independently and
{100 * paired[0]:.1f} to {100 * paired[1]:.1f} paired: the gain on COCO {word} the independent limit. For the other two, the numbers of images and
queries are not public: not testable."""


def _agreement(agreement: Sequence[Agreement], ratios: tuple[float, float]) -> str:
    lines = [
        "| set | items | accuracy A | accuracy B | only one right | if independent | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in agreement:
        first, second = each.shares
        lines.append(
            f"| {each.task}, {metric_of(each.metric).label} | {each.n:,} | {100 * first:.1f} | {100 * second:.1f} | {100 * each.discordant:.1f} "
            f"| {100 * each.discordant / each.ratio:.1f} | {each.ratio:.2f} |"
        )
    return "\n".join([
        "## How much real models agree", "",
        _wrapped("OpenAI's ViT-B/32 (A) and the same model fine-tuned on COCO (B), by their published outcomes of each item. They "
                 f"disagree on {ratios[0]:.2f} to {ratios[1]:.2f} of the items on which independent errors would make them disagree, at "
                 "accuracies from 49 to 95 %; the ratio changes little with the accuracy."),
        "", *lines, "",
        _wrapped("**This is an extrapolation.** Both sets are choices between true and false captions; the claims are of retrieval and "
                 "classification. One model was made from the other: models trained apart may agree less, and then a paired test gains "
                 "less. `goldieval compare` measures it on the outcomes of two models."),
    ])  # fmt: skip


def _all(claims: Sequence[Claim]) -> str:
    lines = ["| paper | method over baseline | set | n | baseline | method | difference | MDD independent | MDD paired | separated |",
             "|---|---|---|--:|--:|--:|--:|--:|--:|---|"]  # fmt: skip
    for claim in claims:
        unit = metric_of(claim.metric).unit
        first, second = (unit.text(value) for value in claim.values)
        difference = unit.text(claim.difference, signed=True)
        pair = f"{claim.method} over {claim.baseline}"
        lines.append(
            f"| {claim.paper} | {pair} | {_title(claim)} | {_count(claim)} | {first} | {second} | {difference} | {_mdd(claim)} "
            f"| {COLUMNS[claim.verdict]} |"
        )
    return "\n".join(["## Every pair", "", *lines])


def _limits() -> str:
    return """## What this does not say

- **Seeds.** A second training of the same recipe gives another number. That spread adds to every error above and is in none of them; no
  paper of the four prints it. A difference that samples separate may still be one of two lucky trainings.
- **Selection.** Tables show what was chosen to be shown, and this page tests each difference by itself: of 20 true nulls, one is "separated".
- **Questions about one picture** are one unit as well, so that GQA counts 398 pictures, not 12,578 questions. A test on the outcomes of
  two models (`goldieval compare`) finds out how much questions of one picture have in common, and separates smaller differences.
- **Rounding and repetition.** Numbers with one digit are known to 0.05 points. A number that two tables of a paper print differently
  stands there twice.
- **Averages of 38 sets** have the error that follows from n of the sets, of the published model with the widest one; macro F1 and one worst
  region count as exact.
- **Baselines** that a method's authors ran are taken as they are. Whether a baseline was tuned as long is no question of n."""


def _title(claim: Claim) -> str:
    return f"{claim.task}, {metric_of(claim.metric).label}"


def _count(claim: Claim) -> str:
    if claim.n is not None:
        return f"{claim.n:,}"
    return "38 sets" if claim.independent is not None else "–"


def _mdd(claim: Claim) -> str:
    """Return both minimum detectable differences in points."""
    if claim.independent is None or claim.paired is None:
        return "– | –"
    low, high = (100 * POWER * error for error in claim.paired)
    return f"{100 * POWER * claim.independent:.1f} | {low:.1f}–{high:.1f}"


def main(arguments: Sequence[str] | None = None) -> Iterator[str]:
    """Write or check the page; yield lines about it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit 1 if the page differs from what this command writes")
    made = page()
    if parser.parse_args(arguments).check:
        if made != PAGE.read_text(encoding="utf-8"):
            sys.exit(f"{PAGE} differs from what this command writes.")
        yield f"{PAGE} agrees"
        return
    PAGE.write_text(made, encoding="utf-8")
    yield f"{PAGE}: {len(made) / 1e3:.0f} kB"


if __name__ == "__main__":
    for line in main():
        print(line)
