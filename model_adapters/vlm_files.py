"""The files of a processor, checked before transformers reads them."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import GoldievalError
from model_adapters.vlm_render import LONGEST

PICTURES = ("processor_config.json", "preprocessor_config.json")
VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "tekken.json")


def check_processor_files(folder: Path) -> None:
    """Check that a folder has the files of a processor.

    Raises:
        GoldievalError: One is missing, or a chat template is too large or not a file.
    """
    parts = {"preprocessor_config.json": PICTURES, "tokenizer.json": VOCABULARIES}
    for name, others in parts.items():
        if not any(file.is_file() for pattern in others for file in folder.glob(pattern)):
            raise GoldievalError(
                f"{folder} holds no {name}: save its processor there, processor.save_pretrained(FOLDER)."
            )
    for file in sorted(folder.rglob("*.jinja")):
        if not file.is_file():
            raise GoldievalError(f"{file} is not a file: remove it, or save the chat template of the model there.")
        if (size := file.stat().st_size) > LONGEST:
            raise GoldievalError(f"{file} has {size:,} bytes; a chat template has at most {LONGEST:,}.")
