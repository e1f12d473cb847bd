"""Content keys of many images: remembered for files that did not change, else read and hashed by threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from goldieval.core.containment import error_line
from goldieval.core.meter import tracked
from goldieval.data.corruptions.corrupted import CorruptedImage, whole
from goldieval.data.image_source import ImageSource, StoredImage
from goldieval.data.kept_bytes import KEPT
from goldieval.data.places import Place
from goldieval.data.remembered import Remembered

KEY_BYTES = 32


def image_keys(sources: Sequence[ImageSource], workers: int) -> list[str | OSError]:
    """Return the content key of each picture in order, or the error that was raised while reading it.

    The picture behind several corrupted ones is read once. Inside ``reading_once``, keys of unchanged files are
    remembered, and what is read is kept for the decoders.

    Args:
        sources: The pictures.
        workers: Number of threads that read.
    """
    if not any(isinstance(source, CorruptedImage) for source in sources):
        return _keys(sources, workers, _key_of_kept)
    behind = list({id(each): each for each in map(whole, sources)}.values())
    found = dict(zip(map(id, behind), _keys(behind, workers, _key), strict=True))
    return [_derived(source, found[id(whole(source))]) for source in sources]


def _derived(source: ImageSource, key: str | OSError) -> str | OSError:
    """Return the key of a picture, given that of the one behind it."""
    return source.corruption.key(key) if isinstance(source, CorruptedImage) and isinstance(key, str) else key


def _keys(
    sources: Sequence[ImageSource], workers: int, key_of: Callable[[ImageSource], str | OSError]
) -> list[str | OSError]:
    errors: dict[int, str | OSError] = {}  # by the identity of the source; also keys that are not a SHA-256

    def compute(missing: Sequence[ImageSource]) -> Iterator[bytes | None]:
        with ThreadPoolExecutor(workers) as pool:
            keys = tracked(pool.map(key_of, missing), "reading images", len(missing))
            for source, key in zip(missing, keys, strict=True):
                value = _key_bytes(key)
                if value is None:
                    errors[id(source)] = key
                yield value

    found = Remembered("keys", KEY_BYTES, _rule()).values(sources, _places, compute)
    return [
        value.hex() if value is not None else errors[id(source)] for source, value in zip(sources, found, strict=True)
    ]


def _key(source: ImageSource) -> str | OSError:
    return _key_or_error(source, keep=False)


def _key_of_kept(source: ImageSource) -> str | OSError:
    return _key_or_error(source, keep=True)


def _key_or_error(source: ImageSource, keep: bool) -> str | OSError:
    """Return the key of a picture; what is read may be kept for the decoders, which take it by that key."""
    try:
        if not isinstance(source, StoredImage):
            return source.key()
        content = source.content()
        key = source.key_of(content)
        if keep:
            KEPT.keep(key, content)
        return key
    except OSError as error:
        return error
    except Exception as error:  # a file name that the system refuses, a container with invalid content
        return OSError(error_line(error))


def _key_bytes(key: str | OSError) -> bytes | None:
    """Return a key that is a SHA-256 as bytes, else None."""
    try:
        value = bytes.fromhex(key) if isinstance(key, str) else b""
    except ValueError:
        return None
    return value if len(value) == KEY_BYTES and value.hex() == key else None


def _places(source: ImageSource) -> list[Place | str] | None:
    place = source.place() if isinstance(source, StoredImage) else None
    return [place] if place is not None else None


def _rule() -> str:
    """Return everything besides its bytes that determines the key of an image."""
    import PIL

    from goldieval.data.decode import DEEP, most_pixels

    return f"key 1, {DEEP}, {most_pixels()}, Pillow {PIL.__version__}"
