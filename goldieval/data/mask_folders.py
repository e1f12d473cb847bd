"""Two folders with corresponding file names: images in one, their masks in the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import TaskError, listing
from goldieval.data.roots import inside
from goldieval.data.source import read_lines
from goldieval.data.walk import LeftOut, files_below, is_leftover, is_picture


@dataclass(frozen=True)
class MaskFolders:
    """Folders of images and masks, relative to the data's folder; see ``MasksSource`` for the fields."""

    images: str
    masks: str
    image_suffix: str
    mask_suffix: str
    names: str

    def pairs(self, folder: Path, left_out: LeftOut) -> Iterator[tuple[str, str]]:
        """Yield image and mask of each pair, relative to the data's folder; the mask may not exist.

        Args:
            folder: The data's folder.
            left_out: Counts the files that are not used.

        Raises:
            TaskError: There are no images, two of them have one mask, or one that ``names`` lists is missing.
        """
        top, masks = inside(folder, self.images), inside(folder, self.masks)
        found = files_below(folder, top, left_out, lambda name: self._is_picture(name) or _within(top / name, masks))
        present = [name for name in found if not self._is_mask_of(top / name, masks)]
        by_stem: dict[str, str] = {}
        for name in present:
            other = by_stem.setdefault(self._stem(name), name)
            if other is not name:
                raise TaskError(
                    f"{top} holds {other} and {name}, two images for one mask. Choose one kind with image_suffix."
                )
        if not present:
            raise TaskError(f"{top} holds no images{self._besides_masks(top, masks)}.")
        wanted = read_lines(inside(folder, self.names)) if self.names else list(by_stem)
        if lacking := [name for name in wanted if name not in by_stem]:
            raise TaskError(f"{len(lacking):,} images of {self.names} are not in {top}: {listing(lacking)}.")
        self._count_spare(folder, masks, wanted if not self.names else None, left_out)
        for stem in wanted:
            yield f"{self.images}/{by_stem[stem]}", f"{self.masks}/{stem}{self.mask_suffix}"

    def _is_picture(self, name: str) -> bool:
        file = name.rpartition("/")[2]
        return (file.endswith(self.image_suffix) and not is_leftover(file)) if self.image_suffix else is_picture(name)

    def _is_mask_of(self, file: Path, masks: Path) -> bool:
        """Return whether a file in the masks' folder is a mask by its ending, unless the images' ending is longer."""
        if not _within(file, masks):
            return False
        exact = len(self.image_suffix) > len(self.mask_suffix) and file.name.endswith(self.image_suffix)
        return not exact and (file.name.endswith(self.mask_suffix) or not self._is_picture(file.name))

    def _count_spare(self, folder: Path, masks: Path, used: list[str] | None, left_out: LeftOut) -> None:
        """Count masks without an image, unless the card selects among the images."""
        if used is None or not masks.is_dir():
            return
        there = files_below(folder, masks, LeftOut(), lambda name: name.endswith(self.mask_suffix))
        spare = {name for name in there if self._is_mask_of(masks / name, masks)}
        left_out[self.mask_suffix, "masks without a picture"] += len(
            spare - {f"{stem}{self.mask_suffix}" for stem in used}
        )

    def _besides_masks(self, top: Path, masks: Path) -> str:
        if not top.is_relative_to(masks):
            return ""
        return f" besides the masks, which end with {self.mask_suffix}: set image_suffix or mask_suffix"

    def _stem(self, name: str) -> str:
        return name.removesuffix(self.image_suffix) if self.image_suffix else name.rpartition(".")[0]


def _within(file: Path, folder: Path) -> bool:
    return file.is_relative_to(folder)
