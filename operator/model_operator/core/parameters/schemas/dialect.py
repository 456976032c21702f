"""Check that a schema conforms to the dialect: JSON Schema 2020-12 without unsafe or ambiguous keywords.

The check does not use the metaschema, which takes about a millisecond for each subschema. Tests verify that
every schema that passes this check is valid under the metaschema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from model_operator.core.parameters.schemas.patterns import PatternError, compile_pattern
from model_operator.core.parameters.schemas.possible_types import possible_item_types
from model_operator.core.parameters.schemas.vocabulary import (
    DRAFT,
    ENV,
    EXTENSION_PREFIX,
    SECRET_REF,
    SHAPES,
    SUBSCHEMA,
    SUBSCHEMA_LIST,
    SUBSCHEMA_MAP,
    instead_of,
)
from model_operator.core.values.json_values import SCALAR_TYPES
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import noun

MAX_DEPTH: Final = 4
"""Maximum nesting of schemas; the schemas of the parameters are at depth 1."""

MAX_PROPERTIES: Final = 64
"""Maximum number of properties of an object."""

MAX_ALTERNATIVES: Final = 8
"""Maximum number of members of ``anyOf``, ``oneOf`` or ``allOf``."""

MAX_PROGRAM: Final = 16_000
"""Maximum number of RE2 instructions of all patterns of a schema; they compile in about 6 ms."""

_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,62}")
_BELOW: Final = {"root": "parameter", "parameter": "field", "field": "field"}
_BOUNDS: Final = (
    ("minimum", "maximum", False),
    ("minimum", "exclusiveMaximum", True),
    ("exclusiveMinimum", "maximum", True),
    ("exclusiveMinimum", "exclusiveMaximum", True),
    ("minLength", "maxLength", False),
    ("minItems", "maxItems", False),
)
"""Lower and upper bound of the same measure, and whether one of them is exclusive."""
_YAML_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class _EnoughError(Exception):
    """The maximum number of violations is reached."""


def check_dialect(schema: Mapping[str, Any], loc: Loc) -> tuple[Violation, ...]:
    """Return the violations of the dialect in a parameter schema; at most ten.

    Parameters
    ----------
    schema
        An object schema within `model_operator.core.values.limits.SCHEMA_LIMITS`.
    loc
        Path of the schema.

    Returns
    -------
    tuple of Violation
        ``keyword_forbidden``, ``keyword_unknown``, ``keyword_value``, ``schema_too_deep``, ``too_long``,
        ``parameter_name``, ``pattern_syntax``, ``unique_items``, ``unused_default``, ``undeclared``,
        ``no_value``, ``secret_ref``, ``unused_env``.
    """
    checker = _Checker()
    with suppress(_EnoughError):
        checker.schema(schema, loc, depth=0, place="root")
    return tuple(checker.found)


def parameter_name_fault(name: str) -> str | None:
    """Return the fault of a parameter's name, or None.

    A name becomes an environment variable and a key in YAML files; YAML 1.1 reads ``on`` as a boolean.
    """
    if not _NAME.fullmatch(name):
        return "a parameter's name must be 1 to 63 letters, digits or _, and not start with a digit"
    if name.lower() in _YAML_WORDS:
        return "YAML reads this name as a boolean or null; choose another"
    return None


class _Checker:
    def __init__(self) -> None:
        self.found: list[Violation] = []
        self.program = 0

    def refuse(self, loc: Loc, message: str, code: str = "keyword_value") -> None:
        self.found.append(Violation(loc, message, code))
        if len(self.found) == MAX_VIOLATIONS:
            raise _EnoughError

    def schema(self, schema: Any, loc: Loc, *, depth: int, place: str) -> None:
        """Check a schema and its subschemas.

        `place` is the keyword that holds the schema. It is ``parameter`` or ``field`` for a property on a
        path of ``properties`` alone, where defaults apply.
        """
        if depth > MAX_DEPTH:
            self.refuse(loc, f"schemas must be nested at most {MAX_DEPTH} levels deep", "schema_too_deep")
        elif schema is False and place not in {"additionalProperties", "items"}:
            self.refuse(loc, "must not be false, which allows no value; leave it out")
        elif not isinstance(schema, Mapping | bool):
            self.refuse(loc, f"must be a schema, an object, got {noun(schema)}")
        elif isinstance(schema, Mapping):
            before = len(self.found)
            for keyword in sorted(schema):
                self.keyword(keyword, schema[keyword], (*loc, keyword), depth=depth, place=place)
            if len(self.found) == before:
                self.together(schema, loc)

    def keyword(self, keyword: str, value: Any, loc: Loc, *, depth: int, place: str) -> None:
        if keyword in SUBSCHEMA:
            self.schema(value, loc, depth=depth + 1, place=keyword)
        elif keyword in SUBSCHEMA_LIST:
            self.schemas(keyword, value, loc, depth=depth + 1)
        elif keyword in SUBSCHEMA_MAP:
            self.schemas_by_name(keyword, value, loc, depth=depth + 1, place=place)
        elif keyword in SHAPES:
            self.plain(keyword, value, loc, place=place)
        elif keyword == "$schema" and place == "root":
            if value not in (DRAFT, f"{DRAFT}#"):
                self.refuse(loc, f"must be {DRAFT}; or leave it out")
        elif not keyword.startswith(EXTENSION_PREFIX):
            self.refuse(loc, *instead_of(keyword, value))

    def plain(self, keyword: str, value: Any, loc: Loc, *, place: str) -> None:
        """Check a keyword without subschemas."""
        expected = SHAPES[keyword](value)
        if expected:
            self.refuse(loc, f"must be {expected}")
        elif keyword == "pattern":
            self.pattern(value, loc)
        elif keyword == "default" and place not in {"parameter", "field"}:
            self.refuse(loc, "has no effect here; give the parameter a default", "unused_default")
        elif keyword == SECRET_REF and place != "parameter":
            self.refuse(loc, "only a parameter as a whole can be a secret reference", "secret_ref")
        elif keyword == ENV and place != "parameter":
            self.refuse(loc, "has no effect here; only a parameter as a whole is a variable", "unused_env")

    def schemas(self, keyword: str, value: Any, loc: Loc, *, depth: int) -> None:
        if not isinstance(value, list) or not value:
            self.refuse(loc, "must be a list of at least one schema")
        elif keyword != "prefixItems" and len(value) > MAX_ALTERNATIVES:
            self.refuse(loc, f"must have at most {MAX_ALTERNATIVES} members, got more", "too_long")
        else:
            for index, each in enumerate(value):
                self.schema(each, (*loc, index), depth=depth, place=keyword)

    def schemas_by_name(self, keyword: str, value: Any, loc: Loc, *, depth: int, place: str) -> None:
        if not isinstance(value, Mapping):
            self.refuse(loc, f"must be an object of schemas, got {noun(value)}")
        elif len(value) > MAX_PROPERTIES:
            self.refuse(loc, f"must have at most {MAX_PROPERTIES} members, got more", "too_long")
        else:
            below = _BELOW.get(place, keyword) if keyword == "properties" else keyword
            for name in sorted(value):
                fault = parameter_name_fault(name) if below == "parameter" else None
                if fault:
                    self.refuse((*loc, name), fault, "parameter_name")
                self.schema(value[name], (*loc, name), depth=depth, place=below)

    def pattern(self, value: str, loc: Loc) -> None:
        try:
            self.program += compile_pattern(value).program
        except PatternError as error:
            self.refuse(loc, str(error), "pattern_syntax")
        if self.program > MAX_PROGRAM:
            self.program = 0  # reported once
            message = "the patterns of this schema are too large together; simplify them"
            self.refuse(loc, message, "pattern_syntax")

    def together(self, schema: Mapping[str, Any], loc: Loc) -> None:
        """Check the combinations of keywords that are valid each on its own."""
        if schema.get("uniqueItems") and not possible_item_types(schema) <= SCALAR_TYPES:
            message = "needs items of scalar types; say which, as in items: {type: string}"
            self.refuse((*loc, "uniqueItems"), message, "unique_items")
        for lower, upper, is_open in _BOUNDS:
            least, most = schema.get(lower), schema.get(upper)
            if least is not None and most is not None and (least > most or (is_open and least == most)):
                message = f"with {upper} {most} no value could be valid"
                self.refuse((*loc, lower), message, "no_value")
        if schema.get("additionalProperties") is False:
            for index, name in enumerate(schema.get("required", ())):
                if name not in schema.get("properties", {}):
                    message = "is not declared in properties, so no value could be valid"
                    self.refuse((*loc, "required", index), message, "undeclared")
