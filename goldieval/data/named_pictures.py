"""Pictures that an annotation names by their files."""

from __future__ import annotations

from pathlib import Path

from goldieval.data.file_names import picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.samples import ImageSample


def named_picture(where: str, top: Path, images: str, name: str, column: str, id: str | None = None) -> ImageSample:
    """Return the picture with a file name.

    Args:
        where: Location for the error message.
        top: Folder of the pictures.
        images: The same folder, relative to that of the data.
        name: Name of the file in it.
        column: Column or key of the name, for the error message.
        id: Id of the picture; by default the name as it is given.

    Raises:
        TaskError: The name leads out of the folder, or cannot be that of a file.
    """
    short = relative_name(top, name)
    source = FileImage(picture_file(where, top, short, column))
    return ImageSample(name if id is None else id, source, f"{images}/{short}")
