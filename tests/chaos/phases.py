"""The phases of a run: which faults there are, and who does what to processes and connections."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.faults import Fault
from tests.chaos.world import World

Act = Callable[[World, random.Random], Iterator[float]]
"""Does something to the world again and again; yields the seconds until the next time."""

OPERATOR: Mapping[str, Mapping[str, str]] = {"operator": {}}


@dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes
    ----------
    name
        What `--phase` calls it.
    rates
        For each fault of the proxy the share of requests, or of watches, that meet it.
    acts
        What else is done.
    operators
        The operators that run, with their settings.
    module
        What is run for each.
    has_lease
        Whether the operators agree by a Lease on the one that works, and have names.
    in_short
        Whether it is part of the short form.
    is_recorded
        Whether roll-outs are judged by every version: the API server stays up.
    """

    name: str
    rates: Mapping[Fault, float] = field(default_factory=dict)
    acts: tuple[Act, ...] = ()
    operators: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: OPERATOR)
    module: str = "model_operator"
    has_lease: bool = False
    in_short: bool = True
    is_recorded: bool = True


def kill_operators(world: World, source: random.Random) -> Iterator[float]:
    """Kill an operator in whatever it does, soon after its start or long after."""
    while True:
        yield source.choice((source.uniform(0.5, 2), source.uniform(2, 8)))
        source.choice(world.operators).kill()
        world.count("kill -9 of an operator")


def pause_operators(world: World, source: random.Random) -> Iterator[float]:
    """Stop an operator for a while, for longer than the Lease lasts or not, as a suspended machine does."""
    while True:
        yield source.uniform(2, 6)
        operator = source.choice(world.operators)
        operator.pause()
        world.tend_for(source.uniform(1, 8))
        operator.resume()
        world.count("pause of an operator")


def restart(*names: str) -> Act:
    """Give what kills processes of the control plane, the last one first, and starts them again in order."""

    def act(world: World, source: random.Random) -> Iterator[float]:
        while True:
            yield source.uniform(1.5, 5)
            for name in reversed(names):
                world.components.kill(name)
            world.tend_for(source.uniform(0.2, 2))
            world.components.revive(*names)
            world.count(f"kill -9 and restart of {' and '.join(names)}")

    return act


def cut_connections(world: World, source: random.Random) -> Iterator[float]:
    """Cut all connections, for a moment or for longer than a request may take."""
    while True:
        yield source.uniform(1, 4)
        world.proxy.cut()
        world.tend_for(source.choice((0.1, source.uniform(0.5, 6))))
        world.proxy.mend()
        world.count("all connections cut")


ANSWERS = {
    Fault.REFUSED_409: 0.05,
    Fault.BUSY_429: 0.05,
    Fault.FAILED_500: 0.03,
    Fault.FAILED_500_AFTER: 0.03,
    Fault.LATE_504: 0.03,
    Fault.LATE_504_AFTER: 0.05,
}
CONNECTIONS = {
    Fault.CUT: 0.04,
    Fault.CUT_AFTER: 0.04,
    Fault.STALLED: 0.02,
    Fault.SLOW: 0.2,
}
WATCHES = {
    Fault.WATCH_CUT: 0.4,
    Fault.WATCH_STALLED: 0.2,
    Fault.WATCH_SLOW: 0.2,
}
EXPIRED = {Fault.WATCH_EXPIRED: 0.5, Fault.WATCH_CUT: 0.1, Fault.EXPIRED_410: 0.05}


def replica(name: str, skew: float) -> Mapping[str, str]:
    """Give the settings of one of two operators, whose clocks are wrong."""
    return {
        "CHAOS_NAME": name,
        "CHAOS_SKEW_SECONDS": str(skew),
        "MODEL_OPERATOR_LEADER_ELECTION": "on",
        "MODEL_OPERATOR_LEASE__DURATION_SECONDS": "4",
        "MODEL_OPERATOR_LEASE__RENEW_DEADLINE_SECONDS": "3",
        "MODEL_OPERATOR_LEASE__RETRY_PERIOD_SECONDS": "0.5",
    }


REPLICAS = {"operator-a": replica("a", 3600), "operator-b": replica("b", -3600)}

PHASES = (
    Phase("errors", ANSWERS),
    Phase("connections", CONNECTIONS | WATCHES, (cut_connections,)),
    Phase("kills", acts=(kill_operators,)),
    Phase("apiserver", acts=(restart("kube-apiserver"),), is_recorded=False),
    Phase("etcd", acts=(restart("etcd"),), is_recorded=False),
    Phase("expired", EXPIRED),
    Phase("truncated", {Fault.WATCH_TRUNCATED: 0.5}, in_short=False),
    Phase("both", acts=(restart("etcd", "kube-apiserver"),), in_short=False, is_recorded=False),
    Phase(
        "leases",
        {Fault.SLOW: 0.2, Fault.STALLED: 0.02, Fault.CUT: 0.02},
        (kill_operators, pause_operators, cut_connections),
        operators=REPLICAS,
        module="tests.chaos.skewed_operator",
        has_lease=True,
        in_short=False,
    ),
    Phase(
        "everything",
        ANSWERS | CONNECTIONS | WATCHES | EXPIRED,
        (kill_operators, restart("kube-apiserver"), cut_connections),
        in_short=False,
        is_recorded=False,
    ),
)
