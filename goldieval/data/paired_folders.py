"""Two folders with corresponding file names: images in one, and a map of each image's pixels in the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import TaskError, listing
from goldieval.data.roots import inside
from goldieval.data.source import read_lines
from goldieval.data.walk import LeftOut, files_below, is_leftover, is_picture


@dataclass(frozen=True)
class PairedFolders:
    """Folders of images and of their maps, relative to the data's folder.

    Attributes:
        images: Folder of the images.
        maps: Folder of the maps; it may be that of the images, or lie below it.
        image_suffix: Ending of image names that is replaced by ``map_suffix``; if empty, the file extension is.
        map_suffix: Ending of the names of maps.
        names: File with the names (without ending) to use, one per line; empty for all.
        kind: What a map is called in messages, such as ``mask``.
    """

    images: str
    maps: str
    image_suffix: str
    map_suffix: str
    names: str
    kind: str

    def pairs(self, folder: Path, left_out: LeftOut) -> Iterator[tuple[str, str]]:
        """Yield image and map of each pair, relative to the data's folder; the map may not exist.

        Args:
            folder: The data's folder.
            left_out: Counts the files that are not used.

        Raises:
            TaskError: There are no images, two of them have one map, or one that ``names`` lists is missing.
        """
        top, maps = inside(folder, self.images), inside(folder, self.maps)
        found = files_below(
            folder, top, left_out, lambda name: self._is_picture(name) or (top / name).is_relative_to(maps)
        )
        present = [name for name in found if not self._is_map(top / name, maps)]
        by_stem: dict[str, str] = {}
        for name in present:
            other = by_stem.setdefault(self._stem(name), name)
            if other is not name:
                raise TaskError(
                    f"{top} holds {other} and {name}, two images for one {self.kind}. Choose one kind with "
                    "image_suffix."
                )
        if not present:
            raise TaskError(f"{top} holds no images{self._besides_maps(top, maps)}.")
        wanted = read_lines(inside(folder, self.names)) if self.names else list(by_stem)
        if lacking := [name for name in wanted if name not in by_stem]:
            raise TaskError(f"{len(lacking):,} images of {self.names} are not in {top}: {listing(lacking)}.")
        if not self.names and maps.is_dir():
            self._count_spare(folder, maps, wanted, left_out)
        for stem in wanted:
            yield f"{self.images}/{by_stem[stem]}", f"{self.maps}/{stem}{self.map_suffix}"

    def _is_picture(self, name: str) -> bool:
        file = name.rpartition("/")[2]
        return (file.endswith(self.image_suffix) and not is_leftover(file)) if self.image_suffix else is_picture(name)

    def _is_map(self, file: Path, maps: Path) -> bool:
        """Return whether a file in the maps' folder is a map by its ending, unless the images' ending is longer."""
        if not file.is_relative_to(maps):
            return False
        exact = len(self.image_suffix) > len(self.map_suffix) and file.name.endswith(self.image_suffix)
        return not exact and (file.name.endswith(self.map_suffix) or not self._is_picture(file.name))

    def _count_spare(self, folder: Path, maps: Path, used: Sequence[str], left_out: LeftOut) -> None:
        """Count maps without an image; a card that selects among the images leaves out their maps on purpose."""
        there = files_below(folder, maps, LeftOut(), lambda name: name.endswith(self.map_suffix))
        spare = {name for name in there if self._is_map(maps / name, maps)}
        spare -= {f"{stem}{self.map_suffix}" for stem in used}
        left_out[self.map_suffix, f"{self.kind}s without a picture"] += len(spare)

    def _besides_maps(self, top: Path, maps: Path) -> str:
        if not top.is_relative_to(maps):
            return ""
        return f" besides the {self.kind}s, which end with {self.map_suffix}: set one of the two suffixes"

    def _stem(self, name: str) -> str:
        return name.removesuffix(self.image_suffix) if self.image_suffix else name.rpartition(".")[0]
