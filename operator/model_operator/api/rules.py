"""Annotations of a field: validation rules, and details of its schema in the CRD."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
    from pydantic.json_schema import JsonSchemaValue

VALIDATIONS = "x-kubernetes-validations"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
MAP_TYPE = "x-kubernetes-map-type"
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"


@dataclass(frozen=True, slots=True)
class Rule:
    """A validation rule in two languages: CEL for the API server, Python for all offline checks.

    A rule is in ``Annotated[...]`` of a field, where ``self`` is the field's value, or in the ``rules`` of an
    `ApiModel`, where ``self`` is the object.

    Attributes
    ----------
    cel
        The expression that the API server evaluates; true accepts the value.
    message
        What was expected and what to do; the same in both languages.
    holds
        The same rule in Python, over the parsed value. None for a rule about the previous object
        (``oldSelf``), which only the API server knows.
    field
        For a rule over an object: the invalid field, which becomes the path of the error.
    reason
        The cause type that the API server reports, for example ``FieldValueRequired``; None is
        ``FieldValueInvalid``.
    details
        What is wrong in particular, as pairs of a regular expression (RE2 and Python) and a text. The text of
        the first expression that is found in the value is added to the message.
    text
        CEL expression of the text in which they are searched: ``self`` or a path in it.
    in_cel
        Whether the API server adds the details, too. Servers such as 1.30's take a string that may also be an
        integer for one of any length, so that expressions on it exceed the cost that a CRD may have.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    field: str | None = None
    reason: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    text: str = "self"
    in_cel: bool = True

    def to_schema(self) -> dict[str, str]:
        """Return the entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        if self.details and self.in_cel:
            choices = "".join(
                f"{_found(pattern, self.text)} ? {_cel(text)} : " for pattern, text in self.details
            )
            entry["messageExpression"] = f"{_cel(self.message)} + ({choices}'')"
        if self.field is not None:
            entry["fieldPath"] = f".{self.field}"
        if self.reason is not None:
            entry["reason"] = self.reason
        return entry

    def is_broken_by(self, value: Any) -> bool:
        """Whether the value breaks the rule; False for a rule that needs the previous object."""
        return self.holds is not None and not self.holds(value)

    def to_error(self, value: Any) -> PydanticCustomError:
        """Return the error of a value that breaks the rule; its type is ``missing`` or ``rule``."""
        code: LiteralString = "missing" if self.reason == "FieldValueRequired" else "rule"
        return PydanticCustomError(code, "{message}", {"message": self.message + self._detail(value)})

    def _detail(self, value: Any) -> str:
        for part in self.text.split(".")[1:]:
            value = getattr(value, part)
        if not isinstance(value, str):
            return ""
        return next((text for pattern, text in self.details if re.search(pattern, value)), "")

    def _check(self, value: Any) -> Any:
        if self.is_broken_by(value):
            raise self.to_error(value)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return add_rules(handler(schema), self)


def _cel(text: str) -> str:
    """Return a text as a literal of CEL."""
    return json.dumps(text)


def _found(pattern: str, text: str) -> str:
    return f"(type({text}) == string && {text}.matches({_cel(pattern)}))"


def add_rules(schema: JsonSchemaValue, *rules: Rule) -> JsonSchemaValue:
    """Return the schema with the rules appended to those that it has."""
    entries = [*schema.get(VALIDATIONS, []), *(rule.to_schema() for rule in rules)]
    return {**schema, VALIDATIONS: entries} if entries else schema


@dataclass(frozen=True, slots=True, eq=False)
class Keywords:
    """Keywords that are added to a field's schema, for example its list type."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), **self.keywords}


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """The whole schema of a field, where its Python type is less specific, for example an open object."""

    keywords: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", PRESERVE: True})

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        return dict(self.keywords)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The model that validates a field's object; the field keeps the object as written."""

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source
        return core_schema.no_info_wrap_validator_function(
            _validate_and_keep,
            handler.generate_schema(self.model),
            serialization=core_schema.plain_serializer_function_ser_schema(_unchanged),
        )


def _validate_and_keep(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    validate(value)
    return value


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, eq=False)
class IntOrString:
    """A field that takes an integer or a string; errors report one type, not two alternatives."""

    max_length: int
    form: str = ""
    """How to write a number with a fraction, for messages."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source),
            custom_error_type="int_or_string",
            custom_error_message="must be an integer or a string",
            custom_error_context={"form": self.form},
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        return {INT_OR_STRING: True, "maxLength": self.max_length}


@dataclass(frozen=True, slots=True)
class Informational:
    """Marks a field for people and catalogues that the operator never reads.

    The total size of these fields is bounded, and no cache keeps them
    (`model_operator.core.objects.kept_form`).
    """


INFORMATIONAL = Informational()
"""The marker for ``Annotated``; pydantic finds it only in the outermost annotation of the field."""

ATOMIC = Keywords({LIST_TYPE: "atomic"})
"""A list that server-side apply replaces as a whole."""


def keyed_by(key: str) -> Keywords:
    """Return the annotation of a list that server-side apply merges by this key of its items."""
    return Keywords({LIST_TYPE: "map", LIST_MAP_KEYS: [key]})
