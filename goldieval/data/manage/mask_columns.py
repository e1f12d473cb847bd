"""Detection of the image and mask columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from goldieval.data.manage.columns import USUAL, Rows, columns_of_pictures, pick_column, picture_roots
from goldieval.data.manage.finding import UndecidedError, UnfitError
from goldieval.data.manage.generic_names import MASK_WORDS, words_of


@dataclass(frozen=True)
class MaskColumns:
    """Columns of a table of masks.

    Attributes:
        image: Column of the image.
        images: Folder that its paths are relative to.
        mask: Column of the mask.
        masks: Folder that its paths are relative to.
    """

    image: str
    images: str
    mask: str
    masks: str


def mask_columns(rows: Rows, folder: Path, shown: str, named: dict[str, str]) -> MaskColumns | None:
    """Find the columns of images and masks, or None if the table has no two columns of image files.

    Args:
        rows: Rows of the table.
        folder: Folder of the data.
        shown: Name of the table for error messages.
        named: Columns named by the user, by role (image, mask).

    Raises:
        UndecidedError: Two columns fit, or one that was named does not; names the option that decides.
    """
    pictures = columns_of_pictures(rows)
    if unknown := [role for role, name in named.items() if name and name not in pictures]:
        role, listed = unknown[0], ", ".join(pictures) or "none"
        raise UndecidedError(f"{shown}: {named[role]!r} (--{role}) names no image files; columns that do: {listed}.")
    if len(pictures) < 2:
        return None
    masks = [name for name in pictures if _says_mask(name) and name != named.get("image")]
    mask = pick_column(shown, "mask", masks, rows, named)
    rest = [name for name in pictures if name not in (masks if len(masks) < len(pictures) else [mask]) and name != mask]
    image = pick_column(shown, "image", rest, rows, named)
    if not mask or not image:
        return None
    roots = picture_roots(rows, folder, [image, mask])
    if lacking := [name for name in (image, mask) if name not in roots]:
        first = str(rows[0].get(lacking[0]))
        raise UnfitError(f"{shown}: the files of column {lacking[0]!r} (first: {first}) are not below {folder}.")
    return MaskColumns(image, roots[image], mask, roots[mask])


def _says_mask(name: str) -> bool:
    """Return whether a column's name is one of masks, such as ``mask_path`` or ``ground truth``."""
    words = words_of(name)
    return bool(USUAL["mask"] & set(words)) or "".join(words) in MASK_WORDS
