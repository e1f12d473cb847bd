"""What the pages share: the template environment, the base style sheet, and hashes for content security policies."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.report.formats.html import escape, escape_invisible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
LONG_WORD = 12  # letters; shorter words are never broken
SEPARATORS = re.compile(r"(?<=[_/:@.+=-])(?=[^_/:@.+=-])")


def write_html(file: Path, page: str) -> int:
    """Write a page atomically; return its size in bytes.

    Raises:
        GoldievalError: the file cannot be written; no partial file is left.
    """
    content = (page + "\n").encode()
    try:
        atomic_write(file, content)
    except OSError as error:
        raise GoldievalError(f"--html {file}: {error.strerror or error}.") from error
    return len(content)


def environment() -> Environment:
    """Return the environment of the templates: all values are escaped, and an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=escape_invisible,
        loader=FileSystemLoader(TEMPLATES),
    )
    made.filters["breakable"] = breakable
    return made


def style_of(*pages: str) -> str:
    """Return the base style sheet of all pages, followed by those of one page, such as ``compare``."""
    return "".join((TEMPLATES / f"{name}.css").read_text(encoding="utf-8") for name in ("base", *pages))


def script_of(*names: str) -> str:
    """Return the scripts of a page, such as ``theme`` and ``page``, as one."""
    return "\n".join((TEMPLATES / f"{name}.js").read_text(encoding="utf-8").strip() for name in names)


def policy_hash(text: str) -> str:
    """Return the SHA-256 of an inline script or style, in base64, as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@lru_cache(maxsize=4096)
def breakable(text: str) -> Markup:
    """Return escaped text in which a browser may break a long name after its separators.

    >>> str(breakable("R@1 of checkpoints/<epoch>_32.pt"))
    'R@1 of checkpoints/<wbr>&lt;epoch&gt;_<wbr>32.<wbr>pt'
    """
    from markupsafe import Markup

    words = (re.split(SEPARATORS, word) if len(word) > LONG_WORD else [word] for word in text.split(" "))
    return Markup(" ".join("<wbr>".join(map(escape, parts)) for parts in words))
