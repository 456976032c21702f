"""What a text says once the escapes of whoever wrote it are undone, and where in the text it says so.

Others quote values in their own way: Go's ``%q``, JSON, YAML, URLs, one within the other. Which characters
they escape differs between them and from version to version; how an escape is read hardly does. So texts are
read back, instead of guessing how a value was written.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

CUT: Final = r"…|\.\.\."
"""How others mark that a text was cut off, as a regular expression."""
_HIGHEST: Final = 0x10FFFF
# A run of escaped bytes is UTF-8. A part of an escape before a cut stands for nothing.
_BACKSLASH: Final = re.compile(
    r"(?P<bytes>(?:\\x[89a-fA-F][0-9a-fA-F]|\\[23][0-7]{2})+)"
    rf"|\\(?:U[0-9a-fA-F]{{0,7}}|u[0-9a-fA-F]{{0,3}}|x[0-9a-fA-F]?)?(?={CUT})"
    rf"|\\u[dD][89abAB][0-9a-fA-F]{{2}}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?(?={CUT})"
    r"|\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\(?:U(?P<eight>[0-9a-fA-F]{8})|u(?P<four>[0-9a-fA-F]{4})|u\{(?P<any>[0-9a-fA-F]{1,6})\}"
    r"|x(?P<two>[0-9a-fA-F]{2})|(?P<octal>[01][0-7]{2}))"
    r"|\\(?P<fold>\n[ \t]*)"
    r"|\\(?P<one>.)",
    re.DOTALL,
)
_BYTE: Final = re.compile(r"\\x(..)|\\(...)")
_LETTERS: Final = dict(zip("abfnrtv0eNLP_", "\a\b\f\n\r\t\v\0\x1b\x85\u2028\u2029\xa0", strict=True))
_PERCENT: Final = re.compile(
    rf"(?P<bytes>(?:%[0-9a-fA-F]{{2}})+)(?:%[0-9a-fA-F]?(?={CUT}))?|%[0-9a-fA-F]?(?={CUT})"
)
_QUERY: Final = re.compile(rf"{_PERCENT.pattern}|\+")
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_REPEATS: Final = re.compile(r"[\s+]+|\$+|'+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with its escapes undone.

    Attributes
    ----------
    text
        What it says.
    starts, ends
        For each character of it, where in the original that begins and ends which stands for it.
    """

    text: str
    starts: list[int]
    ends: list[int]


def readings(text: str) -> Iterator[Reading]:
    """Yield what a text may say, itself first, each once, then each with repeats folded.

    Takes time in proportion to the text. Escapes are undone up to three deep.
    """
    seen: set[str] = set()
    plain = Reading(text, [*range(len(text))], [*range(1, len(text) + 1)])
    quoted = _rewritten(plain, _BACKSLASH, _unescaped)
    twice = _rewritten(quoted, _BACKSLASH, _unescaped)
    url = _rewritten(plain, _PERCENT, _unquoted)
    page = _rewritten(plain, _ENTITY, _named)
    for each in (
        plain,
        quoted,
        twice,
        _rewritten(twice, _BACKSLASH, _unescaped),
        url,
        _rewritten(plain, _QUERY, _unquoted),
        _rewritten(quoted, _QUERY, _unquoted),
        _rewritten(url, _PERCENT, _unquoted),
        _rewritten(url, _BACKSLASH, _unescaped),
        _rewritten(quoted, _PERCENT, _unquoted),
        _rewritten(twice, _PERCENT, _unquoted),
        page,
        _rewritten(page, _BACKSLASH, _unescaped),
        _rewritten(quoted, _ENTITY, _named),
    ):
        for form in (each, _rewritten(each, _REPEATS, _once)):
            if form.text not in seen:
                seen.add(form.text)
                yield form


def folded(text: str) -> str:
    """Return a text with each space, ``$`` and ``'`` once, as a reading has it.

    Texts are put on one line, the kubelet wants ``$`` doubled, YAML doubles ``'``, and a URL has ``+`` for a
    space.
    """
    return _REPEATS.sub(_once, text)


def _rewritten(
    reading: Reading, pattern: re.Pattern[str], meaning: Callable[[re.Match[str]], str]
) -> Reading:
    starts: list[int] = []
    ends: list[int] = []
    parts: list[str] = []
    done = 0
    for found in pattern.finditer(reading.text):
        start, end = found.span()
        text = meaning(found)
        parts += (reading.text[done:start], text)
        starts += reading.starts[done:start]
        ends += reading.ends[done:start]
        starts += [reading.starts[start]] * len(text)
        ends += [reading.ends[end - 1]] * len(text)
        done = end
    if not parts:
        return reading
    parts.append(reading.text[done:])
    return Reading("".join(parts), starts + reading.starts[done:], ends + reading.ends[done:])


def _unescaped(found: re.Match[str]) -> str:
    kind = found.lastgroup
    match kind:
        case None | "fold":
            return ""
        case "bytes":
            each = _BYTE.finditer(found[0])
            return _decoded(bytes(int(one[1], 16) if one[1] else int(one[2], 8) for one in each))
        case "low":
            high, low = int(found["high"], 16), int(found["low"], 16)
            return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        case "one":
            return _LETTERS.get(found["one"], found["one"])
        case "octal":
            return chr(int(found["octal"], 8))
    code = int(found[kind], 16)
    return chr(code) if code <= _HIGHEST else ""


def _unquoted(found: re.Match[str]) -> str:
    if not found["bytes"]:
        return " " if found[0] == "+" else ""
    return _decoded(bytes.fromhex(found["bytes"].replace("%", "")))


def _decoded(content: bytes) -> str:
    """Return bytes as UTF-8 that may be cut off; what is none has a character per byte."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _named(found: re.Match[str]) -> str:
    return html.unescape(found[0])


def _once(found: re.Match[str]) -> str:
    first = found[0][0]
    return first if first in "$'" else " "
