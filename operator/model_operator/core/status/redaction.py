"""Other people's words about a model, without what its instance gave as parameters.

The API server, kubelets and webhooks quote what they refuse: a label, an image, a command, of which a
parameter may be a part. Our own messages never have a value in them. These words go into the same conditions
and Events, which travel further than the instance's spec, so the values are taken out of them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from model_operator.api import ModelInstance
from model_operator.core.diagnosis.kubelet_messages import without_changing
from model_operator.core.parameters.schemas.vocabulary import SECRET_REF
from model_operator.core.status.readings import CUT, folded, readings
from model_operator.core.templates.compile import CompiledTemplate

HIDDEN: Final = "…"
"""Stands for what was taken out, as for what was cut off."""
_LEAST: Final = 4
"""Shorter texts are in every sentence, and no secrets."""
_WORD: Final = 8
_PART: Final = 16
"""So many characters of a longer value are taken out also where the rest of it does not follow."""
_CUT: Final = re.compile(rf"[\"'`]?(?P<mark>{CUT})")
_DOTS: Final = len("...")
_COMMON: Final = "Deployment Service HorizontalPodAutoscaler PodDisruptionBudget container model image"


class Redactor:
    """The values of one instance's parameters, to be left out of texts.

    What the template says itself, such as an item of an ``enum``, the names of the objects, and those of
    Secrets and their keys (``x-secret-ref``) are no secrets, and are left where they stand.

    Parameters
    ----------
    instance
        Whose parameters.
    *templates
        Its template in each revision that it runs, if there is one.
    """

    def __init__(self, instance: ModelInstance, *templates: CompiledTemplate) -> None:
        self._instance = instance
        self._templates = templates
        # The user needs the name of a missing Secret or key.
        references = _secret_references(templates)
        spec = instance.spec
        parameters = [
            spec.model_creation_parameters,
            *(entry.model_creation_parameters for entry in spec.deployments or ()),
        ]
        given = [
            value for each in parameters for name, value in (each or {}).items() if name not in references
        ]
        self._known_public: dict[str, bool] = {}
        self._values = {form for value in _scalars(given) for form in _forms(value) if len(form) >= _LEAST}

    @cached_property
    def _pieces(self) -> Mapping[int, set[str]]:
        """Short values by their length, and the parts of longer ones, as none is looked for by itself."""
        pieces: defaultdict[int, set[str]] = defaultdict(set)
        for value in self._values:
            size = min(len(value), _PART)
            pieces[size].update(value[start : start + size] for start in range(len(value) - size + 1))
        return pieces

    @cached_property
    def _beginnings(self) -> set[str]:
        return {value[:size] for value in self._values for size in range(_LEAST, min(len(value), _PART) + 1)}

    @cached_property
    def _public(self) -> str:
        """What is said elsewhere anyway; made only when something is found, as it may be long."""
        spec, metadata = self._instance.spec, self._instance.metadata
        names = [metadata.name, metadata.namespace or "", *(entry.name for entry in spec.deployments or ())]
        public = [
            each.resource.spec.model_dump(mode="json") for each in self._templates if not each.violations
        ]
        text = "\n".join([_COMMON, *names, *_keys(public), *_scalars(public)])
        return f"{text}\n{folded(text)}"

    def _is_public(self, value: str) -> bool:
        """Whether a text is said elsewhere, looked up once: a value may stand in a text many times."""
        known = self._known_public.get(value)
        if known is None:
            known = self._known_public[value] = value in self._public
        return known

    def redact(self, text: str) -> str:
        """Return a text with `HIDDEN` in place of values, also of one that was cut off.

        A value is found as it is and as Go, JSON and URLs quote it (`model_operator.core.status.readings`),
        and with ``$`` doubled for the kubelet. Takes time in proportion to the text.
        """
        if not self._values:
            return text
        is_hidden = bytearray(len(text))
        for reading in readings(text):
            for start, end in self._places(reading.text):
                first, last = reading.starts[start], reading.ends[end - 1]
                is_hidden[first:last] = b"\1" * (last - first)
            for start, cut in self._cut_off(reading.text):
                # Up to the mark: a part of an escape may stand before it.
                first, last = reading.starts[start], reading.starts[cut]
                is_hidden[first:last] = b"\1" * (last - first)
        shown: list[str] = []
        for character, hidden in zip(text, is_hidden, strict=True):
            written = HIDDEN if hidden else character
            if written != HIDDEN or shown[-1:] != [HIDDEN]:
                shown.append(written)
        return "".join(shown)

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        for size, pieces in self._pieces.items():
            found = (
                (start, start + size)
                for start in range(len(text) - size + 1)
                if text[start : start + size] in pieces
            )
            for start, end in _joined(found) if size == _PART else found:
                value = text[start:end]
                beside = text[max(start - 1, 0) : start] + text[end : end + 1]
                is_part_of_word = _is_common(value) and any(map(str.isalnum, beside))
                if not is_part_of_word and not self._is_public(value):
                    yield start, end

    def _cut_off(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the beginning of a value starts that ends where a text was cut off, and the mark."""
        for mark in _CUT.finditer(text):
            # Dots and quotes before the mark may be the value's own.
            for cut in {mark.start(), mark.start("mark"), max(mark.start("mark"), mark.end() - _DOTS)}:
                sizes = range(min(_PART, cut), _LEAST - 1, -1)
                size = next((size for size in sizes if self._is_beginning(text[cut - size : cut])), 0)
                if size:
                    yield cut - size, cut

    def _is_beginning(self, text: str) -> bool:
        """Whether a value begins so, or goes on so: of a longer one, only so many characters are known."""
        return text in self._beginnings or (len(text) == _PART and text in self._pieces.get(_PART, ()))


def _joined(places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield overlapping places, which come in their order, as one."""
    start = end = -1
    for first, last in places:
        if first >= end:
            if end > 0:
                yield start, end
            start = first
        end = last
    if end > 0:
        yield start, end


def _secret_references(templates: Iterable[CompiledTemplate]) -> set[str]:
    """Return the parameters that name Secrets, in each revision that has them."""
    is_reference: dict[str, bool] = {}
    for template in templates:
        for name, schema in template.parameters.properties.items():
            says_so = isinstance(schema, Mapping) and schema.get(SECRET_REF) is True
            is_reference[name] = says_so and is_reference.get(name, True)
    return {name for name, holds in is_reference.items() if holds}


def _scalars(value: Any) -> Iterator[str]:
    """Yield what stands in a value as text, keys not included."""
    stack = [value]
    while stack:
        match stack.pop():
            case Mapping() as mapping:
                stack += mapping.values()
            case list() | tuple() as items:
                stack += items
            case str() as text:
                yield text
            case bool() | None:
                pass
            case number:
                yield from _written(number)


def _written(number: float) -> Iterator[str]:
    """Yield a number as JSON has it, with all its digits, and with an exponent as Go and JSON write it."""
    yield json.dumps(number)
    exact = Decimal(repr(number))
    yield f"{exact:f}"
    sign, digits, exponent = exact.normalize().as_tuple()
    if isinstance(exponent, int):
        mantissa = "".join(map(str, digits))
        power = exponent + len(mantissa) - 1
        point = f"{'-' * sign}{mantissa[0]}{'.' * (len(mantissa) > 1)}{mantissa[1:]}e{'+-'[power < 0]}"
        yield f"{point}{abs(power):02}"
        yield f"{point}{abs(power)}"


def _keys(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        match stack.pop():
            case Mapping() as mapping:
                yield from mapping
                stack += mapping.values()
            case list() as items:
                stack += items


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is, on one line, and as a cause quotes it, each also with ``$`` doubled."""
    for each in {text, text.replace("$", "$$")}:
        line = folded(each)
        yield each
        yield line
        yield line.strip()
        yield without_changing(line).strip(" .")


def _is_common(text: str) -> bool:
    """Whether a text inside of a word is likely to be a part of just that word: `fail` of `failed`."""
    return len(text) < _WORD and text.isalpha()
