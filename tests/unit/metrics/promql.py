"""As much of PromQL as the alert rules use, evaluated as Prometheus does.

``test_alerts.py`` compares it with promtool where there is one.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import promql_parser as promql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Samples = list[tuple[float, float]]
"""Times and values of a series, in order; a value that is no number ends it."""

NAME = "__name__"
_LOOKBACK = 300.0
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else math.nan,
}
_AGGREGATIONS: dict[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max, "min": min}


@dataclass
class Database:
    """Series by their labels, the name included."""

    series: dict[Labels, Samples]

    def evaluate(self, expression: str, time: float) -> Vector | float:
        """Give what an expression is at a time."""
        return _Evaluation(self.series, time).value(promql.parse(expression))


class _Evaluation:
    """One expression at one time."""

    def __init__(self, series: dict[Labels, Samples], time: float) -> None:
        self._series = series
        self._time = time

    def value(self, node: promql.Expr) -> Vector | float:
        if isinstance(node, promql.NumberLiteral):
            return node.val
        if isinstance(node, promql.ParenExpr):
            return self.value(node.expr)
        if isinstance(node, promql.VectorSelector):
            return self._instant(node)
        if isinstance(node, promql.AggregateExpr):
            return self._aggregate(node)
        if isinstance(node, promql.BinaryExpr):
            return self._binary(node)
        if isinstance(node, promql.Call):
            return self._call(node)
        raise NotImplementedError(type(node).__name__)

    def _vector(self, node: promql.Expr) -> Vector:
        value = self.value(node)
        assert isinstance(value, dict), f"expected a vector: {node}"
        return value

    def _select(self, node: promql.VectorSelector) -> dict[Labels, Samples]:
        return {labels: samples for labels, samples in self._series.items() if _matches(node, dict(labels))}

    def _instant(self, node: promql.VectorSelector) -> Vector:
        found: Vector = {}
        for labels, samples in self._select(node).items():
            recent = [value for time, value in samples if self._time - _LOOKBACK < time <= self._time]
            if recent and not math.isnan(recent[-1]):
                found[labels] = recent[-1]
        return found

    def _call(self, node: promql.Call) -> Vector | float:
        name = node.func.name
        if name == "time":
            return self._time
        if name == "absent":
            # Labels that the selector requires would come here; no rule has any.
            return {} if self._vector(node.args[0]) else {frozenset(): 1.0}
        if name in ("rate", "increase"):
            return self._increase(node.args[0], is_rate=name == "rate")
        if name == "histogram_quantile":
            return _quantiles(cast("float", self.value(node.args[0])), self._vector(node.args[1]))
        raise NotImplementedError(name)

    def _increase(self, node: promql.MatrixSelector, *, is_rate: bool) -> Vector:
        seconds = node.range.total_seconds()
        found: Vector = {}
        for labels, samples in self._select(node.vector_selector).items():
            within = [sample for sample in samples if self._time - seconds < sample[0] <= self._time]
            if len(within) > 1:
                increase = _extrapolated(within, self._time - seconds, self._time)
                found[_without(labels, NAME)] = increase / seconds if is_rate else increase
        return found

    def _aggregate(self, node: promql.AggregateExpr) -> Vector:
        kept = _kept(node)
        groups: dict[Labels, list[float]] = defaultdict(list)
        for labels, value in self._vector(node.expr).items():
            groups[_only(labels, kept)].append(value)
        combine = _AGGREGATIONS[str(node.op)]
        return {labels: combine(values) for labels, values in groups.items()}

    def _binary(self, node: promql.BinaryExpr) -> Vector | float:
        name, left, right = str(node.op), self.value(node.lhs), self.value(node.rhs)
        if isinstance(left, float) and isinstance(right, float):
            return _ARITHMETIC[name](left, right)
        assert isinstance(left, dict), "a number on the left of a vector is not used"
        if name == "or":
            assert isinstance(right, dict)
            return {**right, **left}
        if isinstance(right, float):
            pairs = {labels: (value, right) for labels, value in left.items()}
        else:
            on = node.modifier.matching.labels if node.modifier and node.modifier.matching else None
            partners = {_match(labels, on): value for labels, value in right.items()}
            pairs = {
                labels: (value, partners[_match(labels, on)])
                for labels, value in left.items()
                if _match(labels, on) in partners
            }
        if name == "and":
            return {labels: value for labels, (value, _) in pairs.items()}
        if name in _COMPARISONS:
            holds = _COMPARISONS[name]
            return {labels: pair[0] for labels, pair in pairs.items() if holds(*pair)}
        return {_without(labels, NAME): _ARITHMETIC[name](*pair) for labels, pair in pairs.items()}


def _kept(node: promql.AggregateExpr) -> Sequence[str]:
    if node.modifier is None:
        return ()
    assert node.modifier.type == promql.AggModifierType.By, "only `by` is used"
    return node.modifier.labels


def _matches(node: promql.VectorSelector, labels: dict[str, str]) -> bool:
    return labels[NAME] == node.name and all(
        _fits(matcher, labels.get(matcher.name, "")) for matcher in node.matchers.matchers
    )


def _fits(matcher: promql.Matcher, value: str) -> bool:
    # The operators have no hash, so this is no table.
    is_pattern = matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe)
    is_same = bool(re.fullmatch(matcher.value, value)) if is_pattern else matcher.value == value
    return is_same is (matcher.op in (promql.MatchOp.Equal, promql.MatchOp.Re))


def _extrapolated(samples: Samples, start: float, end: float) -> float:
    """Give the increase of a counter over a range, with its ends put on as Prometheus does."""
    increase = sum((now - before if now >= before else now) for (_, before), (_, now) in pairwise(samples))
    sampled = samples[-1][0] - samples[0][0]
    average = sampled / (len(samples) - 1)
    to_start, to_end = samples[0][0] - start, end - samples[-1][0]
    if to_start >= average * 1.1:
        to_start = average / 2
    if increase > 0 and samples[0][1] >= 0:
        to_start = min(to_start, sampled * samples[0][1] / increase)
    if to_end >= average * 1.1:
        to_end = average / 2
    return increase * (sampled + to_start + to_end) / sampled


def _quantiles(quantile: float, buckets: Vector) -> Vector:
    groups: dict[Labels, Samples] = defaultdict(list)
    for labels, count in buckets.items():
        groups[_without(labels, "le")].append((float(dict(labels)["le"]), count))
    return {labels: _quantile(quantile, sorted(counts)) for labels, counts in groups.items()}


def _quantile(quantile: float, buckets: Samples) -> float:
    rank = quantile * buckets[-1][1]
    if not rank:
        return math.nan
    index = next(index for index, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    low, below = buckets[index - 1] if index else (0.0, 0.0)
    high, count = buckets[index]
    return low + (high - low) * (rank - below) / (count - below)


def _without(labels: Labels, name: str) -> Labels:
    return frozenset(pair for pair in labels if pair[0] != name)


def _only(labels: Labels, names: Sequence[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in names)


def _match(labels: Labels, names: Sequence[str] | None) -> Labels:
    return _without(labels, NAME) if names is None else _only(labels, names)
