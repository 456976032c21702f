"""Groups take turns, the order within a group is kept, and no group holds all workers."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.fair_order import FairOrder

GROUPS = "abc"


def taken(order: FairOrder[str, str], count: int) -> list[str]:
    """Take keys one by one, and give each back at once."""
    found = []
    for _ in range(count):
        key = order.take()
        order.give_back(key[0])
        found.append(key)
    return found


def test_groups_give_one_key_each_in_turn() -> None:
    order = FairOrder[str, str]()
    for key in ("a1", "a2", "a3", "b1", "b2", "c1"):
        order.add(key[0], key)

    assert taken(order, 6) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert not order


@pytest.mark.parametrize("noisy", [1, 20, 200])
def test_a_key_of_another_group_comes_after_one_key_however_many_wait(noisy: int) -> None:
    order = FairOrder[str, str]()
    for number in range(noisy):
        order.add("a", f"a{number}")
    order.add("b", "b")

    assert taken(order, 2) == ["a0", "b"]


def test_a_group_that_comes_back_goes_to_the_end() -> None:
    order = FairOrder[str, str]()
    for key in ("a1", "b1", "b2"):
        order.add(key[0], key)
    assert taken(order, 1) == ["a1"]
    order.add("a", "a2")

    assert taken(order, 3) == ["b1", "a2", "b2"]


def test_patient_keys_wait_for_those_of_their_own_group_only() -> None:
    order = FairOrder[str, str]()
    order.add("a", "ap", low_priority=True)
    order.add("b", "bp", low_priority=True)
    for number in range(10):
        order.add("a", f"a{number}")

    assert taken(order, 12) == ["a0", "bp", *(f"a{n}" for n in range(1, 7)), "ap", "a7", "a8", "a9"]


def test_a_promoted_key_goes_behind_those_that_wait() -> None:
    order = FairOrder[str, str]()
    order.add("a", "ap", low_priority=True)
    order.add("a", "aq", low_priority=True)
    order.add("a", "a1")
    order.promote("a", "aq")
    order.promote("a", "a1")
    order.promote("b", "b1")

    assert taken(order, 3) == ["a1", "aq", "ap"]


def test_a_group_that_has_reached_the_bound_waits_and_comes_back() -> None:
    order = FairOrder[str, str](most_taken=2)
    for key in ("a1", "a2", "a3", "b1"):
        order.add(key[0], key)
    assert [order.take() for _ in range(3)] == ["a1", "b1", "a2"]

    assert not order, "a has two"
    order.add("a", "a4")
    assert not order
    order.give_back("b")
    assert not order
    order.give_back("a")
    assert order.take() == "a3"
    assert not order


def test_what_is_taken_when_all_is_dropped_still_counts() -> None:
    order = FairOrder[str, str](most_taken=1)
    for key in ("a1", "a2", "b1"):
        order.add(key[0], key)
    assert order.take() == "a1"
    order.clear()
    assert not order
    order.add("a", "a3")

    assert not order
    order.give_back("a")
    assert order.take() == "a3"


def test_a_group_beside_another_holds_its_share_and_alone_again_all() -> None:
    now = 0.0
    order = FairOrder[str, str](most_taken=4, most_beside_others=2, now=lambda: now)
    for number in range(9):
        order.add("a", f"a{number}")
    assert [order.take() for _ in range(3)] == ["a0", "a1", "a2"], "alone"

    now = 10.0
    order.add("b", "b0")
    assert order.take() == "b0"
    assert not order, "a has more than its share"
    order.give_back("b")
    order.give_back("a")
    assert not order
    order.give_back("a")
    assert order.take() == "a3"
    assert not order

    now = 39.9
    order.add("a", "a9")
    assert not order, "b was here less than 30 seconds ago"
    now = 40.1
    order.add("a", "a10")
    assert [order.take() for _ in range(2)] == ["a4", "a5"]
    assert not order


@dataclass
class Model:
    """What waits, written down without any cleverness."""

    ready: dict[str, list[str]] = field(default_factory=lambda: {group: [] for group in GROUPS})
    low_priority: dict[str, list[str]] = field(default_factory=lambda: {group: [] for group in GROUPS})
    held: Counter[str] = field(default_factory=Counter)

    def waits(self, group: str, most: int) -> bool:
        return bool(self.ready[group] or self.low_priority[group]) and self.held[group] < most


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(GROUPS), st.booleans()),
        st.tuples(st.just("take"), st.just(""), st.just(False)),
        st.tuples(st.just("give back"), st.sampled_from(GROUPS), st.just(False)),
        st.tuples(st.just("pass time"), st.just(""), st.just(False)),
    ),
    max_size=120,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 4))
def test_property_of_any_history(steps: list[tuple[str, str, bool]], alone: int, beside: int) -> None:
    now = 0
    order = FairOrder[str, str](most_taken=alone, most_beside_others=beside, now=lambda: now)
    model = Model()
    added: dict[str, int] = {}
    most = alone
    numbers = itertools.count()
    # Keys taken of each other group since a group last could have been served and was not.
    passed: dict[str, Counter[str]] = {group: Counter() for group in GROUPS}
    impatient_in_a_row: Counter[str] = Counter()
    for step, group, low_priority in steps:
        if step == "add":
            key = f"{group}{next(numbers)}"
            (model.low_priority if low_priority else model.ready)[group].append(key)
            order.add(group, key, low_priority=low_priority)
            added[group] = now
            most = beside if sum(now - each <= 30 for each in added.values()) > 1 else alone
        elif step == "pass time":
            now += 16
        elif step == "give back" and model.held[group]:
            model.held[group] -= 1
            order.give_back(group)
        elif step == "take":
            can = [each for each in GROUPS if model.waits(each, most)]
            assert bool(order) == bool(can), "a key is to be had exactly when one waits below the bound"
            if not can:
                continue
            key = order.take()
            chosen = key[0]
            assert chosen in can, "never beyond the bound"
            if model.ready[chosen] and key == model.ready[chosen][0]:
                model.ready[chosen].pop(0)
                impatient_in_a_row[chosen] += bool(model.low_priority[chosen])
            else:
                assert key == model.low_priority[chosen].pop(0), "in the order of arrival"
                impatient_in_a_row[chosen] = 0
            assert impatient_in_a_row[chosen] < 8, "a patient key is not put off for ever"
            model.held[chosen] += 1
            for other in GROUPS:
                if other in can and other != chosen:
                    passed[other][chosen] += 1
                    assert passed[other][chosen] <= 1, f"{chosen} had two turns while {other} waited"
                else:
                    passed[other].clear()
