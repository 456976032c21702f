"""Example parameters: valid parameters of an instance, derived from the template's schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.parameters.schemas.defaults import with_defaults
from model_operator.core.parameters.schemas.possible_types import possible_types
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.values.json_values import JSON_TYPES
from model_operator.core.values.limits import VALUE_LIMITS

_TEXTS: Final = (
    "example",
    "1",
    "1.0.0",
    "v1.0.0",
    "example/example",
    "/example",
    "EXAMPLE",
    "en",
    "1Gi",
    "1h",
    "https://example.com/example",
    "s3://example/example",
)
"""Candidates for a string, tried in order until one fits ``pattern`` and lengths."""

_FORMATS: Final = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "email": "name@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/example",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}


class _NoValueError(Exception):
    """No example of the schema was found."""


@dataclass(frozen=True, slots=True)
class ExampleParameters:
    """The result of a search for example parameters.

    Attributes
    ----------
    values
        Parameters by name, valid under the schema; None if none were found.
    missing
        Names of the parameters without a valid example, sorted; empty if the cause is a rule over several
        parameters.
    """

    values: dict[str, Any] | None
    missing: tuple[str, ...] = ()


def example_parameters(schema: ParameterSchema, stated_only: Collection[str] = ()) -> ExampleParameters:
    """Return valid parameters for an instance.

    The first of the schema's own ``examples`` is preferred. Otherwise each parameter gets its first example,
    default or ``enum`` value, in this order. A required parameter with none of them gets a generated value:
    the simplest that its types, bounds, lengths, ``format`` and ``pattern`` allow, if it is easy to find.

    Parameters
    ----------
    schema
        The parameters.
    stated_only
        Names of parameters that must not get a generated value, since something depends on their value.

    Notes
    -----
    Takes no longer than one validation: all candidates share one budget.
    """
    maker = _Maker(schema)
    missing: tuple[str, ...] = ()
    for candidate in maker.candidates(frozenset(stated_only)):
        _, violations = validate_parameters(schema, candidate, ())
        if not violations:
            return ExampleParameters(dict(candidate))
        missing = tuple(sorted({str(violation.loc[0]) for violation in violations if violation.loc}))
    return ExampleParameters(None, tuple(sorted(maker.missing)) or missing)


class _Maker:
    """Finds values for schemas; one budget bounds the work for all of them."""

    def __init__(self, schema: ParameterSchema) -> None:
        self.parameters = schema
        self.missing: set[str] = set()
        self._evaluation = schema.evaluator.evaluation()
        self._left = VALUE_LIMITS.elements

    def candidates(self, stated_only: frozenset[str]) -> Iterator[Mapping[str, Any]]:
        """Yield candidates that may be valid, the most informative first."""
        schema = self.parameters
        yield from schema.schema.get("examples", ())[:1]
        given: dict[str, Any] = {}
        for name in sorted(schema.properties.keys() | schema.required):
            is_needed = name in schema.required and name not in schema.defaults
            try:
                given[name] = self._value(
                    schema.properties.get(name, False), invent=is_needed and name not in stated_only
                )
            except _NoValueError:
                if is_needed:
                    self.missing.add(name)
        if self.missing:
            return
        yield given
        # Optional ones may exclude each other.
        yield {name: value for name, value in given.items() if name in schema.required}

    def _value(self, schema: Any, *, invent: bool) -> Any:
        """Return a value for a schema; generated, in whole or in part, only if `invent` is true."""
        self._left -= 1
        if schema is False or self._left < 0:
            raise _NoValueError
        flat = _flat(schema)
        stated = list(_stated(flat))
        if stated:
            return next((value for value in stated if value is not None), None)
        types = possible_types(schema)
        if "object" in types and (flat.get("required") or types == {"object"}):
            return self._object(flat, invent=invent)
        if not invent:
            raise _NoValueError
        for name in JSON_TYPES:
            if name in types:
                for candidate in self._made_up(name, flat):
                    if self._fits(candidate, schema):
                        return candidate
        raise _NoValueError

    def _object(self, flat: Mapping[str, Any], *, invent: bool) -> dict[str, Any]:
        names, properties = flat.get("required", ()), flat.get("properties", {})
        if not names and not invent:
            raise _NoValueError
        return {name: self._value(properties.get(name, True), invent=invent) for name in names}

    def _made_up(self, json_type: str, flat: Mapping[str, Any]) -> Iterator[Any]:
        match json_type:
            case "string":
                yield from _texts(flat)
            case "integer" | "number":
                yield from _numbers(flat)
            case "boolean":
                yield from (True, False)
            case "array":
                yield self._list(flat)
            case "object":
                yield {}
            case "null":
                yield None

    def _list(self, flat: Mapping[str, Any]) -> list[Any]:
        """Return a list, not empty if the schema allows it: such an example shows more."""
        least = max(flat.get("minItems", 0), 1)
        length = min(least, flat.get("maxItems", least))
        first, rest = flat.get("prefixItems", ()), flat.get("items", True)
        if not first and rest is False:
            return []
        schemas = (first[index] if index < len(first) else rest for index in range(length))
        return [self._value(schema, invent=True) for schema in schemas]

    def _fits(self, value: Any, schema: Any) -> bool:
        if not isinstance(schema, Mapping):
            return True
        filled = with_defaults(schema, value)
        evaluator = self.parameters.evaluator
        return not any(evaluator.violations(filled, (), schema=schema, evaluation=self._evaluation))


def _flat(schema: Any) -> Mapping[str, Any]:
    """Return the keywords of a schema and its branches; of several alternatives only the first."""
    if not isinstance(schema, Mapping):
        return {}
    branches = [*schema.get("allOf", ()), *schema.get("anyOf", ())[:1], *schema.get("oneOf", ())[:1]]
    flat: dict[str, Any] = {}
    for branch in branches:
        flat.update(_flat(branch))
    flat.update(schema)
    return flat


def _stated(flat: Mapping[str, Any]) -> Iterator[Any]:
    yield from flat.get("examples", ())
    yield from (flat[keyword] for keyword in ("default", "const") if keyword in flat)
    yield from flat.get("enum", ())


def _texts(flat: Mapping[str, Any]) -> Iterator[str]:
    if flat.get("format") in _FORMATS:
        yield _FORMATS[flat["format"]]
    least, most = flat.get("minLength", 0), flat.get("maxLength", VALUE_LIMITS.string)
    if least <= VALUE_LIMITS.string:
        for text in _TEXTS:
            yield (text * (1 + least // len(text)))[: max(least, min(len(text), most))]


def _numbers(flat: Mapping[str, Any]) -> Iterator[int | float]:
    yield from (1, 0)
    bounds = [flat[keyword] for keyword in ("minimum", "maximum", "multipleOf") if keyword in flat]
    open_bounds = [flat[keyword] for keyword in ("exclusiveMinimum", "exclusiveMaximum") if keyword in flat]
    yield from bounds
    yield from (bound + step for bound in open_bounds for step in (1, -1))
    yield sum([*bounds, *open_bounds]) / 2
