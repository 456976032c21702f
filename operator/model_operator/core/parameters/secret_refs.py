"""Parameters that refer to a key of a Secret: ``x-secret-ref: true``, with a value ``{name, key}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.parameters.schemas.possible_types import is_closed
from model_operator.core.parameters.schemas.vocabulary import EXTENSION_PREFIX, SECRET_REF
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.violations import Loc, Violation

_BESIDE: Final = frozenset(
    {"title", "description", "$comment", "deprecated", "default", "examples", "enum", "const"}
)
_SHAPE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        # Names of Secrets are DNS subdomains (RFC 1123), their keys are file names; none starts with "..".
        "name": {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"},
        "key": {"type": "string", "maxLength": 253, "pattern": r"^[.]?[-_A-Za-z0-9][-._A-Za-z0-9]*$"},
    },
    "required": ["key", "name"],
    "additionalProperties": False,
}


def secret_ref_faults(schema: Mapping[str, Any], loc: Loc) -> tuple[Violation, ...]:
    """Return the keywords that a secret reference cannot have; at most ten violations.

    Parameters
    ----------
    schema
        A parameter schema that the dialect accepts.
    loc
        Path of the schema.

    Returns
    -------
    tuple of Violation
        ``secret_ref``.
    """
    faults = [
        Violation(
            (*loc, "properties", name, keyword),
            f"cannot be combined with {SECRET_REF}: the value is always {{name, key}}",
            "secret_ref",
        )
        for name, parameter in sorted(schema["properties"].items())
        if _is_marked(parameter)
        for keyword in sorted(parameter)
        if not _may_stand_beside(keyword, parameter[keyword])
    ]
    return tuple(faults[:MAX_VIOLATIONS])


def with_secret_shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema in which each secret reference has the schema of its value."""
    properties = {
        name: {**parameter, **_SHAPE} if _is_marked(parameter) else _unmarked(parameter)
        for name, parameter in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def open_secret_refs(schema: Mapping[str, Any], loc: Loc) -> Iterator[Violation]:
    """Yield the parameters with which an instance can refer to any Secret in its namespace.

    Parameters
    ----------
    schema
        A checked, normalised parameter schema.
    loc
        Path of the schema.
    """
    for name, parameter in sorted(schema["properties"].items()):
        if _is_marked(parameter) and not is_closed(parameter):
            message = (
                "lets the author of an instance use any Secret in its namespace; list the allowed ones in "
                'enum, such as [{"name": "hugging-face", "key": "token"}]'
            )
            yield Violation((*loc, "properties", name), message, "open_secret_ref")


def _is_marked(parameter: Any) -> bool:
    return isinstance(parameter, Mapping) and parameter.get(SECRET_REF) is True


def _unmarked(parameter: Any) -> Any:
    """Return the schema without ``x-secret-ref: false``, which has no effect."""
    if not isinstance(parameter, Mapping):
        return parameter
    return {keyword: value for keyword, value in parameter.items() if keyword != SECRET_REF}


def _may_stand_beside(keyword: str, value: Any) -> bool:
    repeats_shape = keyword in _SHAPE and value == _SHAPE[keyword]
    return keyword in _BESIDE or keyword.startswith(EXTENSION_PREFIX) or repeats_shape
