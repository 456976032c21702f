"""Evaluates a schema of the dialect with jsonschema: lazily, within a budget, without ever fetching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import referencing
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from model_operator.core.parameters.schemas import combinators, keywords
from model_operator.core.parameters.schemas.budget import WORK_LIMIT, Budget, WorkLimitError
from model_operator.core.parameters.schemas.keywords import Errors, Keyword
from model_operator.core.parameters.schemas.patterns import Pattern, compile_pattern
from model_operator.core.parameters.schemas.vocabulary import SUBSCHEMA, SUBSCHEMA_LIST, SUBSCHEMA_MAP
from model_operator.core.values.violations import Loc, Violation

_CHECKS: Final = {**keywords.CHECKS, **combinators.CHECKS}
_ARGUMENTS: Final = frozenset({"minContains", "maxContains"})  # of `contains`, which reads them


def _paid(check: Keyword) -> Keyword:
    def paid(validator: Any, expected: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
        keywords.budget_of(validator).spend_for(expected, value)
        return check(validator, expected, value, schema)

    return paid


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _paid(check) for name, check in _CHECKS.items()}
)
# The default registry fetches http addresses and reads files; an empty one knows nothing.
_VALIDATOR: Any = _Validator({}, registry=referencing.Registry())


class Evaluator:
    """A schema made ready for evaluation; costs milliseconds to make, so keep it.

    Parameters
    ----------
    schema
        A schema that the dialect accepts.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._patterns: dict[str, Pattern] = {}
        self._schema = self._assertions(schema)
        self._validator = _VALIDATOR.evolve(schema=self._schema)

    def _assertions(self, schema: Any) -> Any:
        """Return the schema without annotations: thousands of them would be skipped anew for every value."""
        if not isinstance(schema, Mapping):
            return schema
        kept: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in SUBSCHEMA:
                kept[keyword] = self._assertions(value)
            elif keyword in SUBSCHEMA_LIST:
                kept[keyword] = [self._assertions(each) for each in value]
            elif keyword in SUBSCHEMA_MAP:
                kept[keyword] = {name: self._assertions(each) for name, each in value.items()}
            elif keyword in _CHECKS or keyword in _ARGUMENTS:
                kept[keyword] = value
            if keyword == "pattern" and value not in self._patterns:
                self._patterns[value] = compile_pattern(value)
        return kept

    def budget(self, units: int = WORK_LIMIT) -> Budget:
        """Return a fresh budget, for checks that are to share one."""
        return Budget(self._schema, self._patterns, units)

    def violations(
        self,
        value: Any,
        loc: Loc,
        *,
        schema: Mapping[str, Any] | None = None,
        budget: Budget | None = None,
    ) -> Iterator[Violation]:
        """Check a value, yielding its faults as they are found; never raises.

        Parameters
        ----------
        value
            A JSON value of plain dicts and lists, within the limits.
        loc
            Path of the value; the paths of its faults start with it.
        schema
            A part of the schema to check against; otherwise all of it.
        budget
            What is left of the work of several checks; otherwise a budget of its own.
        """
        try:
            validator = self._validator.evolve(format_checker=budget or self.budget())
            if schema is not None:
                validator = validator.evolve(schema=self._assertions(schema))
            for error in validator.iter_errors(value):
                yield Violation((*loc, *error.path), error.message, str(error.validator))
        except WorkLimitError:
            message = (
                "has too many elements for how complex its schema is; give fewer, or simplify the schema"
            )
            yield Violation(loc, message, "too_complex")
        except Exception:  # noqa: BLE001 - what cannot be checked must not pass, nor end the caller
            yield Violation(
                loc, "could not be checked against its schema; simplify the schema", "not_checkable"
            )
