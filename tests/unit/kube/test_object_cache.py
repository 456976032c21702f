"""The cache: only ever newer versions, and indices that keep up."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.values.json_reading import MAX_LEVELS
from model_operator.kube.object_cache import ObjectCache, shared


def obj(name: str, version: int, *, uid: str = "", color: str = "", **rest: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "team",
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata, "color": color, **rest}


def by_color() -> ObjectCache:
    return ObjectCache(color=lambda found: found["color"].split())


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_only_news_are_kept() -> None:
    cache = ObjectCache()

    assert cache.put(obj("a", 10, state="new"))
    assert not cache.put(obj("a", 10, state="the same"))
    assert not cache.put(obj("a", 9, state="old"))
    assert cache.get("team", "a") == obj("a", 10, state="new")


def test_versions_are_numbers() -> None:
    cache = ObjectCache()
    cache.put(obj("a", 9))

    assert cache.put(obj("a", 10))


def test_managed_fields_are_not_kept_and_the_given_object_stays_whole() -> None:
    cache = ObjectCache()
    given = obj("a", 1)
    given["metadata"]["managedFields"] = [{"manager": "kubectl"}]

    cache.put(given)

    assert cache.get("team", "a") == obj("a", 1)
    assert "managedFields" in given["metadata"]


def test_objects_of_the_cluster_have_no_namespace() -> None:
    cache = ObjectCache()
    cache.put({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}})

    assert cache.get("", "a") is not None
    assert cache.get("team", "a") is None


def test_an_index_follows_the_object() -> None:
    cache = by_color()
    cache.put(obj("b", 1, color="red blue"))
    cache.put(obj("a", 2, color="red"))
    assert names(cache.find("color", "red")) == ["a", "b"]

    cache.put(obj("b", 3, color="blue"))
    assert names(cache.find("color", "red")) == ["a"]
    assert names(cache.find("color", "blue")) == ["b"]

    cache.remove(obj("a", 4, color="red"))
    assert cache.find("color", "red") == []
    assert cache.find("color", "green") == []


def test_an_index_may_list_an_object_twice_under_a_value() -> None:
    cache = by_color()
    cache.put(obj("a", 1, color="red red"))

    assert names(cache.find("color", "red")) == ["a"]
    assert cache.remove(obj("a", 2))
    assert cache.find("color", "red") == []


def test_a_namesake_takes_the_place_of_the_one_before() -> None:
    cache = by_color()
    cache.put(obj("a", 1, uid="first", color="red"))
    cache.put(obj("a", 5, uid="second", color="blue"))

    assert cache.by_uid("first") is None
    assert cache.by_uid("second") == obj("a", 5, uid="second", color="blue")
    assert cache.find("color", "red") == []


def test_a_late_deletion_leaves_a_newer_namesake() -> None:
    cache = ObjectCache()
    cache.put(obj("a", 5, uid="second"))

    assert not cache.remove(obj("a", 4, uid="first"))
    assert cache.by_uid("second") is not None


def test_deleting_what_is_unknown_is_no_news() -> None:
    assert not ObjectCache().remove(obj("a", 1))


@pytest.mark.parametrize("deleted_at", [5, 6])
def test_a_late_answer_does_not_bring_back_what_is_deleted(deleted_at: int) -> None:
    cache = ObjectCache()
    cache.put(obj("a", 3))
    cache.remove(obj("a", deleted_at))

    assert not cache.put(obj("a", 5)), "the answer to our own write came after the watch event"
    assert cache.get("team", "a") is None
    assert cache.put(obj("a", 7)), "but made anew, or labelled as ours again, it is there"


def test_iterating_while_changing() -> None:
    cache = ObjectCache()
    cache.put(obj("a", 1))
    cache.put(obj("b", 2))

    for found in cache:
        cache.remove(found)

    assert len(cache) == 0


CHANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from(["red", "blue", "red blue", ""])),
    max_size=12,
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_property_whatever_the_order_of_arrival_the_newest_version_wins(
    changes: list[tuple[str, bool, str]], order: Any
) -> None:
    # Deletions come in the order of the watch; answers to writes, which are never deletions, at any time.
    history = [
        (deleted, obj(name, version, color=color))
        for version, (name, deleted, color) in enumerate(changes, start=1)
    ]
    late = [event for event in history if not event[0]]
    order.shuffle(late)
    cache = by_color()

    for deleted, event in [*history, *late]:
        if deleted:
            cache.remove(event)
        else:
            cache.put(event)

    newest = {event["metadata"]["name"]: (deleted, event) for deleted, event in history}
    expected = [event for deleted, event in newest.values() if not deleted]
    assert sorted(names(list(cache))) == sorted(names(expected))
    for color in ("red", "blue"):
        wanted = sorted(one["metadata"]["name"] for one in expected if color in one["color"].split())
        assert names(cache.find("color", color)) == wanted
    assert all(cache.by_uid(one["metadata"]["uid"]) == one for one in expected)


SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 0.0, 1.0, -0.0, "", "a", "1"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, VALUES)
def test_sharing_changes_nothing(new: Any, known: Any) -> None:
    before = json.dumps([new, known])

    assert json.dumps(shared(new, known)) == json.dumps(new)
    assert json.dumps([new, known]) == before


@given(VALUES)
def test_what_is_the_same_is_kept_once(value: Any) -> None:
    assert shared(copy.deepcopy(value), value) is value


def test_parts_are_shared_beside_others_that_differ() -> None:
    known = {"spec": {"image": "one", "ports": [{"port": 80}, {"port": 81}]}, "name": "a"}
    new = {"spec": {"image": "two", "ports": [{"port": 80}, {"port": True}, {"port": 82}]}, "name": "b"}
    found = shared(new, known)

    assert found == new
    assert found["spec"]["ports"][0] is known["spec"]["ports"][0]  # type: ignore[index]


@pytest.mark.parametrize("width", [1, 50_000])
@pytest.mark.parametrize("depth", [100, MAX_LEVELS - 1])
def test_the_deepest_objects_that_are_read_are_no_trouble(depth: int, width: int) -> None:
    one, other = ("[" * depth + ", ".join([leaf] * width) + "]" * depth for leaf in ("[0]", "[1]"))
    known = json.loads(one)
    begin = time.process_time()
    assert shared(json.loads(one), known) is known
    assert json.dumps(shared(json.loads(other), known)) == other
    assert time.process_time() - begin < 1, "no matter of depth times width"


def test_what_a_cache_holds_is_made_of_what_it_held_before() -> None:
    cache = ObjectCache()
    cache.put(obj("a", 1, template={"spec": {"image": "one"}}))
    cache.put(obj("b", 2, template={"spec": {"image": "one"}}))
    a, b = cache.get("team", "a"), cache.get("team", "b")

    assert a is not None
    assert b is not None
    assert a["template"] is b["template"]
    assert b == obj("b", 2, template={"spec": {"image": "one"}})
