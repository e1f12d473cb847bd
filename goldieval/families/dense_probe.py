"""Dense probes: a linear head on the patch features of a tower, trained here, predicts every pixel.

The tower is frozen, or trained as well. What differs between targets (classes, depth) is in ``dense_probe_target``; the
truth is never resized for scores.
"""

from __future__ import annotations

import numpy as np

from goldieval.core.errors import NotApplicableError, listing
from goldieval.data.samples import Dataset
from goldieval.families.base import Family, Scored, TaskRun
from goldieval.families.dense_probe_check import Checked, checked_pictures
from goldieval.families.dense_probe_features import NO_PATCHES, NO_TOKENS
from goldieval.families.dense_probe_finetuned_tower import check_trainable
from goldieval.families.dense_probe_heads import Fit, Fitted, frozen
from goldieval.families.dense_probe_predict import predicted
from goldieval.families.dense_probe_prepared import DenseProbePrepared, prepared_probe
from goldieval.families.dense_probe_target import DenseEvidence
from goldieval.models.adapter import Dense, DenseTokens, Model
from goldieval.models.inputs import Batching
from goldieval.tasks.card import Task


def _finetuned(run: TaskRun[DenseProbePrepared], checked: Checked) -> Fitted:
    from goldieval.families.dense_probe_finetuned import finetuned  # imports the models of mmsegmentation: seconds

    return finetuned(run, checked)


FITS: dict[str, Fit] = {  # by scoring mode
    "dense-probe:projected": frozen,
    "dense-probe:tokens": frozen,
    "dense-probe:finetuned-projected": _finetuned,
    "dense-probe:finetuned-tokens": _finetuned,
}


class DenseProbe(Family[DenseProbePrepared, DenseEvidence]):
    """Scores of maps that heads on patch features predict."""

    draws_pictures = True

    def prepare(self, task: Task, dataset: Dataset) -> DenseProbePrepared:
        """Check that there are pictures of both splits with truths. Raises TaskError if not."""
        return prepared_probe(task, dataset)

    def check_model(self, model: Model, mode: str) -> None:
        if not isinstance(model, Dense):
            raise NotApplicableError(NO_PATCHES)
        if mode.endswith("tokens") and not isinstance(model, DenseTokens):
            raise NotApplicableError(NO_TOKENS)
        if FITS[mode] is _finetuned:
            check_trainable(model)

    def encodes_images(self, mode: str) -> bool:
        return False

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: DenseProbePrepared, batching: Batching) -> tuple[int, str]:
        return len(prepared.dataset.images), "pictures"

    def collect(self, run: TaskRun[DenseProbePrepared]) -> DenseEvidence:
        """Check every picture, train the heads, and predict the test pictures.

        Raises:
            TaskError: too many pictures are unreadable, a truth does not fit its picture, or the output of the model is
                invalid.
        """
        checked = checked_pictures(run)
        fitted = FITS[run.mode](run, checked)
        prepared = run.prepared
        phase = "predict", "predicting test images"
        results = predicted(run, prepared.tested.tolist(), fitted.predict, phase, run.parts, draws=run.pictures_to_draw)
        return DenseEvidence(
            rows=prepared.tested,
            counts=np.stack([result.counts for result in results]),
            pixels=sum(result.pixels for result in results),
            train_content=checked.content(prepared.train),
            probe=fitted.probe,
            small=[result.small for result in results],
            drawn=[result.drawn for result in results if result.drawn is not None],
            warnings=[*_shared_pictures(run), *fitted.warnings],
        )

    def score(self, prepared: DenseProbePrepared, evidence: DenseEvidence) -> Scored:
        """Compute outcomes and metrics from what the heads predict."""
        images = [prepared.dataset.images[row] for row in evidence.rows]
        return prepared.target.scored([image.id for image in images], [image.path for image in images], evidence)


FAMILY = DenseProbe()


def _shared_pictures(run: TaskRun[DenseProbePrepared]) -> list[str]:
    """Return a line about test pictures that are training pictures as well, under whatever name."""
    prepared, keys = run.prepared, run.keys
    trained = {keys[row] for row in prepared.train}
    again = [prepared.dataset.images[row].id for row in prepared.tested if keys[row] in trained]
    return [f"{len(again):,} test images are training images as well: {listing(again)}"] if again else []
