"""The pass over all pictures and truths before anything is trained, so that no fault ends a long training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goldieval.core.group import share
from goldieval.core.threads import map_ahead
from goldieval.families.base import TaskRun
from goldieval.families.dense_probe_prepared import DenseProbePrepared
from goldieval.families.dense_probe_windows import checked_truth, read_picture
from goldieval.families.shared_work import leave_out_failed


@dataclass(frozen=True)
class Checked:
    """What is known of the readable pictures of a task, by their index in the dataset without the unreadable ones.

    Attributes:
        sizes: height and width of the resized picture.
        contents: what ``Target.content`` returns for the truth of the picture.
    """

    sizes: dict[int, tuple[int, int]]
    contents: dict[int, np.ndarray]

    def content(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the contents of pictures."""
        total: np.ndarray = np.sum([self.contents[int(row)] for row in rows], axis=0)
        return total


def checked_pictures(run: TaskRun[DenseProbePrepared]) -> Checked:
    """Read every picture with its truth; leave out the pictures that cannot be decoded.

    Raises:
        TaskError: too many pictures are unreadable, a truth cannot be read or has another size than its picture, there
            is nothing to learn or to score, or one of the splits has no readable picture.
    """
    prepared = run.prepared
    images, target = prepared.dataset.images, prepared.target
    mine = [row for _, row in share([row for row, key in enumerate(run.keys) if key], run.group)]

    def read(row: int) -> tuple[tuple[int, int], np.ndarray] | OSError:
        try:
            picture = read_picture(images[row], prepared.params)
        except OSError as error:
            return error
        truth = checked_truth(target, row, images[row].id, picture.original)
        return picture.size, target.content(truth)

    found, failed = {}, {}
    with run.working("check", "reading images and their truths", len(mine)) as meter:
        for row, result in map_ahead(read, mine, run.batching.workers):
            if isinstance(result, OSError):
                failed[run.keys[row]] = str(result)
            else:
                found[images[row].id] = result
            meter.advance(1)
    everywhere = {id: result for part in run.group.all_gather(found) for id, result in part.items()}
    leave_out_failed(run, failed)
    results = {row: everywhere[image.id] for row, image in enumerate(run.prepared.dataset.images)}
    checked = Checked(
        sizes={row: size for row, (size, _) in results.items()},
        contents={row: content for row, (_, content) in results.items()},
    )
    target.check_train(checked.content(run.prepared.train))
    target.check_tested(checked.content(run.prepared.tested))
    return checked
