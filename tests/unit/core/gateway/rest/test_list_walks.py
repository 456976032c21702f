"""Pages that fit together while objects come and go."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.rest.list_walks import IDLE_SECONDS, MOST_WALKS, ListWalks


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def page(walks: ListWalks, number: int, objects: dict[str, int], limit: int = 2, key: Any = "k") -> str:
    """Return a page of the names in order, as one text."""
    found = sorted(objects)
    items = walks.cut(
        key,
        number,
        limit,
        len(found),
        lambda begin, end: found[begin:end],
        str,
        lambda name: name if name in objects else None,
    )
    return "".join(items)


def objects(names: str) -> dict[str, int]:
    return dict.fromkeys(names, 0)


def test_pages_of_what_stays() -> None:
    walks = ListWalks(Clock())
    assert [page(walks, number, objects("abcde")) for number in (1, 2, 3, 4, 5)] == ["ab", "cd", "e", "", ""]


def test_what_is_deleted_hides_nothing() -> None:
    walks = ListWalks(Clock())
    assert page(walks, 1, objects("abcdef")) == "ab"
    assert page(walks, 2, objects("bdef")) == "de", "full, and without the deleted one"
    assert page(walks, 3, objects("bdef")) == "f"
    assert page(walks, 4, objects("bdef")) == ""


def test_what_is_new_moves_nothing() -> None:
    walks = ListWalks(Clock())
    assert page(walks, 1, objects("bcde")) == "bc"
    assert page(walks, 2, objects("bcdefg")) == "de"
    assert page(walks, 3, objects("abcdefghij")) == "fg"
    assert page(walks, 4, objects("abcdefghijklm")) == "", "it ends, however many come"
    assert page(walks, 1, objects("abcdefg")) == "ab", "the first page is always what is there now"


def test_a_page_again() -> None:
    walks = ListWalks(Clock())
    page(walks, 1, objects("abcdefg"))
    assert page(walks, 2, objects("abcdefg")) == page(walks, 2, objects("abcdefg")) == "cd"
    assert page(walks, 3, objects("abcdefg")) == "ef"
    assert page(walks, 2, objects("abdefg")) == "de"
    assert page(walks, 3, objects("abdefg")) == "fg"


def test_a_page_of_an_unknown_walk_is_the_cut_of_what_is_there() -> None:
    walks = ListWalks(Clock())
    assert page(walks, 2, objects("abcd")) == "cd"
    page(walks, 1, objects("abcdef"))
    assert page(walks, 3, objects("abcdef")) == "ef", "beyond the next one"
    assert page(walks, 2, objects("xyz"), key="other") == "z"


def test_a_list_of_one_page_is_not_kept() -> None:
    walks = ListWalks(Clock())
    page(walks, 1, objects("ab"))
    assert len(walks) == 0


def test_walks_are_bounded_in_number_and_time() -> None:
    clock = Clock()
    walks = ListWalks(clock)
    for number in range(MOST_WALKS + 5):
        page(walks, 1, objects("abc"), key=number)
    assert len(walks) == MOST_WALKS
    clock.now += IDLE_SECONDS
    assert page(walks, 2, objects("c"), key=MOST_WALKS) == "c"
    clock.now += 1
    page(walks, 1, objects("a"), key="other")
    assert len(walks) == 1, "the one that was used"


@pytest.mark.parametrize("limit", [1, 3])
@given(changes=st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.booleans()), max_size=40))
def test_what_stays_is_on_one_page(limit: int, changes: list[tuple[str, bool]]) -> None:
    walks = ListWalks(Clock())
    there = objects("aceghijklmo")
    stays = set(there)
    seen: Counter[str] = Counter()
    number = 1
    while True:
        items = page(walks, number, there, limit)
        if not items:
            break
        seen.update(items)
        number += 1
        for name, is_created in changes[number * 3 : number * 3 + 3]:
            if is_created:
                there[name] = 0
            elif there.pop(name, None) is not None:
                stays.discard(name)
    assert max(seen.values()) == 1
    assert stays <= seen.keys()
