"""Other people's words about a model, without what its instance gave as parameters.

The API server, kubelets and webhooks quote what they refuse: a label, an image, a command, of which a
parameter may be a part. Our own messages never have a value in them. These words go into the same conditions
and Events, which travel further than the instance's spec, so the values are taken out of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from model_operator.api import ModelInstance
from model_operator.core.schemas.vocabulary import SECRET_REF
from model_operator.core.templates import CompiledTemplate

HIDDEN: Final = "…"
"""Stands for what was taken out, as for what was cut off."""
_LEAST: Final = 4
"""Shorter texts are in every sentence, and no secrets."""
_WORD: Final = 8
_PART: Final = 16
"""So many characters of a longer value are taken out also where the rest of it does not follow."""
_COMMON: Final = "Deployment Service HorizontalPodAutoscaler PodDisruptionBudget container model image"


class Undisclosed:
    """The values of one instance's parameters, to be left out of texts.

    What the template says itself, such as an item of an ``enum``, the names of the objects, and those of
    Secrets and their keys (``x-secret-ref``) are no secrets, and are left where they stand.

    Parameters
    ----------
    instance
        Whose parameters.
    template
        Its template, if there is one.
    """

    def __init__(self, instance: ModelInstance, template: CompiledTemplate | None) -> None:
        self._instance = instance
        self._template = template
        # Which Secret or key is missing is what its user has to be told.
        references = _secret_references(template)
        spec = instance.spec
        parameters = [
            spec.model_creation_parameters,
            *(entry.model_creation_parameters for entry in spec.deployments or ()),
        ]
        given = [
            value for each in parameters for name, value in (each or {}).items() if name not in references
        ]
        self._whole = {form for value in _scalars(given) for form in _forms(value) if len(form) >= _LEAST}

    @cached_property
    def _parts(self) -> set[str]:
        return {
            value[start : start + _PART] for value in self._whole for start in range(len(value) - _PART + 1)
        }

    @cached_property
    def _public(self) -> str:
        """What is said elsewhere anyway; made only when something is found, as it may be long."""
        spec, metadata = self._instance.spec, self._instance.metadata
        names = [metadata.name, metadata.namespace or "", *(entry.name for entry in spec.deployments or ())]
        known = self._template
        told = {} if known is None or known.violations else known.resource.spec.model_dump(mode="json")
        return " ".join([_COMMON, *names, json.dumps(told, ensure_ascii=False)])

    def removed_from(self, text: str) -> str:
        """Return a text with `HIDDEN` in place of values, also of one that was cut off."""
        if not self._whole:
            return text
        is_hidden = [False] * len(text)
        for start, end in self._places(text):
            is_hidden[start:end] = [True] * (end - start)
        shown = ""
        for character, hidden in zip(text, is_hidden, strict=True):
            written = HIDDEN if hidden else character
            if written != HIDDEN or not shown.endswith(HIDDEN):
                shown += written
        return shown

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        for value in self._whole:
            start = text.find(value)
            if start < 0 or value in self._public:
                continue
            while start >= 0:
                end = start + len(value)
                beside = text[start - 1 : start] + text[end : end + 1]
                if not _is_common(value) or not any(map(str.isalnum, beside)):
                    yield start, end
                start = text.find(value, start + 1)
        for start in range(len(text) - _PART + 1):
            part = text[start : start + _PART]
            if part in self._parts and part not in self._public:
                yield start, start + _PART
        cut = text.find(HIDDEN)
        while cut >= 0:
            yield from self._beginnings(text, cut)
            cut = text.find(HIDDEN, cut + 1)

    def _beginnings(self, text: str, cut: int) -> Iterator[tuple[int, int]]:
        """Yield the beginnings of values that end where a text was cut off."""
        for value in self._whole:
            for length in range(min(len(value), _PART, cut), _LEAST - 1, -1):
                if text.startswith(value[:length], cut - length):
                    yield cut - length, cut
                    break


def _secret_references(template: CompiledTemplate | None) -> set[str]:
    properties = {} if template is None else template.parameters.properties
    return {
        name
        for name, schema in properties.items()
        if isinstance(schema, Mapping) and schema.get(SECRET_REF) is True
    }


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
                yield json.dumps(number)


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is, as it stands in quotes, with `$` doubled for the kubelet, and on one line."""
    for form in (text, text.replace("$", "$$")):
        yield form
        yield " ".join(form.split())
        yield json.dumps(form, ensure_ascii=False)[1:-1]


def _is_common(text: str) -> bool:
    """Whether a text inside of a word is likely to be a part of just that word: `fail` of `failed`."""
    return len(text) < _WORD and text.isalpha()
