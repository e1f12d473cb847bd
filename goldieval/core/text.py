"""Strings of others made safe to show: whatever is not a visible character is written out as an escape.

File names, captions, class names, records, model notices and messages of libraries may hold terminal escapes,
right-to-left overrides, invisible characters or halves of surrogate pairs. A reader sees ``\\x1b`` or ``\\u202e``
instead: nothing acts, nothing hides, and nothing is dropped silently.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

# Control characters but for tab and line feed, DEL and C1; soft hyphen; fillers that look like nothing; formats (zero
# width, bidirectional controls, byte order mark, tags); separators of lines; surrogates; private use; non-characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
_FORMULA = "=+-@"

ASCII_SUBSTITUTES = {
    "–": "-", "—": "-", "‑": "-", "−": "-", "±": "+-", "×": "x", "·": ".", "•": "*", "…": "...", "≥": ">=", "≤": "<=",
    "≈": "~", "→": "->", "←": "<-", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "━": "-", "╸": "-", "╺": "-",
    "─": "-", "│": "|", "┃": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "√": "sqrt",
}  # fmt: skip
"""ASCII for characters of ours that a terminal's encoding may lack; other characters are written as escapes."""


def printable(text: str) -> str:
    r"""Return text in which every character is seen; lines and tabs stay.

    >>> printable("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\n'
    """
    return _UNSEEN.sub(lambda found: escaped(found[0]), text)


def one_line(text: str) -> str:
    r"""Return text that fills one line and no other: line feeds are written out, tabs become spaces.

    >>> one_line("a\nerror: b")
    'a\\nerror: b'
    """
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def escaped(char: str) -> str:
    r"""Return the escape of one character, as Python writes it.

    >>> escaped("\x9b"), escaped("\u202e"), escaped("\U000e0041")
    ('\\x9b', '\\u202e', '\\U000e0041')
    """
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def formula_safe(text: str) -> str:
    """Return one line that no spreadsheet takes for a formula: an apostrophe stands before one that could be.

    >>> inert("=1+1"), inert(" @x"), inert("B/16")
    ("'=1+1", "' @x", 'B/16')
    """
    line = one_line(text)
    begins = unicodedata.normalize("NFKC", line.lstrip()[:1])  # full-width signs count as well
    return f"'{line}" if begins and begins[0] in _FORMULA else line


def shell_argument(text: str) -> str:
    """Return text as one argument of a command that a person copies; a home folder's sign stays one.

    >>> argument("my data/x"), argument("~/my data"), argument("results")
    ("'my data/x'", "~/'my data'", 'results')
    """
    home, rest = ("~/", text[2:]) if text.startswith("~/") else ("", text)
    return home + (shlex.quote(rest) if rest or not home else "")


def fit_encoding(text: str, encoding: str | None) -> str:
    """Return text with an ASCII stand-in for whatever an encoding lacks.

    >>> fitting("0.5 ± 0.1 – ≥", "ascii"), fitting("±", "latin-1")
    ('0.5 +- 0.1 - >=', '±')
    """
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(_fitting(char, encoding or "utf-8") for char in text)
    except LookupError:
        return text
    return text


def ascii_substitute(char: str) -> str:
    """Return ASCII for one character."""
    return ASCII_SUBSTITUTES.get(char) or escaped(char)


def _fitting(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return ascii_substitute(char)
    return char
