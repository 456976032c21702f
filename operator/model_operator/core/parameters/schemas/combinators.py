"""The keywords that combine schemas, with messages for the alternative that the user probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from jsonschema import ValidationError

from model_operator.core.parameters.schemas.keywords import (
    Errors,
    Keyword,
    budget_of,
    descend,
    not_listed,
    refusal,
)
from model_operator.core.values.json_values import equality_key, has_type
from model_operator.core.values.words import alternatives, noun, nouns, shorten

_ERRORS_PER_BRANCH: Final = 5


def _all_of(validator: Any, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]) -> Errors:
    for branch in branches:
        yield from descend(validator, value, branch)


def _any_of(validator: Any, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]) -> Errors:
    failures = []
    for branch in branches:
        errors = _errors(validator, value, branch)
        if not errors:
            return
        failures.append(errors)
    yield from _explain(validator, value, branches, failures)


def _one_of(validator: Any, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]) -> Errors:
    failures = [errors for branch in branches if (errors := _errors(validator, value, branch))]
    fitting = len(branches) - len(failures)
    if fitting == 0:
        yield from _explain(validator, value, branches, failures)
    elif fitting > 1:
        message = (
            f"must fit exactly one of {len(branches)} alternatives, got {noun(value)} that fits {fitting}"
        )
        yield refusal("one_of", message)


def _not(validator: Any, excluded: Any, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if not _errors(validator, value, excluded):
        yield refusal("not_allowed", f"must not be {noun(value)} of the kind that `not` describes")


def _errors(validator: Any, value: Any, branch: Any) -> list[ValidationError]:
    return list(islice(descend(validator, value, branch), _ERRORS_PER_BRANCH))


def _explain(
    validator: Any, value: Any, branches: Sequence[Any], failures: Sequence[list[ValidationError]]
) -> Errors:
    """Yield the errors of a value that fits no alternative.

    The user probably meant an alternative whose type fits. If there is only one, its errors are reported.
    """
    types = [budget_of(validator).types(branch) for branch in branches]
    expected = frozenset[str]().union(*types)
    meant = [errors for names, errors in zip(types, failures, strict=True) if has_type(value, names)]
    if len(meant) == 1:
        yield from meant[0]
    elif expected and not meant:
        yield refusal("type", f"must be {nouns(expected)}, got {noun(value)}")
    elif not meant or any(error.path for errors in meant for error in errors):
        message = f"must fit one of {len(branches)} alternatives, got {noun(value)} that fits none"
        yield refusal("any_of", message)
    elif all(errors[0].validator == "enum" for errors in meant):
        lists: list[Any] = [errors[0].validator_value for errors in meant]
        listed = {equality_key(each): each for each in chain.from_iterable(lists)}
        budget_of(validator).spend(len(listed) // 4)
        yield not_listed(validator, value, list(listed.values()))
    else:
        messages = dict.fromkeys(errors[0].message for errors in meant)
        yield refusal("any_of", shorten(alternatives(list(messages))))


CHECKS: Final[dict[str, Keyword]] = {"allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of, "not": _not}
"""Checks by keyword."""
