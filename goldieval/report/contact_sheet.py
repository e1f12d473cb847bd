"""A contact sheet: the samples of a preview with their labels and captions in one PNG."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from goldieval.core.drawn_text import Font, lines_within
from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.core.text import one_line
from goldieval.data.manage.preview.facts import Preview
from goldieval.data.manage.preview.samples import PreviewSample
from goldieval.report.preview_pictures import SamplePictures

CELL, GAP, LINE, SIZE = 260, 14, 17, 13  # pixels; SIZE is that of the letters
COLUMNS, LINES_MOST = 4, 7
PAPER, INK, FRAME = (255, 255, 255), (25, 25, 25), (205, 210, 215)


def write_contact_sheet(file: Path, preview: Preview) -> None:
    """Write the sheet atomically. Raises GoldievalError if the file cannot be written."""
    stream = io.BytesIO()
    contact_sheet(preview).save(stream, "PNG")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, stream.getvalue())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Choose another --png.") from error


@dataclass(frozen=True)
class _Cell:
    pictures: list[Image.Image]
    lines: list[str]

    @property
    def height(self) -> int:
        return max((picture.height for picture in self.pictures), default=LINE) + LINE * len(self.lines) + GAP


def contact_sheet(preview: Preview) -> Image.Image:
    """Return the sheet; a text that needs more than ``LINES_MOST`` lines ends with an ellipsis, a label never."""
    per_cell = 2 if preview.prepared.dataset.masks else 1
    columns = max(1, min(COLUMNS // per_cell, len(preview.samples)))
    wide = CELL * per_cell + GAP * (per_cell - 1)
    font = ImageFont.load_default(size=SIZE)
    pictures = SamplePictures(preview, CELL)
    cells = [_cell(sample, pictures, font, wide) for sample in preview.samples]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    heading = textwrap.wrap(_heading(preview), max(20, (columns * (wide + GAP)) // 8))
    top = GAP + LINE * len(heading) + GAP
    sheet = Image.new("RGB", (columns * (wide + GAP) + GAP, top + sum(heights) + GAP * len(heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text((GAP, GAP), "\n".join(heading), INK, font, spacing=4)
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            _draw(sheet, pen, cell, (GAP + column * (wide + GAP), top), font)
        top += height + GAP
    return sheet


def _heading(preview: Preview) -> str:
    counts = ", ".join(f"{number:,} {what}" for what, number in preview.counts.items())
    return one_line(f"{preview.task.name}: {counts}; {len(preview.samples)} samples")


def _cell(sample: PreviewSample, pictures: SamplePictures, font: Font, wide: int) -> _Cell:
    shown = pictures.of(sample)
    fault = pictures.faults.get(sample.image.id, "")
    names = ", ".join(name for _, name in pictures.classes_of(sample)) if not fault else ""
    lines = [line for text in (sample.label, names, fault) if text for line in lines_within(one_line(text), wide, font)]
    for text in sample.texts:
        role = "• " if text.role == "caption" else f"• {text.role}: "
        lines += lines_within(one_line(f"{role}{text.text}"), wide, font)
    if len(lines) > LINES_MOST:
        lines = [*lines[: LINES_MOST - 1], f"{lines[LINES_MOST - 1]} …"]
    return _Cell(shown, lines)


def _draw(sheet: Image.Image, pen: ImageDraw.ImageDraw, cell: _Cell, at: tuple[int, int], font: Font) -> None:
    left, top = at
    for number, picture in enumerate(cell.pictures):
        corner = (left + number * (CELL + GAP), top)
        sheet.paste(picture, corner)
        pen.rectangle((*corner, corner[0] + picture.width - 1, corner[1] + picture.height - 1), outline=FRAME)
    below = top + max((picture.height for picture in cell.pictures), default=0) + 4
    for number, line in enumerate(cell.lines):
        pen.text((left, below + number * LINE), line, INK, font)
