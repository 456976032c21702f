"""Evaluate a schema of the dialect: lazily, within a budget; nothing is resolved or fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.parameters.schemas import combinators, keywords
from model_operator.core.parameters.schemas.budget import Budget, WorkLimitError
from model_operator.core.parameters.schemas.evaluation import Evaluation
from model_operator.core.parameters.schemas.patterns import Pattern, compile_pattern
from model_operator.core.parameters.schemas.vocabulary import (
    SECRET_REF,
    SUBSCHEMA,
    SUBSCHEMA_LIST,
    SUBSCHEMA_MAP,
)
from model_operator.core.values.violations import Loc, Violation

_CHECKS: Final = {**keywords.CHECKS, **combinators.CHECKS}
_ARGUMENTS: Final = frozenset({"minContains", "maxContains", SECRET_REF})  # which other keywords read
_EXAMPLES: Final = frozenset({"default", "examples"})  # shown where `pattern` fails


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

    def _assertions(self, schema: Any) -> Any:
        """Return the schema without most annotations, which every check would have to skip again."""
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
            elif (
                keyword in _CHECKS or keyword in _ARGUMENTS or (keyword in _EXAMPLES and "pattern" in schema)
            ):
                kept[keyword] = value
            if keyword == "pattern" and value not in self._patterns:
                self._patterns[value] = compile_pattern(value)
        return kept

    def evaluation(self, budget: Budget | None = None) -> Evaluation:
        """Return a new evaluation with this budget, which others may share; by default with a new one."""
        return Evaluation(self._schema, _CHECKS, self._patterns, Budget() if budget is None else budget)

    def violations(
        self,
        value: Any,
        loc: Loc,
        *,
        schema: Mapping[str, Any] | None = None,
        evaluation: Evaluation | None = None,
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
        evaluation
            An evaluation of this schema, whose budget several checks share. Default: a new one.
        """
        try:
            evaluation = evaluation or self.evaluation()
            checked = self._schema if schema is None else self._assertions(schema)
            for fault in evaluation.check(value, checked):
                yield Violation(loc + fault.path, fault.message, fault.code)
        except WorkLimitError:
            message = (
                "has too many elements for the complexity of its schema; give fewer, or simplify the schema"
            )
            yield Violation(loc, message, "too_complex")
        except Exception:  # noqa: BLE001 - a value that cannot be checked must be rejected, without an error in the caller
            yield Violation(
                loc, "could not be checked against its schema; simplify the schema", "not_checkable"
            )
