"""Who may keep a connection to a port: bounds in all and for each address, and who makes way at them.

Nothing here does I/O, so that each rule can be tried without a network.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Phase(Enum):
    """How far a connection has come."""

    HANDSHAKE = "handshake"
    """The TLS handshake is not complete."""
    WAITING = "waiting"
    """For the client: no request has come, it is not complete, or the last one is answered."""
    BUSY = "busy"
    """A request is complete, and not answered."""


class Closing(StrEnum):
    """Why a port has refused or closed a connection."""

    TOTAL = "total"
    """Refused: the port has as many connections as it may have."""
    ADDRESS = "address"
    """Refused: its address has as many as one address may have."""
    HANDSHAKES = "handshakes"
    """Refused: as many TLS handshakes as may be are under way."""
    EVICTED = "evicted"
    """Closed in favour of a new one, as one of these bounds was reached."""
    DEADLINE = "deadline"
    """Closed: a handshake, head, request or answer took too long, or nothing came for the idle time."""
    SIZE = "size"
    """Closed: one request has sent more bytes than any may."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one port grants.

    Attributes
    ----------
    connections
        Connections in all.
    per_address
        Connections of one IPv4 address or one IPv6 network of 64 bits.
    handshakes
        TLS handshakes under way.
    head_seconds
        From the first byte of a request, or the start of a connection, to the end of the head; as much for
        the handshake, and for a client to take what has been written to it.
    busy_seconds
        From the end of the head to the answer. What answers has shorter deadlines of its own.
    idle_seconds
        From an answer to the next request.
    request_bytes
        Bytes that one request may send, head and framing included.
    """

    connections: int
    per_address: int
    handshakes: int
    head_seconds: float
    busy_seconds: float
    idle_seconds: float
    request_bytes: int


class Slot:
    """One connection's slot.

    Parameters
    ----------
    address
        Whose it is, as :func:`owner_of` says.
    number
        Smaller for older ones.
    evict
        Ends the connection.

    Attributes
    ----------
    phase
        How far the connection has come.
    is_proven
        Whether a request on it was answered with success.
    """

    __slots__ = ("address", "evict", "is_proven", "number", "phase")

    def __init__(self, address: str, number: int, phase: Phase) -> None:
        self.address = address
        self.number = number
        self.phase = phase
        self.is_proven = False
        self.evict: Callable[[], None] = lambda: None


class Slots:
    """The slots of one port.

    When a bound is reached, a new connection takes the slot of one on which nothing is being done: of the
    address itself when its own bound is reached, else of the address that has the most, so that an address
    with few connections is served whatever another one does. Those that were never answered with success
    make way first, the oldest first. Where none can make way, the new one is refused.

    Parameters
    ----------
    bounds
        What is granted.
    count
        Called with the reason for each connection that is refused or closed.
    """

    def __init__(self, bounds: Bounds, count: Callable[[Closing], None]) -> None:
        self.bounds = bounds
        self._count = count
        self._slots: set[Slot] = set()
        self._by_address: Counter[str] = Counter()
        self._last = 0

    def __len__(self) -> int:
        return len(self._slots)

    def take(self, address: str, phase: Phase) -> Slot | None:
        """Return a slot for a new connection, None when it is refused.

        Parameters
        ----------
        address
            The peer's IP address.
        phase
            How far the connection has come.
        """
        owner = owner_of(address)
        while (reached := self._reached(owner, phase)) is not None:
            victim = self._victim(reached, owner)
            if victim is None:
                self._count(reached)
                return None
            self.leave(victim)
            self._count(Closing.EVICTED)
            victim.evict()
        self._last += 1
        slot = Slot(owner, self._last, phase)
        self._slots.add(slot)
        self._by_address[owner] += 1
        return slot

    def leave(self, slot: Slot) -> None:
        """Give a slot back; a second time changes nothing."""
        if slot not in self._slots:
            return
        self._slots.remove(slot)
        self._by_address[slot.address] -= 1
        if not self._by_address[slot.address]:
            del self._by_address[slot.address]

    def end(self, slot: Slot, reason: Closing) -> None:
        """Give a slot back and count why its connection is closed."""
        if slot in self._slots:
            self._count(reason)
            self.leave(slot)

    def _reached(self, owner: str, phase: Phase) -> Closing | None:
        if self._by_address[owner] >= self.bounds.per_address:
            return Closing.ADDRESS
        if len(self._slots) >= self.bounds.connections:
            return Closing.TOTAL
        if phase is Phase.HANDSHAKE and len(self._shaking()) >= self.bounds.handshakes:
            return Closing.HANDSHAKES
        return None

    def _victim(self, reached: Closing, owner: str) -> Slot | None:
        if reached is Closing.ADDRESS:
            return _first(self._slots, {owner})
        group = self._shaking() if reached is Closing.HANDSHAKES else list(self._slots)
        held = Counter(slot.address for slot in group)
        most = max(held.values())
        # Equals do not take each other's slots, only their own.
        crowded = (
            {address for address, count in held.items() if count == most} if most > held[owner] else {owner}
        )
        return _first(group, crowded)

    def _shaking(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.phase is Phase.HANDSHAKE]


def _first(slots: Iterable[Slot], addresses: set[str]) -> Slot | None:
    """Return the slot that makes way first, of those of some addresses."""
    free = (slot for slot in slots if slot.address in addresses and slot.phase is not Phase.BUSY)
    return min(free, key=lambda slot: (slot.is_proven, slot.number), default=None)


def owner_of(address: str) -> str:
    """Return under which name an address counts: an IPv6 host may choose any address of its network."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
