"""Evaluate a schema of the dialect with jsonschema: lazily, within a budget, without fetching anything."""

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
# The default registry fetches HTTP URLs and reads files; an empty one does neither.
_VALIDATOR: Any = _Validator({}, registry=referencing.Registry())


class Evaluator:
    """A compiled schema; compiling takes milliseconds, so reuse it.

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
        """Return the schema without annotations, which every check would have to skip again."""
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
        """Return a new budget, for checks that share one."""
        return Budget(self._schema, self._patterns, units)

    def violations(
        self,
        value: Any,
        loc: Loc,
        *,
        schema: Mapping[str, Any] | None = None,
        budget: Budget | None = None,
    ) -> Iterator[Violation]:
        """Check a value and yield its violations lazily; never raises.

        Parameters
        ----------
        value
            A JSON value of plain dicts and lists, within the limits.
        loc
            Path of the value; the paths of its violations start with it.
        schema
            The part of the schema to check against. Default: the whole schema.
        budget
            Remaining budget, shared by several checks. Default: a new budget.
        """
        try:
            validator = self._validator.evolve(format_checker=budget or self.budget())
            if schema is not None:
                validator = validator.evolve(schema=self._assertions(schema))
            for error in validator.iter_errors(value):
                yield Violation((*loc, *error.path), error.message, str(error.validator))
        except WorkLimitError:
            message = (
                "has too many elements for the complexity of its schema; give fewer, or simplify the schema"
            )
            yield Violation(loc, message, "too_complex")
        except Exception:  # noqa: BLE001 - a value that cannot be checked must be rejected, without an error in the caller
            yield Violation(
                loc, "could not be checked against its schema; simplify the schema", "not_checkable"
            )
