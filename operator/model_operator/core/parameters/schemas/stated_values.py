"""Check the values in a schema: its defaults, examples and enums must be valid under the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from model_operator.core.parameters.schemas.defaults import with_defaults
from model_operator.core.parameters.schemas.evaluation import Evaluation
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.parameters.schemas.vocabulary import subschemas
from model_operator.core.values.limits import MAX_VIOLATIONS, ONE_VALUE_LIMITS, check_limits
from model_operator.core.values.violations import Loc, Violation

_LISTS: Final = frozenset({"enum", "examples"})
_EXAMPLES: Final = frozenset({"default", "examples"})
_STATED: Final = frozenset({"const", "enum"}) | _EXAMPLES


def stated_value_faults(schema: Mapping[str, Any], loc: Loc) -> tuple[Violation, ...]:
    """Return the violations of the values in the schema, at the path of each value; at most ten.

    A template with an invalid default would reject every instance that does not set the parameter, with a
    message on which the user cannot act.

    Parameters
    ----------
    schema
        A schema that the dialect accepts.
    loc
        Path of the schema.
    """
    evaluator = Evaluator(schema)
    evaluation = evaluator.evaluation()
    return tuple(islice(_faults(schema, loc, evaluator, evaluation), MAX_VIOLATIONS))


def _faults(schema: Any, loc: Loc, evaluator: Evaluator, evaluation: Evaluation) -> Iterator[Violation]:
    if not isinstance(schema, Mapping):
        return
    for keyword in sorted(_STATED & schema.keys()):
        # A default must be in the enum; the enum itself is checked against the other keywords.
        rules = {name: rule for name, rule in schema.items() if keyword in _EXAMPLES or name not in _STATED}
        yield from _value_faults(schema[keyword], rules, (*loc, keyword), keyword, evaluator, evaluation)
    for subschema, path in subschemas(schema):
        if evaluation.budget.left >= 0:
            yield from _faults(subschema, (*loc, *path), evaluator, evaluation)


def _value_faults(
    stated: Any,
    rules: Mapping[str, Any],
    loc: Loc,
    keyword: str,
    evaluator: Evaluator,
    evaluation: Evaluation,
) -> Iterator[Violation]:
    """Check one value, or all values of a list, each against the same rules."""
    several = keyword in _LISTS
    for index, value in enumerate(stated if several else [stated]):
        if isinstance(value, dict | list):
            yield from check_limits(value, (*loc, index) if several else loc, ONE_VALUE_LIMITS)
    if several:
        filled, rules = [with_defaults(rules, value) for value in stated], {"items": rules}
    else:
        filled = with_defaults(rules, stated)
    yield from evaluator.violations(filled, loc, schema=rules, evaluation=evaluation)
