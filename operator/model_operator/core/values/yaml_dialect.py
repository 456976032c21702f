"""YAML as kubectl reads it: which plain scalars are booleans, numbers, null, and which are strings.

kubectl's parser follows YAML 1.1 with parts of 1.2, and differs from PyYAML in scalars common in manifests:
``y`` is a boolean, ``1e3`` a number, ``1:30`` and ``2026-01-31`` are strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from model_operator.core.values.printable import has_unprintable, to_json

TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER: Final = re.compile(
    r"[-+]?(0[bB][01_]*[01]_*|0[xX][0-9a-fA-F_]*[0-9a-fA-F]_*|0[oO]?[0-7_]*|[1-9][0-9_]*)", re.ASCII
)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_INT64: Final = 2**63
_UINT64: Final = 2**64
_JSON_INTEGER_DIGITS: Final = 1e21
"""Below it, kubectl's JSON encoder writes a float without a fraction as an integer."""
_BASES: Final[Mapping[str, int]] = {"0b": 2, "0x": 16, "0o": 8}


class Dumper(yaml.SafeDumper):
    """Writes YAML that kubectl and PyYAML read alike: an ambiguous string is quoted."""

    def ignore_aliases(self, data: object) -> bool:
        """Write a repeated value in full: anchors are unusual in manifests."""
        del data
        return True

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write a text in one line, with every unprintable character escaped."""
        del split
        # JSON's escapes are YAML's, but for pairs of surrogates.
        self.write_indicator(_PAIR.sub(_in_one, to_json(text, 0).rstrip("\n")), need_whitespace=True)


_PAIR: Final = re.compile(r"(\\\\)|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")
# Folding and block style break lines, so that `::`, which GitHub reads as a command, may start one.
_COMMAND: Final = re.compile(r"(?:^|\s)::")


def _in_one(found: re.Match[str]) -> str:
    if found[1]:
        return found[0]
    high, low = int(found[2], 16), int(found[3], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def represent_text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    """Return a text as a node; its style is set where only double quotes will do."""
    # Unescaped, such characters end a line, are invisible or control the terminal; double quotes escape them.
    unfit = has_unprintable(text) or _COMMAND.search(text)
    return dumper.represent_scalar(f"{TAG}str", text, style='"' if unfit else None)


Dumper.add_representer(str, represent_text)
Dumper.add_implicit_resolver(
    f"{TAG}ambiguous",
    re.compile(
        f"^(?:{'|'.join(sorted(_TRUE | _FALSE))}|{_INTEGER.pattern}|[-+._0-9]*[0-9][-+._0-9eE]*)$", re.ASCII
    ),
    list("yYnNtTfFoO-+.0123456789"),
)


def to_yaml(*objects: Any) -> str:
    """Return a YAML stream of objects; the same objects give the same text."""
    text: str = yaml.dump_all(objects, Dumper=Dumper, width=110, allow_unicode=True, explicit_start=True)
    return text


def plain_value(text: str) -> Any:
    """Return the JSON value of an unquoted scalar.

    Raises
    ------
    ValueError
        For a number that JSON cannot represent.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "+-.0123456789":
        return text
    bare = text.replace("_", "")
    if _INTEGER.fullmatch(text) and bare.strip("+-"):
        number = _integer(bare)
        if -_INT64 <= number < _UINT64:
            return number
    if _FLOAT.fullmatch(bare):
        value = float(bare)
        if value in (float("inf"), float("-inf")):
            return text  # As Go, which takes it for no number: some hashes of revisions look like this.
        return int(value) if value.is_integer() and abs(value) < _JSON_INTEGER_DIGITS else value
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("must be a number that JSON can represent, got infinity or NaN")
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2].lower())
    if base is not None:
        number = int(digits[2:] or "0", base)
    else:
        number = int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)
    return -number if text.startswith("-") else number
