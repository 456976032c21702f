"""The list form of a parameter schema: ``{"parameters": [{name, type, description, required}]}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.parameters.schemas.dialect import MAX_PROPERTIES, parameter_name_fault
from model_operator.core.values.hints import did_you_mean
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.violations import InvalidObjectError, Loc, Violation
from model_operator.core.values.words import noun

LIST_KEY: Final = "parameters"
"""The only key of the list form."""

_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_PLATFORM_NAMES: Final = {json_name: name for name, json_name in _TYPES.items()}
_KEYS: Final = ("name", "type", "description", "required")


def schema_of_list(written: Mapping[str, Any], loc: Loc) -> dict[str, Any]:
    """Convert a list of parameters to a JSON Schema.

    Raises
    ------
    InvalidObjectError
        With at most ten violations: ``missing``, ``extra_forbidden``, ``string_type``, ``bool_type``,
        ``list_type``, ``dict_type``, ``enum``, ``parameter_name``, ``too_long``, ``not_unique``.
    """
    entries = written[LIST_KEY]
    faults = [
        Violation(
            (*loc, key),
            f"cannot be combined with `{LIST_KEY}`, which is the whole schema",
            "extra_forbidden",
        )
        for key in sorted(written.keys() - {LIST_KEY})
    ]
    if not isinstance(entries, list):
        faults.append(Violation((*loc, LIST_KEY), f"must be a list, got {noun(entries)}", "list_type"))
        entries = []
    if len(entries) > MAX_PROPERTIES:
        message = f"must have at most {MAX_PROPERTIES} members, got more"
        faults.append(Violation((*loc, LIST_KEY), message, "too_long"))
        entries = []
    names: set[str] = set()
    for index, entry in enumerate(entries):
        faults += _faults(entry, (*loc, LIST_KEY, index), names)
    if faults:
        raise InvalidObjectError(faults[:MAX_VIOLATIONS])
    return {
        "type": "object",
        "properties": {
            entry["name"]: {"type": _TYPES[entry["type"]], "description": entry["description"]}
            for entry in entries
        },
        "required": sorted(entry["name"] for entry in entries if entry["required"]),
        "additionalProperties": False,
    }


def _faults(entry: Any, loc: Loc, names: set[str]) -> list[Violation]:
    """Return the violations of one entry; its name is added to `names`, those of the entries before it."""
    if not isinstance(entry, dict):
        return [Violation(loc, f"must be an object of {', '.join(_KEYS)}, got {noun(entry)}", "dict_type")]
    faults = [
        Violation((*loc, key), f"required field is missing; each entry has {', '.join(_KEYS)}", "missing")
        for key in _KEYS
        if key not in entry
    ]
    for key in sorted(entry):
        fault = _fault(key, entry[key], names)
        if fault:
            faults.append(Violation((*loc, key), *fault))
    return faults


def _fault(key: str, value: Any, names: set[str]) -> tuple[str, str] | None:
    match key, value:
        case "required", bool():
            return None
        case "required", _:
            return f"must be true or false, got {noun(value)}", "bool_type"
        case (("name" | "type" | "description"), str()):
            return _text_fault(key, value, names)
        case (("name" | "type" | "description"), _):
            return f"must be a string, got {noun(value)}", "string_type"
    return f"unknown field; each entry has {', '.join(_KEYS)}", "extra_forbidden"


def _text_fault(key: str, value: str, names: set[str]) -> tuple[str, str] | None:
    if key == "type" and value not in _TYPES:
        hint = (
            f"; write {_PLATFORM_NAMES[value]}" if value in _PLATFORM_NAMES else did_you_mean(value, _TYPES)
        )
        return f"must be one of {', '.join(_TYPES)}{hint}", "enum"
    if key == "name":
        if value in names:
            return "must not repeat the name of an entry before it", "not_unique"
        names.add(value)
        fault = parameter_name_fault(value)
        return (fault, "parameter_name") if fault else None
    return None
