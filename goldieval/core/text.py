"""Escaping of foreign strings for display: every character that is not visible is replaced by an escape sequence.

File names, captions, class names, records, model notices and messages of libraries may contain terminal escapes,
right-to-left overrides, invisible characters or lone surrogates. They are displayed as ``\\x1b`` or ``\\u202e``:
without effect, but not hidden and not silently removed.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

# Control characters except tab and line feed, DEL and C1; soft hyphen; invisible fillers; format characters (zero
# width, bidirectional controls, byte order mark, tags); line separators; surrogates; private use; non-characters.
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
"""ASCII substitutes for characters used by this project that an encoding may lack; all others become escapes."""


def printable(text: str) -> str:
    r"""Return text in which every character is visible; line feeds and tabs are kept.

    >>> printable("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\n'
    """
    return _UNSEEN.sub(lambda found: escaped(found[0]), text)


def one_line(text: str) -> str:
    r"""Return text on exactly one line: line feeds are escaped, tabs become spaces.

    >>> one_line("a\nerror: b")
    'a\\nerror: b'
    """
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def escaped(char: str) -> str:
    r"""Return the escape sequence of one character, in Python's notation.

    >>> escaped("\x9b"), escaped("\u202e"), escaped("\U000e0041")
    ('\\x9b', '\\u202e', '\\U000e0041')
    """
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def formula_safe(text: str) -> str:
    """Return one line that no spreadsheet treats as a formula: a line that could be one is prefixed by an apostrophe.

    >>> formula_safe("=1+1"), formula_safe(" @x"), formula_safe("B/16")
    ("'=1+1", "' @x", 'B/16')
    """
    line = one_line(text)
    begins = unicodedata.normalize("NFKC", line.lstrip()[:1])  # also matches full-width signs
    return f"'{line}" if begins and begins[0] in _FORMULA else line


def shell_argument(text: str) -> str:
    """Return text quoted as one argument of a shell command, with a leading ``~/`` left unquoted.

    >>> shell_argument("my data/x"), shell_argument("~/my data"), shell_argument("results")
    ("'my data/x'", "~/'my data'", 'results')
    """
    home, rest = ("~/", text[2:]) if text.startswith("~/") else ("", text)
    return home + (shlex.quote(rest) if rest or not home else "")


def natural_order(text: str) -> list[tuple[str, int, str]]:
    """Return a sort key by which numbers inside of texts are compared as numbers.

    >>> sorted(["epoch_10.pt", "epoch_9.pt", "epoch_09.pt"], key=natural_order)
    ['epoch_09.pt', 'epoch_9.pt', 'epoch_10.pt']
    """
    parts = re.findall(r"([^0-9]*)([0-9]*)", text)
    return [(before, len(digits.lstrip("0")), digits.lstrip("0")) for before, digits in parts] + [(text, 0, "")]


def fit_encoding(text: str, encoding: str | None) -> str:
    """Return text with an ASCII substitute for every character that the encoding lacks.

    >>> fit_encoding("0.5 ± 0.1 – ≥", "ascii"), fit_encoding("±", "latin-1")
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
    """Return an ASCII substitute for one character."""
    return ASCII_SUBSTITUTES.get(char) or escaped(char)


def _fitting(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return ascii_substitute(char)
    return char
