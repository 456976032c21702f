"""What a text says once the escapes of its writer are undone, and where in the text it says so.

Go's ``%q``, JSON and URLs escape a quoted value, one within the other. Which characters they escape differs
between them and from version to version; how an escape is read does not. So a text is read back, instead of
guessing how a value was written.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

CUT: Final = r"…|\.{3,}"
"""How a writer marks that a text was cut off, as a regular expression."""
DEEPEST: Final = 2
"""So many quotations with backslashes, one within the other, are undone: JSON in ``%q``."""
_HIGHEST: Final = 0x10FFFF
# First an escape that ends at a cut and stands for nothing, in which a surrogate may be without its pair. Go
# writes bytes that are no UTF-8 as \x, and DEL and control characters, which are UTF-8 by themselves.
_BACKSLASH: Final = re.compile(
    rf"\\(?:U[0-9a-fA-F]{{0,7}}|u[0-9a-fA-F]{{0,3}}|x[0-9a-fA-F]?)?(?={CUT})"
    rf"|\\u[dD][89abAB][0-9a-fA-F]{{2}}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?(?={CUT})"
    r"|\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?P<bytes>(?:\\x[0-9a-fA-F]{2})+)"
    r"|\\(?:U(?P<eight>[0-9a-fA-F]{8})|u(?P<four>[0-9a-fA-F]{4})|(?P<one>.))",
    re.DOTALL,
)
_LETTERS: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_PERCENT: Final = re.compile(
    rf"(?P<bytes>(?:%[0-9a-fA-F]{{2}})+)(?:%[0-9a-fA-F]?(?={CUT}))?|%[0-9a-fA-F]?(?={CUT})"
)
_QUERY: Final = re.compile(rf"{_PERCENT.pattern}|\+")
_SPACES: Final = re.compile(r"\s+")


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
    """Yield what a text may say, itself first, each once, and each also on one line.

    Backslashes are undone up to `DEEPEST` times, and then the escapes of a URL once. Takes time in proportion
    to the text.
    """
    seen: set[str] = set()
    quoted = Reading(text, [*range(len(text))], [*range(1, len(text) + 1)])
    for depth in range(DEEPEST + 1):
        quoted = _rewritten(quoted, _BACKSLASH, _unescaped) if depth else quoted
        for each in (
            quoted,
            _rewritten(quoted, _PERCENT, _unquoted),
            _rewritten(quoted, _QUERY, _unquoted),
        ):
            for form in (each, _rewritten(each, _SPACES, lambda _: " ")):
                if form.text not in seen:
                    seen.add(form.text)
                    yield form


def folded(text: str) -> str:
    """Return a text on one line, each run of spaces as one, as a reading has it."""
    return _SPACES.sub(" ", text)


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
        case None:
            return ""
        case "bytes":
            return _decoded(bytes.fromhex(found["bytes"].replace("\\x", "")))
        case "low":
            high, low = int(found["high"], 16), int(found["low"], 16)
            return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        case "one":
            return _LETTERS.get(found["one"], found["one"])
    code = int(found[kind], 16)
    return chr(code) if code <= _HIGHEST else ""


def _unquoted(found: re.Match[str]) -> str:
    if not found["bytes"]:
        return " " if found[0] == "+" else ""
    return _decoded(bytes.fromhex(found["bytes"].replace("%", "")))


def _decoded(content: bytes) -> str:
    """Return bytes as UTF-8: U+FFFD for what is none, and nothing for a last character that is cut."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(content)
