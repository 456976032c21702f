"""The parameter schema of a template: both written forms are converted to one JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Final

import orjson

from model_operator.core.parameters.list_form import LIST_KEY, schema_of_list
from model_operator.core.parameters.schemas.dialect import check_dialect
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.parameters.schemas.possible_types import (
    has_closed_items,
    is_closed,
    possible_item_types,
    possible_types,
)
from model_operator.core.parameters.schemas.stated_values import stated_value_faults
from model_operator.core.parameters.schemas.vocabulary import ENV, SECRET_REF
from model_operator.core.parameters.secret_refs import secret_ref_faults, with_secret_shape
from model_operator.core.values.json_values import canonical_copy, stable_json
from model_operator.core.values.limits import SCHEMA_LIMITS, check_limits
from model_operator.core.values.violations import InvalidObjectError, Loc, Violation
from model_operator.core.values.words import noun

KEPT_SCHEMAS: Final = 64
"""Valid schemas that are kept, of all templates."""

KEPT_BYTES: Final = 4096
"""Bytes of the largest schema that is kept, as JSON; with its values and patterns it takes up to 100 times as
much."""


@dataclass(frozen=True)
class ParameterSchema:
    """A checked, normalised parameter schema; only `parse_parameter_schema` creates one.

    Attributes
    ----------
    schema
        JSON Schema 2020-12 with an object root; ``type``, ``properties`` and ``additionalProperties`` are
        always present, ``$schema`` never. Read-only: its compiled form is cached.
    """

    schema: dict[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Schemas of the declared parameters, by name."""
        properties: dict[str, Any] = self.schema["properties"]
        return properties

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of the parameters that every instance must set, unless they have a default."""
        return frozenset(self.schema.get("required", ()))

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Default values by name, of the parameters that have one."""
        return {
            name: schema["default"]
            for name, schema in self.properties.items()
            if isinstance(schema, Mapping) and "default" in schema
        }

    @cached_property
    def evaluator(self) -> Evaluator:
        """The schema compiled, on first use."""
        return Evaluator(self.schema)

    def declares(self, name: str) -> bool:
        """Whether the template declares this parameter."""
        return name in self.properties

    def always_has_value(self, name: str) -> bool:
        """Whether every valid instance has a value for the parameter: it is required or has a default."""
        return name in self.required or name in self.defaults

    def types(self, name: str) -> frozenset[str]:
        """Return the JSON types of the parameter's values, from `core.values.json_values.JSON_TYPES`.

        ``number`` always comes with ``integer``; ``integer`` alone means integers only. Empty when the
        parameter is not declared.
        """
        return possible_types(self.properties[name]) if self.declares(name) else frozenset()

    def item_types(self, name: str) -> frozenset[str]:
        """Return the JSON types of the items of the parameter's list; empty if its value cannot be a list."""
        return possible_item_types(self.properties[name]) if self.declares(name) else frozenset()

    def has_enum(self, name: str) -> bool:
        """Whether the template lists all allowed values of the parameter (``enum``, ``const``)."""
        return self.declares(name) and is_closed(self.properties[name])

    def items_have_enum(self, name: str) -> bool:
        """Whether the template lists all allowed items of the parameter's list."""
        return self.declares(name) and has_closed_items(self.properties[name])

    def is_secret_ref(self, name: str) -> bool:
        """Whether the parameter's value is ``{name, key}`` of a Secret (``x-secret-ref: true``)."""
        schema = self.properties.get(name)
        return isinstance(schema, Mapping) and SECRET_REF in schema

    def is_variable(self, name: str) -> bool:
        """Whether the parameter is an environment variable of the container (not with ``x-env: false``)."""
        schema = self.properties.get(name)
        return self.declares(name) and not (isinstance(schema, Mapping) and schema.get(ENV) is False)


def parse_parameter_schema(raw: Mapping[str, Any] | None, loc: Loc) -> ParameterSchema:
    """Check a parameter schema as the template owner wrote it, and normalise it.

    Parameters
    ----------
    raw
        None: there are no parameters. ``{"parameters": [{name, type, description, required}, …]}``: the
        platform's list form, identified by its key, which is not a keyword of JSON Schema. Anything else: a
        JSON Schema of the parameters as one object (`core.parameters.schemas.dialect`). Undeclared
        parameters are rejected unless the schema has ``additionalProperties``.
    loc
        Path of the schema, such as ``("spec", "model_creation_parameters_schema")``.

    Returns
    -------
    ParameterSchema
        Equal for equal schemas, whatever the order of their keys.

    Raises
    ------
    InvalidObjectError
        With at most ten violations, whose paths start with `loc` and refer to the schema as written.
    """
    if raw is None:
        return _no_parameters()
    if not isinstance(raw, Mapping):
        raise InvalidObjectError([Violation(loc, f"must be an object, got {noun(raw)}", "dict_type")])
    _raise_if_any(check_limits(raw, loc, SCHEMA_LIMITS))
    written = canonical_copy(raw)
    text = stable_json(written)
    return _kept(text, loc) if len(text) <= KEPT_BYTES else _parsed(written, loc)


@cache
def _no_parameters() -> ParameterSchema:
    return _parsed({}, ())


@lru_cache(maxsize=KEPT_SCHEMAS)
def _kept(text: bytes, loc: Loc) -> ParameterSchema:
    """Return a valid schema, of which the last few are kept; it follows from the text alone.

    Most edits of a template leave its schemas as they are, and one edit is read several times: by the
    webhook, from the watch, and as a revision. How long a call takes discloses that an equal schema was read
    before, and only to an author who has the whole text of it.
    """
    return _parsed(orjson.loads(text), loc)


def _parsed(written: dict[str, Any], loc: Loc) -> ParameterSchema:
    if LIST_KEY in written:
        return ParameterSchema(canonical_copy(schema_of_list(written, loc)))
    if written.get("type", "object") != "object":
        message = 'must be "object": parameters are given by name'
        raise InvalidObjectError([Violation((*loc, "type"), message, "keyword_value")])
    written = {"type": "object", "properties": {}, "additionalProperties": False, **written}
    _raise_if_any(check_dialect(written, loc))
    _raise_if_any(secret_ref_faults(written, loc))
    written.pop("$schema", None)  # equal schemas are equal with and without it
    schema = ParameterSchema(canonical_copy(with_secret_shape(written)))
    _raise_if_any(stated_value_faults(schema.schema, loc))
    return schema


def _raise_if_any(violations: tuple[Violation, ...]) -> None:
    if violations:
        raise InvalidObjectError(violations)
