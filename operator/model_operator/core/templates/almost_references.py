"""Texts that look like references and are none, such as ``${parameters.x}``: they would stay as they are.

Only what names parameters or the instance counts. ``${VAR}`` is a variable of a shell, ``{{ message.role }}``
belongs to a chat template, and ``$$(`` is an escaped ``$(``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.references import INSTANCE_FIELDS, OURS
from model_operator.core.values.words import nearest, shorten

_WORD: Final = r"[A-Za-z_][\w-]{0,127}"
# Every repetition is bounded: a text may have 64 KiB, and each of its characters may open an expression.
_SIGN: Final = re.compile(
    r"(?P<open>\$\({1,2}|\$\{{1,2}|\$\[{1,2}|\{\{-?|\[\[|[#%@]\{|%\(|[{<@%]|\$(?=[A-Za-z_.]))"
    r"\s{0,8}(?P<lead>[$.]{0,2})"
    rf"(?P<path>{_WORD}(?:\s{{0,8}}(?:\.|\[\s{{0,8}}['\"]?)\s{{0,8}}{_WORD}['\"]?\]?){{1,8}})"
    r"(?P<items>\[\*\])?\s{0,8}(?P<close>[\])}>%@]{1,2})?",
    re.ASCII,
)
_WORDS: Final = re.compile(_WORD, re.ASCII)
_HINTS: Final = ("param", "instance", "values", "release", "metadata")
_PARAMETERS: Final = frozenset(
    {"parameter", "parameters", "param", "params", "modelcreationparameters", "creationparameters"}
)
_INSTANCES: Final = frozenset({"instance", "instances", "modelinstance"})
_ROOTS: Final = _PARAMETERS | _INSTANCES
_OUTER: Final = frozenset({"spec", "inputs", "workflow", "self", "this", "values", "context"}) | _INSTANCES
"""What may precede ``parameters`` between double braces; ``tool.parameters`` is a chat template's."""
_OBJECT_FIELDS: Final = {"name": "name", "namespace": "namespace", "uid": "id"}
"""Fields of ``metadata``, and the fields of ``$(instance.…)`` with their values."""


@dataclass(frozen=True, slots=True)
class AlmostReference:
    """A text that looks like a reference.

    Attributes
    ----------
    written
        The text, shortened.
    meant
        The reference that it most likely means.
    """

    written: str
    meant: str

    def __str__(self) -> str:
        return f"{self.written} is not a reference, so it would stay in the text; did you mean {self.meant}?"


def almost_reference(text: str, parameters: ParameterSchema) -> AlmostReference | None:
    """Return the first almost-reference in a text of a template; None if there is none.

    Parameters
    ----------
    text
        The text as written in the template.
    parameters
        The parameters that the template declares.
    """
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return None
    return next(_all(text, parameters), None)


def has_reference(text: str, parameters: ParameterSchema) -> bool:
    """Whether a text in which no references are resolved has one, or one that is almost correct.

    Parameters
    ----------
    text, parameters
        As for `almost_reference`.
    """
    is_written = any(f"$({start}" in text for start in OURS)
    return is_written or almost_reference(text, parameters) is not None


def _all(text: str, parameters: ParameterSchema) -> Iterator[AlmostReference]:
    is_jinja = "{%" in text
    position = 0
    while match := _SIGN.search(text, position):
        # A word of the expression may follow another sign.
        position = match.start("path")
        if _is_escaped(match) or _is_ours(match):
            continue
        meant = _meant(match, parameters, is_jinja=is_jinja)
        if meant is not None:
            yield AlmostReference(shorten(" ".join(match[0].split())), f"$({meant}{match['items'] or ''})")


def _is_ours(match: re.Match[str]) -> bool:
    """Whether it is a reference, or so close to one that `parse_text` says what is wrong."""
    inner = match.string[match.end("open") : match.end()]
    return (
        match["open"] == "$(" and inner.startswith(OURS) and inner.rstrip(")") == inner.rstrip(")").rstrip()
    )


def _meant(match: re.Match[str], parameters: ParameterSchema, *, is_jinja: bool) -> str | None:
    """Return what the expression means in a reference; None if it is something else."""
    words = _WORDS.findall(match["path"])
    opening = match["open"]
    if opening == "$" and match["lead"]:
        return None  # a path in JSON
    is_double = opening.startswith("{{")
    # Other signs have many meanings, and a chat template may have variables of these names.
    is_plain = opening.startswith(("$(", "${", "$[")) or (is_double and not is_jinja)
    names = [word.lower().replace("_", "").replace("-", "") for word in words]
    place = max((index for index, name in enumerate(names[:-1]) if name in _ROOTS), default=None)
    if place is None:
        return _of_another_tool(words, match, parameters)
    name = words[place + 1]
    if names[place] in _INSTANCES:
        field = _OBJECT_FIELDS.get(name.lower()) or nearest(name, INSTANCE_FIELDS)
        return f"instance.{field}" if field and is_plain else None
    if is_double and any(each not in _OUTER for each in names[:place]):
        return None  # a variable of a chat template
    if parameters.declares(name) or is_plain:
        return f"parameters.{_parameter(name, parameters)}"
    return None


def _of_another_tool(words: list[str], match: re.Match[str], parameters: ParameterSchema) -> str | None:
    """Return what an expression of Helm, or a field of the object, means."""
    first, name = words[0], words[1]
    is_helm = match["open"].startswith("{{") and match["lead"].endswith(".")
    if first.lower() == "values" and (is_helm or parameters.declares(words[-1])):
        return f"parameters.{_parameter(words[-1], parameters)}"
    is_object = first == "metadata" and match["open"].startswith(("$(", "${", "{{"))
    if is_object or (is_helm and first == "Release"):
        field = _OBJECT_FIELDS.get(name.lower())
        return f"instance.{field}" if field else None
    return None


def _parameter(name: str, parameters: ParameterSchema) -> str:
    return name if parameters.declares(name) else nearest(name, parameters.properties) or name


def _is_escaped(match: re.Match[str]) -> bool:
    """Whether the expression begins with an even number of dollars, which are pairs."""
    if not match["open"].startswith("$"):
        return False
    before = match.start()
    while before and match.string[before - 1] == "$":
        before -= 1
    return (match.start() - before) % 2 == 1
