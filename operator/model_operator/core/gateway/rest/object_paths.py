"""Read the paths of fields that the API server and webhooks write as text.

The forms: ``spec.deployments[0].name`` of Kubernetes' ``field.Path``, keys of mappings in brackets, as in
``metadata.labels[a.b/c]`` and as `model_operator.core.values.violations.format_loc` writes them with escapes,
and in quotes, as in ``spec.env["a.b"]``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from model_operator.core.gateway.rest.request_reading import has_part
from model_operator.core.values.violations import Loc

_NAME: Final = re.compile(r"[^.\[]+")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\'\"ntr]))")
_NO_PATH: Final = frozenset({"", "<nil>"})
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r"}


def parse_path(text: str, known: Any = None) -> Loc:
    """Return the path that a text stands for; empty when it stands for the whole object.

    Never raises. Keys may hold any character, also brackets, so that a text can have several readings: the
    one that the object has comes first, then the shortest key.

    Parameters
    ----------
    text
        The path as text.
    known
        The object.
    """
    if text in _NO_PATH:
        return ()
    path: list[str | int] = []
    position = 0
    while position < len(text):
        if text[position] == "[":
            part, position = _bracketed(text, position, known)
        else:
            if text[position] == ".":
                position += 1
            match = _NAME.match(text, position)
            if match is None:
                continue
            part, position = match[0], match.end()
        path.append(part)
        known = known[part] if has_part(known, part) else None
    return tuple(path)


def _bracketed(text: str, start: int, known: Any) -> tuple[str | int, int]:
    """Return the part in brackets, and the position after it."""
    ends = [match.start() for match in re.finditer(r"\](?=[.\[]|$)", text[start + 1 :])]
    if not ends:
        return text[start + 1 :], len(text)
    readings = [
        (part, start + 1 + end + 1) for end in ends for part in _readings(text[start + 1 : start + 1 + end])
    ]
    return next((each for each in readings if has_part(known, each[0])), readings[0])


def _readings(inner: str) -> Iterator[str | int]:
    if _INDEX.fullmatch(inner):
        yield int(inner)
        return
    plain = _ESCAPE.sub(_unescaped, inner)
    quoted = _QUOTED.fullmatch(inner)
    if quoted:
        yield _ESCAPE.sub(_unescaped, quoted[2])
    yield plain
    if plain != inner:
        yield inner


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is None:
        return _LETTERS.get(match[4], match[4])
    number = int(code, 16)
    return chr(number) if number <= sys.maxunicode else match[0]
