"""Texts for terminals and the logs of CI, of which a stranger may have written any part.

The one place that says which characters may be shown as they are. Control characters and escapes steer a
terminal, marks of direction and invisible characters show something else than what stands there, and a line
such as ``::error::`` or ``##[error]`` is a command to GitHub's and Azure's runners.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

_SUSPECT: Final = re.compile(r"[^\n\t\x20-\x7e]")
_BREAKS: Final = re.compile(r"\s{2,}|[\r\n\t]")
# GitHub: `::` at the beginning of a line, blanks aside; `##[` and `##vso[` anywhere. The last
# character is escaped, so that what was written before it can stay.
_COMMAND: Final = re.compile(r"^([^\S\n]*:):", re.MULTILINE)
_OLD_COMMAND: Final = re.compile(r"(##\w{0,16})\[", re.ASCII)
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Shown as nothing, though Unicode counts them as letters and marks."""
_BYTE: Final = 0x100
_PLANE: Final = 0x10000


def is_unprintable(character: str) -> bool:
    """Tell whether a character steers, is not seen, or is none: all but letters, marks, signs and spaces."""
    if character.isprintable():
        return _INVISIBLE.fullmatch(character) is not None
    return unicodedata.category(character) != "Zs"


def has_unprintable(text: str) -> bool:
    """Tell whether a text, of one line or several, has to be escaped to be shown."""
    return escaped(text) != text


def escaped(text: str, *, commands: bool = False) -> str:
    """Return a text of any number of lines without what steers terminals or runners; line breaks are kept.

    Parameters
    ----------
    text
        Any text.
    commands
        Whether it may hold commands to a runner, because it consists of ours.
    """
    if not text.isascii() or not text.isprintable():
        text = _SUSPECT.sub(_shown, text)
    return text if commands else _OLD_COMMAND.sub(r"\1\\u005b", _COMMAND.sub(r"\1\\u003a", text))


def printable(text: str) -> str:
    """Return a text as a part of one line: breaks become spaces, and the rest is escaped."""
    return escaped(_BREAKS.sub(_joined, text))


def to_json(value: Any, indent: int) -> str:
    """Return a value as JSON that ends with a line break, with such characters in the escapes of JSON.

    Parameters
    ----------
    value
        Any JSON.
    indent
        Spaces for each level.
    """
    text = _SUSPECT.sub(_in_json, json.dumps(value, indent=indent, ensure_ascii=False))
    return _OLD_COMMAND.sub(r"\1\\u005b", text) + "\n"


def _in_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if is_unprintable(found[0]) else found[0]


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if not is_unprintable(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < _BYTE else f"\\u{code:04x}" if code < _PLANE else f"\\U{code:08x}"


def _joined(found: re.Match[str]) -> str:
    return " " if any(each in found[0] for each in "\r\n\t") else found[0]
