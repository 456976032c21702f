"""The keywords that combine schemas, with messages for the alternative that the user probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from model_operator.core.parameters.schemas.evaluation import Evaluation, Fault, Faults, Keyword
from model_operator.core.parameters.schemas.keywords import not_listed
from model_operator.core.values.json_values import equality_key, has_type
from model_operator.core.values.words import alternatives, noun, nouns, shorten

_FAULTS_PER_BRANCH: Final = 5


def _all_of(
    evaluation: Evaluation, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    for branch in branches:
        yield from evaluation.check(value, branch)


def _any_of(
    evaluation: Evaluation, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    failures = []
    for branch in branches:
        faults = _faults(evaluation, value, branch)
        if not faults:
            return
        failures.append(faults)
    yield from _explain(evaluation, value, branches, failures)


def _one_of(
    evaluation: Evaluation, branches: Sequence[Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    failures = [faults for branch in branches if (faults := _faults(evaluation, value, branch))]
    fitting = len(branches) - len(failures)
    if fitting == 0:
        yield from _explain(evaluation, value, branches, failures)
    elif fitting > 1:
        message = (
            f"must fit exactly one of {len(branches)} alternatives, got {noun(value)} that fits {fitting}"
        )
        yield Fault("one_of", message)


def _not(evaluation: Evaluation, excluded: Any, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if not _faults(evaluation, value, excluded):
        yield Fault("not_allowed", f"must not be {noun(value)} of the kind that `not` describes")


def _faults(evaluation: Evaluation, value: Any, branch: Any) -> list[Fault]:
    return list(islice(evaluation.check(value, branch), _FAULTS_PER_BRANCH))


def _explain(
    evaluation: Evaluation, value: Any, branches: Sequence[Any], failures: Sequence[list[Fault]]
) -> Faults:
    """Yield the faults of a value that fits no alternative.

    The user probably meant an alternative whose type fits. If there is only one, its faults are reported.
    """
    types = [evaluation.types(branch) for branch in branches]
    expected = frozenset[str]().union(*types)
    meant = [faults for names, faults in zip(types, failures, strict=True) if has_type(value, names)]
    if len(meant) == 1:
        yield from meant[0]
    elif expected and not meant:
        yield Fault("type", f"must be {nouns(expected)}, got {noun(value)}")
    elif not meant or any(fault.path for faults in meant for fault in faults):
        message = f"must fit one of {len(branches)} alternatives, got {noun(value)} that fits none"
        yield Fault("any_of", message)
    elif all(faults[0].code == "enum" for faults in meant):
        lists = chain.from_iterable(faults[0].listed for faults in meant)
        listed = {equality_key(each): each for each in lists}
        evaluation.budget.spend(len(listed) // 4)
        yield not_listed(evaluation, value, list(listed.values()))
    else:
        yield Fault("any_of", _fits_none(value, [faults[0] for faults in meant]))


def _fits_none(value: Any, faults: Sequence[Fault]) -> str:
    """Return the message of a value that fits no alternative: what is allowed, and then what was found."""
    if not all(fault.expected for fault in faults):
        return shorten(alternatives(list(dict.fromkeys(fault.message for fault in faults))))
    parts = list(dict.fromkeys(fault.expected for fault in faults))
    end = f"; got {noun(value)} that does not"
    return f"{' or '.join(parts)}{end}" if len(parts) > 1 else f"{parts[0]}{end}"


CHECKS: Final[dict[str, Keyword]] = {"allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of, "not": _not}
"""Checks by keyword."""
