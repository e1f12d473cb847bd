"""Addresses of shards: which of them are streams, and what may be shown of those that hold secrets."""

from __future__ import annotations

import re
import shlex
import urllib.parse

BETWEEN = "::"  # between two sources, as in open_clip
PIPE = "pipe:"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters or more: C:\ is a drive
HIDDEN = "***"


def sources_of(path: str) -> list[str]:
    """Return the sources that a path lists."""
    return [source for source in path.split(BETWEEN) if source] if is_stream(path) else [path]


def is_stream(path: str) -> bool:
    """Return whether a path is read as a stream: one of its sources is an address or a command.

    >>> is_stream("s3://bucket/{000..331}.tar"), is_stream("a.tar::pipe:cat b.tar"), is_stream("cc3m/{000..331}.tar")
    (True, True, False)
    """
    return any(SCHEME.match(source) or source.startswith(PIPE) for source in path.split(BETWEEN))


def runs_commands(path: str) -> bool:
    """Return whether a path holds a command."""
    return any(source.startswith(PIPE) for source in path.split(BETWEEN))


def shown(path: str) -> str:
    """Return a path without what may be secret: passwords and queries of addresses, all but the name of a command.

    >>> shown("https://me:secret@host/a.tar?token=1::pipe:curl -H 'Key: 1' https://host/b.tar")
    'https://***@host/a.tar?***::pipe:curl ***'
    >>> shown("cc3m/{00..31}.tar")
    'cc3m/{00..31}.tar'
    """
    return BETWEEN.join(map(_shown, path.split(BETWEEN))) if is_stream(path) else path


def _shown(source: str) -> str:
    if source.startswith(PIPE):
        name, *rest = source.removeprefix(PIPE).split(maxsplit=1) or [""]
        return PIPE + " ".join([HIDDEN if "=" in name else name, *[HIDDEN for _ in rest]])
    scheme = SCHEME.match(source)
    if scheme is None:
        return source
    host, slash, place = source[scheme.end() :].partition("/")
    _, at, name = host.rpartition("@")
    place, mark, _ = re.sub("#.*", "", place).partition("?")
    name, other, _ = name.partition("?")
    return f"{scheme[0]}{HIDDEN if at else ''}{at}{name}{slash}{place}{'?' + HIDDEN if mark or other else ''}"


def without_secrets(text: str, address: str) -> str:
    """Return a message with the secrets of an address replaced, as libraries repeat what they were given."""
    parts = [address, *_secrets(address)]
    for part in sorted(filter(None, parts), key=len, reverse=True):
        text = text.replace(part, shown(address) if part == address else HIDDEN)
    return text


def _secrets(address: str) -> list[str]:
    """Return the parts of an address that are not shown, also without their escapes."""
    if address.startswith(PIPE):
        words = _words(address.removeprefix(PIPE))
        parts = [part for word in words for part in (word, word.rpartition("=")[2])]
        return [part for part in parts if len(part) > 3 and part != words[0]]
    if not SCHEME.match(address):
        return []
    found = urllib.parse.urlsplit(address)
    user = found.netloc.rpartition("@")[0]
    values = [value for _, value in urllib.parse.parse_qsl(found.query)]
    hidden = [user, *user.split(":", 1), found.query, found.fragment, *values]
    return [each for part in hidden for each in (part, urllib.parse.unquote(part)) if len(each) > 2]


def _words(command: str) -> list[str]:
    """Return the words of a command, with and without what quotation marks hold together."""
    try:
        quoted = shlex.split(command)
    except ValueError:  # a quotation mark that is not closed
        quoted = []
    return [word.strip("'\"") for word in command.split()] + quoted
