"""Who gets a connection, and who makes way, when a port has as many as it may have."""

from __future__ import annotations

from collections import Counter

import pytest

from model_operator.process.connection_slots import Bounds, Closing, Phase, Slot, Slots, owner_of

API_SERVER = "10.0.0.1"
STRANGER, OTHER = "10.9.9.1", "10.9.9.2"


class Port:
    """A port, and what has become of its connections."""

    def __init__(self, connections: int = 8, per_address: int = 6, handshakes: int = 8) -> None:
        bounds = Bounds(
            connections,
            per_address,
            handshakes,
            head_seconds=5,
            busy_seconds=5,
            idle_seconds=5,
            request_bytes=1,
        )
        self.counts = Counter[Closing]()
        self.slots = Slots(bounds, lambda reason: self.counts.update([reason]))
        self.evicted: list[Slot] = []

    def take(self, address: str, phase: Phase = Phase.WAITING) -> Slot | None:
        slot = self.slots.take(address, phase)
        if slot is not None:
            slot.evict = lambda: self.evicted.append(slot)
        return slot

    def fill(self, address: str, count: int, phase: Phase = Phase.WAITING) -> list[Slot]:
        taken = [self.take(address, phase) for _ in range(count)]
        assert None not in taken
        return [slot for slot in taken if slot is not None]


def test_no_address_has_more_than_its_share_and_its_oldest_makes_way() -> None:
    port = Port()
    mine = port.fill(STRANGER, 6)
    assert not port.evicted
    assert port.take(STRANGER) is not None
    assert port.evicted == mine[:1]
    assert (len(port.slots), port.counts) == (6, {Closing.EVICTED: 1})


def test_connections_with_a_request_under_way_never_make_way() -> None:
    port = Port()
    port.fill(STRANGER, 6, Phase.BUSY)
    assert port.take(STRANGER) is None
    assert port.counts == {Closing.ADDRESS: 1}
    port.fill(OTHER, 2, Phase.BUSY)
    assert port.take(API_SERVER) is None
    assert port.counts == {Closing.ADDRESS: 1, Closing.TOTAL: 1}
    assert not port.evicted


def test_an_address_with_few_connections_is_served_whatever_others_do() -> None:
    port = Port()
    many, few = port.fill(STRANGER, 5), port.fill(OTHER, 3)
    for number in range(1, 3):
        assert port.take(API_SERVER) is not None
        assert port.evicted == many[:number]
    assert few[0] not in port.evicted


def test_who_has_as_many_as_anybody_takes_nobody_else_s_place() -> None:
    port = Port()
    ours, theirs = port.fill(STRANGER, 4), port.fill(OTHER, 4)
    for _ in range(10):
        assert port.take(STRANGER) is not None
    assert port.evicted[0] is ours[0]
    assert not set(theirs) & set(port.evicted)


def test_what_was_answered_before_makes_way_last() -> None:
    port = Port()
    first, second, *_ = port.fill(STRANGER, 6)
    first.is_proven = True
    port.take(STRANGER)
    assert port.evicted == [second]
    for _ in range(10):
        port.take(STRANGER)
    assert first not in port.evicted


@pytest.mark.parametrize("count", [3, 4])
def test_handshakes_under_way_are_bounded(count: int) -> None:
    port = Port(handshakes=4)
    shaking = port.fill(STRANGER, count, Phase.HANDSHAKE)
    # Others do not count.
    done = port.take(STRANGER, Phase.WAITING)
    assert port.take(API_SERVER, Phase.HANDSHAKE) is not None
    assert port.evicted == shaking[: count - 3]
    assert done not in port.evicted


def test_a_place_is_given_back_once() -> None:
    port = Port()
    slot, *_ = port.fill(STRANGER, 6)
    port.slots.end(slot, Closing.DEADLINE)
    port.slots.end(slot, Closing.DEADLINE)
    port.slots.leave(slot)
    assert (len(port.slots), port.counts) == (5, {Closing.DEADLINE: 1})
    port.fill(STRANGER, 1)
    assert not port.evicted


def test_nothing_remains_of_those_who_have_left() -> None:
    port = Port()
    for number in range(100):
        slot = port.take(f"10.1.0.{number}")
        assert slot is not None
        port.slots.leave(slot)
    assert len(port.slots) == 0
    assert not port.slots._by_address


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3::/64"),
        ("fd00:1:2:3:ffff::1", "fd00:1:2:3::/64"),
        ("fd00:1:2:4::1", "fd00:1:2:4::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_whose_an_address_is(address: str, owner: str) -> None:
    assert owner_of(address) == owner
