"""The values of masks and their meaning, added to the finding that was chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from goldieval.data.manage.class_names import distinct_labels
from goldieval.data.manage.finding import Finding
from goldieval.data.manage.mask_conventions import meaning_by_convention
from goldieval.data.manage.mask_names import class_list
from goldieval.data.manage.mask_palettes import palette_warning
from goldieval.data.manage.mask_values import count_values, meaning_of
from goldieval.data.mask_files import WITHOUT_MASK, MasksSource
from goldieval.data.masks import FileMask


def completed(folder: Path, found: Finding) -> Finding:
    """Return a finding with the classes of its masks.

    Raises:
        TaskError: A mask has colours or cannot be read, or the files do not correspond.
        UnfitError: There are too many values for labels of classes.
    """
    source = {**found.source, "path": ".", "without_mask": "leave out"}
    dataset = MasksSource.model_validate(source).read(folder)
    files = [mask.file for mask in dataset.masks or () if isinstance(mask, FileMask)]
    seen = count_values(files)
    listed = class_list(folder)
    by_convention = meaning_by_convention(listed.file if listed else files[0].as_posix(), seen)
    meaning = by_convention or meaning_of(seen, listed)
    incomplete = {"without_mask": "leave out"} if any(WITHOUT_MASK in note for note in dataset.notes) else {}
    return replace(
        found,
        source=found.source | incomplete | meaning.source,
        notes=[*found.notes, *meaning.notes, *palette_warning(files)],
        classes=distinct_labels(meaning.classes),
    )
