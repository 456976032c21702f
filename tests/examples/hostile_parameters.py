"""Schemas and values that are made to hang, crash or reach out."""

from __future__ import annotations

import math
from typing import Any


def one(schema: Any) -> dict[str, Any]:
    return {"properties": {"a": schema}}


def tree(keyword: str, leaf: Any, levels: int) -> Any:
    return {keyword: [tree(keyword, leaf, levels - 1)] * 8} if levels else leaf


def deep(levels: int) -> Any:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"properties": {"a": value}}
    return value


REFUSED_SCHEMAS = {
    "ref to http": (one({"$ref": "http://attacker.example/schema.json"}), "write the schema out"),
    "ref to a file": (one({"$ref": "file:///etc/passwd"}), "write the schema out"),
    "ref to itself": (one({"$ref": "#"}), "write the schema out"),
    "nested definitions": (
        one({"$defs": {"b": {"$defs": {"c": {"$ref": "#/properties/a"}}}}}),
        "write the schema out",
    ),
    "foreign draft": ({"$schema": "http://attacker.example/draft"}, "2020-12"),
    "1 MB": ({"properties": {f"p{i}": {"description": "x" * 1000} for i in range(1000)}}, "at most 16 KiB"),
    "huge enum": (one({"enum": list(range(200_000))}), "at most 4096 elements"),
    "unique objects": (one({"uniqueItems": True, "items": {"type": "object"}}), "scalar types"),
    "60 alternatives": (one({"items": {"anyOf": [{"const": i} for i in range(60)]}}), "at most 8 members"),
    "65 properties": ({"properties": {f"p{i}": {} for i in range(65)}}, "at most 64 members"),
    "multipleOf 10^400": (one({"multipleOf": 10**400}), "within ±2^53"),
    "multipleOf infinity": (one({"multipleOf": math.inf}), "finite number"),
    "minimum NaN": (one({"minimum": math.nan}), "finite number"),
    "deep": (deep(5), "at most 4 levels deep"),
    "very deep": (deep(100_000), "at most 24 levels deep"),
    "costly patterns": (
        {"properties": {f"p{i}": {"pattern": f".{{{150 + i}}}"} for i in range(60)}},
        "too large together",
    ),
    "costly refused patterns": (
        {"properties": {f"p{i}": {"pattern": f"\\pL{{90}}{i}"} for i in range(60)}},
        "too large a regular expression",
    ),
    "many wrong examples": (one({"type": "string", "examples": [0] * 3900}), "must be a string"),
    "many examples": (one({"type": "integer", "examples": [0] * 5000}), "at most 4096 elements"),
    "many complex examples": (
        one({"allOf": [{"minimum": 0}, {"maximum": 9}], "examples": [0] * 3900}),
        "too many elements",
    ),
}


STRINGS = {"type": "array", "items": {"type": "string"}}

VALUES: dict[str, tuple[Any, Any, list[str]]] = {
    "exponential pattern": (
        one({"pattern": "^(a+)+$"}),
        {"a": "a" * 10_000 + "b"},
        ["string_pattern_mismatch"],
    ),
    "pattern without a small automaton": (
        one({"pattern": "(a|b)*a(a|b){600}c"}),
        {"a": "ab" * 15_000},
        ["too_complex"],
    ),
    "large enum": (one({"enum": list(range(2900))}), {"a": "x"}, ["enum"]),
    "large enum, many times": (one({"items": {"enum": list(range(2900))}}), {"a": ["x"] * 990}, ["enum"]),
    "3,000 unique items": (one({**STRINGS, "uniqueItems": True}), {"a": ["x"] * 3000}, ["too_many_elements"]),
    "unique items": (one({**STRINGS, "uniqueItems": True}), {"a": [str(i) for i in range(990)]}, []),
    "300,000 errors": (one(STRINGS), {"a": [1] * 300_000}, ["too_many_elements"]),
    "990 errors": (one(STRINGS), {"a": [1] * 990}, ["string_type"]),
    "20,000 alternatives": (
        one({"items": {"anyOf": [{"const": i} for i in range(8)]}}),
        {"a": list(range(20_000))},
        ["too_many_elements"],
    ),
    "alternatives of alternatives": (
        one({"items": tree("anyOf", {"const": "x"}, 2)}),
        {"a": [1] * 990},
        ["type"],
    ),
    "all of all of": (
        one({"items": tree("allOf", {"type": "integer"}, 2)}),
        {"a": [1] * 990},
        ["too_complex"],
    ),
    "one of one of": (tree("oneOf", {"required": ["x"]}, 3), {"a": 1}, ["any_of", "extra_forbidden"]),
    "10^400": (one({"multipleOf": 7}), {"a": 10**400}, ["int_out_of_range"]),
    "10^5000": (one({"multipleOf": 7}), {"a": 10**5000}, ["int_out_of_range"]),
    "smallest and largest float": (one({"multipleOf": 5e-324}), {"a": 1.7e308}, []),
    "NaN": (one({"type": "number"}), {"a": math.nan}, ["finite_number"]),
    "deep": (one({}), {"a": deep(100_000)}, ["too_deep"]),
    "a million keys": (one({}), {str(i): i for i in range(1_000_000)}, ["too_many_elements"]),
    "10 MB": (one({}), {"a": "x" * 10_000_000}, ["string_too_large"]),
    "unknown names": (
        {"properties": {f"{i:02}".join("ab") * 10: {} for i in range(64)}},
        {f"{i:02}".join("ab") * 9 + "ba": 1 for i in range(900)},
        ["extra_forbidden"],
    ),
    "thousands of annotations": (
        one({"items": {f"x-{i}": 1 for i in range(1500)}}),
        {"a": list(range(990))},
        [],
    ),
}
