"""Which connections a port keeps: bounds in total and per address, and the eviction of idle ones.

Nothing here does I/O, so that each rule can be tested without a network.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Phase(Enum):
    """Phase of a connection."""

    HANDSHAKE = "handshake"
    """The TLS handshake is not complete."""
    WAITING = "waiting"
    """For the client: there is no complete request without a response."""
    BUSY = "busy"
    """A complete request has no response yet."""


class Closing(StrEnum):
    """Why a port has refused or closed a connection."""

    TOTAL = "total"
    """Refused: the port has the maximum number of connections."""
    ADDRESS = "address"
    """Refused: its address has the maximum number of connections."""
    HANDSHAKES = "handshakes"
    """Refused: the maximum number of TLS handshakes is under way."""
    EVICTED = "evicted"
    """Closed in favour of a new one, as one of these bounds was reached."""
    DEADLINE = "deadline"
    """Closed: a handshake, headers, request or response took too long, or the connection was idle."""
    SIZE = "size"
    """Closed: one request sent more bytes than allowed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one port.

    Attributes
    ----------
    connections
        Connections in total.
    per_address
        Connections of one IPv4 address or one IPv6 /64 network.
    handshakes
        Concurrent TLS handshakes.
    head_seconds
        From the first byte of a request, or the start of a connection, to the end of the headers; also the
        deadline for the handshake, and for a client to read a response.
    busy_seconds
        From the end of the headers to the end of the response, and for a client to take a part of it. None
        where the handlers have deadlines of their own for both, as a stream may last for hours.
    idle_seconds
        From a response to the next request.
    request_bytes
        Bytes of one request, headers and framing included.
    """

    connections: int
    per_address: int
    handshakes: int
    head_seconds: float
    busy_seconds: float | None
    idle_seconds: float
    request_bytes: int


class Slot:
    """The slot of one connection.

    Parameters
    ----------
    address
        Address group, from :func:`owner_of`.
    number
        Sequence number; older connections have smaller ones.
    evict
        Closes the connection.

    Attributes
    ----------
    phase
        Phase of the connection.
    is_proven
        Whether a request on it had a successful response.
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

    When a bound is reached, a new connection evicts one without a request in progress: of the same address
    when the bound per address is reached, else of the address with the most connections, so that an address
    with few connections is served whatever others do. Connections without a successful response are evicted
    first, the oldest first. If none can be evicted, the new one is refused.

    Parameters
    ----------
    bounds
        The bounds of the port.
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
        """Return a slot for a new connection; None when it is refused.

        Parameters
        ----------
        address
            The peer's IP address.
        phase
            Phase of the connection.
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
        """Release a slot; a second call changes nothing."""
        if slot not in self._slots:
            return
        self._slots.remove(slot)
        self._by_address[slot.address] -= 1
        if not self._by_address[slot.address]:
            del self._by_address[slot.address]

    def end(self, slot: Slot, reason: Closing) -> None:
        """Release a slot and count why its connection is closed."""
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
        # Addresses with equally many connections evict only their own.
        crowded = (
            {address for address, count in held.items() if count == most} if most > held[owner] else {owner}
        )
        return _first(group, crowded)

    def _shaking(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.phase is Phase.HANDSHAKE]


def _first(slots: Iterable[Slot], addresses: set[str]) -> Slot | None:
    """Return the slot to evict first among those of some addresses."""
    free = (slot for slot in slots if slot.address in addresses and slot.phase is not Phase.BUSY)
    return min(free, key=lambda slot: (slot.is_proven, slot.number), default=None)


def owner_of(address: str) -> str:
    """Return the group of an address: an IPv6 host may choose any address of its /64 network."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
