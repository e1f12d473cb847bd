"""The tokenizer that a spec names: an architecture of open_clip, a folder, or a ``tokenizer.json``. No code is run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line
from goldieval.core.offline import offline
from goldieval.core.reading import read_json
from goldieval.core.reads import note_read, note_tree, note_unknown
from model_adapters.no_code import LARGEST, check_no_code, no_code

if TYPE_CHECKING:
    import torch

PAD_TOKENS = ("<pad>", "[PAD]")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
NAMED_ELSEWHERE = ("hf_model_name", "hf_tokenizer_name")  # parts of a model that are built by transformers
Tokenize = Callable[[list[str]], "torch.Tensor"]


def named_tokenizer(name: str, context: int, vocabulary: int, settings: Mapping[str, Any]) -> Any:
    """Return a tokenizer.

    Args:
        name: An architecture of open_clip, a folder with the files of a tokenizer, or a ``tokenizer.json``.
        context: Tokens of a text.
        vocabulary: Number of tokens that the text tower knows.
        settings: Settings of a tokenizer from files, such as how texts are cleaned.

    Raises:
        GoldievalError: There is no such tokenizer, it requires code, or it has more tokens than the text tower.
    """
    import open_clip

    place = Path(name).expanduser()
    note_read(place)
    try:
        with no_code():
            if place.is_dir():
                tokenizer = _of_folder(place, context, settings)
            elif place.is_file():
                tokenizer = _of_file(place, context, settings)
            elif name in open_clip.list_models():
                note_texts_of(name)
                tokenizer = open_clip.get_tokenizer(name, context_length=context)
            else:
                near = did_you_mean(name, open_clip.list_models())
                raise GoldievalError("it is neither a folder, a file nor an architecture of open_clip." + near)
    except GoldievalError as error:
        raise GoldievalError(f"tokenizer={name}: {error}") from error
    except Exception as error:  # from transformers and tokenizers
        if place.is_dir() and not any((place / file).is_file() for file in TOKENIZER_FILES):
            raise GoldievalError(
                f"tokenizer={name}: the folder has no file of a tokenizer, such as {TOKENIZER_FILES[0]}."
            ) from error
        raise GoldievalError(
            f"tokenizer={name} cannot be loaded: {type(error).__name__}: {first_line(error)}"
        ) from error
    if is_empty(getattr(tokenizer, "tokenizer", None)):
        raise GoldievalError(f"tokenizer={name} has no tokens besides its special tokens: its files are missing.")
    size = _size(tokenizer)
    if size > vocabulary:
        raise GoldievalError(f"tokenizer={name} has {size:,} tokens, the text tower {vocabulary:,}.")
    return tokenizer


def note_texts_of(architecture: str) -> None:
    """Note the files of others that the text tower and the tokenizer of an architecture of open_clip are made from."""
    import open_clip

    from goldieval.data.remote import note_pretrained

    text = open_clip.get_model_config(architecture)["text_cfg"]
    for part in NAMED_ELSEWHERE:
        if part in text:
            note_pretrained(text[part])


def changed_tokenizer(option: str, tokenizer: Tokenize, usual: Callable[[], Tokenize]) -> tuple[str, ...]:
    """Return an option with a hash of token ids, if they differ from those of the usual tokenizer."""
    ids = probe_ids(tokenizer)
    try:
        same = ids == probe_ids(usual())
    except GoldievalError:  # the usual one is not on this machine, so that nothing is known to be the same
        same = False
    return () if same else (f"{option}={ids}",)


def is_empty(tokenizer: Any) -> bool:
    """Return whether a tokenizer of transformers has special tokens only, as it makes one without the files of any."""
    known = tokenizer.get_vocab() if hasattr(tokenizer, "all_special_tokens") else None
    return known is not None and set(known) <= set(tokenizer.all_special_tokens)


def ends_with_largest_id(tokenizer: Any) -> bool:
    """Return whether texts end with one token that has the largest id, as CLIP's text tower requires."""
    ids = tokenizer(["a dog", "two cats on a sofa", "étude 3"])
    padding = getattr(getattr(tokenizer, "tokenizer", None), "pad_token_id", 0) or 0
    lengths = [len(row) - next((n for n, id in enumerate(reversed(row)) if id != padding), 0) for row in ids.tolist()]
    places = ids.argmax(dim=1).tolist()
    ends = {int(row[place]) for row, place in zip(ids, places, strict=True)}
    at_the_end = all(place in (n - 1, n) for place, n in zip(places, lengths, strict=True))  # n: it is the padding, too
    return at_the_end and len(ends) == 1


def probe_ids(tokenizer: Tokenize) -> str:
    """Return a hash of the ids of a few texts, which distinguishes a tokenizer from others."""
    from goldieval.models.torch_adapter import PROBE_TEXTS

    ids = tokenizer(PROBE_TEXTS)
    return hashlib.sha256(f"{tuple(ids.shape)} {ids.tolist()}".encode()).hexdigest()


def _of_folder(folder: Path, context: int, settings: Mapping[str, Any]) -> Any:
    """Return open_clip's tokenizer of a folder that it saved, else the folder's tokenizer of transformers."""
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    note_tree(folder)
    check_no_code(folder)
    with offline():
        if (folder / "open_clip_config.json").is_file():
            note_unknown()  # its config may name a tokenizer elsewhere
            return open_clip.get_tokenizer(f"local-dir:{folder}", context_length=context)
        return HFTokenizer(str(folder), context_length=context, **settings)


def _of_file(file: Path, context: int, settings: Mapping[str, Any]) -> Any:
    """Return the tokenizer of a ``tokenizer.json``, padded as the file says, else with a usual token, else with 0."""
    from open_clip.tokenizer import HFTokenizer, get_clean_fn
    from transformers import PreTrainedTokenizerFast

    content = read_json(file, LARGEST)
    if not isinstance(content, dict) or "model" not in content:
        raise GoldievalError("it is not a tokenizer.json of the tokenizers library.")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    padding = (content.get("padding") or {}).get("pad_token")
    known = tokenizer.get_vocab()
    tokenizer.pad_token = padding or next(
        (token for token in PAD_TOKENS if token in known), tokenizer.convert_ids_to_tokens(0)
    )
    made = HFTokenizer.__new__(HFTokenizer)  # its constructor only loads from a folder or the Hub
    made.tokenizer_mode, made.strip_sep_token = "", bool(settings.get("strip_sep_token"))
    made.tokenizer, made.context_length = tokenizer, context
    made.clean_fn = get_clean_fn(settings.get("clean", "whitespace"))
    return made


def _size(tokenizer: Any) -> int:
    """Return the number of tokens of a tokenizer of open_clip or transformers."""
    inner: Any = getattr(tokenizer, "tokenizer", None)
    return len(inner) if hasattr(inner, "__len__") else int(getattr(tokenizer, "vocab_size", 0))
