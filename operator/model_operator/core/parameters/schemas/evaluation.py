"""One evaluation of a schema: the loop over its keywords, and what they share while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from model_operator.core.parameters.schemas.budget import Budget
from model_operator.core.parameters.schemas.patterns import Pattern
from model_operator.core.parameters.schemas.possible_types import possible_types


class Fault(NamedTuple):
    """What a keyword finds wrong with a value.

    Attributes
    ----------
    code
        The code of the violation.
    message
        What was expected and what kind of value was found, never the value itself.
    path
        Path relative to the checked value.
    listed
        The values that the schema lists, if ``code`` is ``enum``.
    expected
        What was expected, without what was found, for messages that join several; empty where the message
        cannot be divided.
    """

    code: str
    message: str
    path: tuple[str | int, ...] = ()
    listed: Sequence[Any] = ()
    expected: str = ""


Faults: TypeAlias = Iterator[Fault]

Keyword: TypeAlias = Callable[["Evaluation", Any, Any, Mapping[str, Any]], Faults]
"""The check of a keyword: the evaluation, the keyword's value, the value to check, and the whole schema."""


class Evaluation:
    """The context of one evaluation. Several checks against one schema can share it, and with it the budget.

    Parameters
    ----------
    root
        The root schema; its properties are called parameters in messages.
    keywords
        The checks by keyword; other keywords are ignored.
    patterns
        Every ``pattern`` of the schema, compiled.
    budget
        The work that the evaluation may do.
    """

    def __init__(
        self,
        root: Mapping[str, Any],
        keywords: Mapping[str, Keyword],
        patterns: Mapping[str, Pattern],
        budget: Budget,
    ) -> None:
        self.root = root
        self.patterns = patterns
        self.budget = budget
        self._keywords = keywords
        # Keyed by id(): parts of a schema are not hashable. Holding the part keeps its id() unique.
        self._members: dict[int, tuple[Any, frozenset[Any]]] = {}
        self._types: dict[int, tuple[Any, frozenset[str]]] = {}

    def check(self, value: Any, schema: Any, *path: str | int) -> Faults:
        """Check a value against a schema and yield its faults lazily; their paths start with `path`.

        Raises
        ------
        WorkLimitError
            The budget is spent.
        """
        if schema is True:
            return
        if schema is False:
            yield Fault("not_allowed", "no value is allowed here", path)
            return
        for keyword, expected in schema.items():
            check = self._keywords.get(keyword)
            if check is not None:
                self.budget.spend_for(expected, value)
                for fault in check(self, expected, value, schema):
                    yield fault._replace(path=path + fault.path) if path else fault

    def is_member(self, value: Any, values: list[Any]) -> bool:
        """Whether a list of the schema has an equal value; each list is read once in an evaluation."""
        if id(values) not in self._members:
            self.budget.spend_for(values)
            self._members[id(values)] = (values, frozenset(self.budget.key(each) for each in values))
        return self.budget.key(value) in self._members[id(values)][1]

    def types(self, schema: Any) -> frozenset[str]:
        """Return the types that a part of the schema allows; computed once in an evaluation."""
        if id(schema) not in self._types:
            self._types[id(schema)] = (schema, possible_types(schema))
        return self._types[id(schema)][1]
