"""What is measured, each of it with all contenders in turn: A-B-A-B, so that a busy moment hits all."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from benchmarks.distribution import quantiles
from benchmarks.gateway.api import SECOND_WORKER, WORKER
from benchmarks.gateway.load import AnswerError, Connection, Results, closed_loop, open_loop, streams
from benchmarks.gateway.processes import LITELLM, LOOPBACK, Contender, get, post

ROUNDS = 2
_LOOP_SECONDS = 4.0
_CONNECTIONS = 64
_FEW_CONNECTIONS = 8
_PACED_SECONDS = 10.0
_EACH_SECONDS = 1 / 50
_STREAMS, _CHUNKS, _CHUNK_MS = 40, 200, 20
_OPEN_STREAMS = 200
_FLIPS = 20
_IDLE_SECONDS, _IDLE_SHARE = 30.0, 0.1
_ABORT_SECONDS = 0.05
_REQUESTS, _ABORTS, _WARM_UP = 50_000, 5_000, 10_000

Figures = dict[str, Any]
Round = tuple[Results, float, float]
"""The results of a round, its time, and the contender's CPU time in it, in seconds."""
Run = Callable[[Contender], Coroutine[Any, Any, Results]]


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which that share of the values is."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _in_turn(contenders: Sequence[Contender], run: Run) -> dict[str, list[Round]]:
    """Give the rounds of each contender."""
    found: dict[str, list[Round]] = {each.name: [] for each in contenders}
    for _ in range(ROUNDS):
        for contender in contenders:
            before, begin = contender.cpu_seconds(), time.perf_counter()
            results = asyncio.run(run(contender))
            seconds = time.perf_counter() - begin
            found[contender.name].append((results, seconds, contender.cpu_seconds() - before))
            _wait_until_idle(contender)
            for failure in sorted(set(results.failures))[:3]:
                print(f"  {contender.name}: {results.failures.count(failure)} of {failure}", flush=True)
    return found


def _wait_until_idle(contender: Contender) -> None:
    """Wait until a contender has nothing left to do: they share the core."""
    deadline = time.monotonic() + _IDLE_SECONDS
    while time.monotonic() < deadline:
        before = contender.cpu_seconds()
        time.sleep(0.25)
        if contender.cpu_seconds() - before < _IDLE_SHARE * 0.25:
            return


def _loop(connections: int, seconds: float) -> Run:
    async def run(contender: Contender) -> Results:
        return await closed_loop(
            contender.target, contender.request(), connections=connections, seconds=seconds
        )

    return run


def warm_up(contenders: Sequence[Contender]) -> None:
    """Let each contender load what it loads with its first requests."""
    for contender in contenders:
        asyncio.run(_loop(_FEW_CONNECTIONS, 2.0)(contender))


def small_requests(contenders: Sequence[Contender]) -> dict[str, Figures]:
    """Give the CPU time of a small request, and how many a core does in a second at 64 connections."""
    figures: dict[str, Figures] = {}
    for name, rounds in _in_turn(contenders, _loop(_FEW_CONNECTIONS, _LOOP_SECONDS)).items():
        count, cpu = sum(len(results.seconds) for results, _, _ in rounds), sum(each[2] for each in rounds)
        figures[name] = {"cpu_ms": cpu / count * 1000, "failures": _failures(rounds)}
    for name, rounds in _in_turn(contenders, _loop(_CONNECTIONS, _LOOP_SECONDS)).items():
        count = sum(len(results.seconds) for results, _, _ in rounds)
        seconds, cpu = sum(each[1] for each in rounds), sum(each[2] for each in rounds)
        figures[name] |= {
            "per_second": count / seconds,
            "core_share": cpu / seconds,
            # The load and the worker share the other core: the fast contenders wait for these.
            "per_cpu_second": count / cpu if cpu else 0.0,
            "failures": figures[name]["failures"] + _failures(rounds),
        }
    return figures


def latency(contenders: Sequence[Contender]) -> dict[str, Figures]:
    """Give the durations of 50 requests in a second."""

    async def run(contender: Contender) -> Results:
        return await open_loop(
            contender.target, contender.request(), each=_EACH_SECONDS, seconds=_PACED_SECONDS
        )

    return {
        name: {**_milliseconds(rounds), "failures": _failures(rounds)}
        for name, rounds in _in_turn(contenders, run).items()
    }


def chunks(contenders: Sequence[Contender]) -> dict[str, Figures]:
    """Give the CPU time of a chunk of a stream, the stream's request included: 40 streams of 200 chunks."""

    async def run(contender: Contender) -> Results:
        request = contender.request(tokens=_CHUNKS, pause_ms=_CHUNK_MS)
        seconds = _CHUNKS * _CHUNK_MS / 1000
        return await streams(contender.target, request, each=seconds / _STREAMS / 4, seconds=seconds / 4)

    return {
        name: {
            "cpu_us": sum(each[2] for each in rounds) / (ROUNDS * _STREAMS * _CHUNKS) * 1e6,
            "reads_per_chunk": sum(results.reads for results, _, _ in rounds) / (ROUNDS * _STREAMS * _CHUNKS),
            "failures": _failures(rounds),
        }
        for name, rounds in _in_turn([each for each in contenders if each.pid is not None], run).items()
    }


def first_chunks(contenders: Sequence[Contender]) -> dict[str, Figures]:
    """Give the time to the first chunk while 200 streams are open, of 10 chunks in a second each.

    LiteLLM is left out: on one core it does not keep up with as many.
    """
    contenders = [each for each in contenders if each.name != LITELLM]
    tokens, pause_ms = 40, 100
    lasts = tokens * pause_ms / 1000

    async def run(contender: Contender) -> Results:
        return await streams(
            contender.target,
            contender.request(tokens=tokens, pause_ms=pause_ms),
            each=lasts / _OPEN_STREAMS,
            seconds=3 * lasts,
            skipped=lasts,
        )

    return {
        name: {**_milliseconds(rounds), "failures": _failures(rounds)}
        for name, rounds in _in_turn(contenders, run).items()
    }


def _milliseconds(rounds: Sequence[Round]) -> Figures:
    values = [seconds * 1000 for results, _, _ in rounds for seconds in results.seconds]
    return {
        "p50_ms": percentile(values, 0.5),
        "p99_ms": percentile(values, 0.99),
        "quantiles": quantiles(values, digits=3),
        "count": len(values),
    }


def _failures(rounds: Sequence[Round]) -> int:
    return sum(len(results.failures) for results, _, _ in rounds)


def api_requests(contender: Contender, api: int) -> Figures:
    """Give the requests to the API server during 30 s of one key's requests; a review counts for 10 s."""
    before = get(api, "/counts")
    begin = time.perf_counter()
    results = asyncio.run(_loop(_FEW_CONNECTIONS, 30.0)(contender))
    seconds = time.perf_counter() - begin
    after = get(api, "/counts")
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    reviews = {"post tokenreviews", "post subjectaccessreviews"}
    return {
        "seconds": seconds,
        "requests": len(results.seconds),
        "reviews_in_10_s": sum(count for name, count in grown.items() if name in reviews) / seconds * 10,
        "others": sum(count for name, count in grown.items() if name not in reviews and "watch" not in name),
    }


def routed(contender: Contender, api: int) -> Figures:
    """Give the time from a slice's change at the API server until its new worker gets requests."""

    async def changed(workers: list[str], expected: str) -> float:
        connection = await Connection.open(*contender.target)
        begin = time.perf_counter()
        # Not awaited on this loop: the change is sent while requests go on.
        change = asyncio.get_running_loop().run_in_executor(None, post, api, "/workers", workers)
        async with asyncio.timeout(10):
            while expected.encode() not in (await connection.call(contender.request())).body:
                pass
        seconds = time.perf_counter() - begin
        await change
        connection.close()
        return seconds

    turns = [address for _ in range(_FLIPS) for address in (SECOND_WORKER, WORKER)]
    durations = [asyncio.run(changed([address], address)) * 1000 for address in turns]
    return {"p50_ms": percentile(durations, 0.5), "max_ms": max(durations), "count": len(durations)}


def growth(contender: Contender, stub: int, health: int) -> Figures:
    """Give how the memory grows over 50,000 requests, of which 5,000 are left by their clients."""
    # The other contenders keep theirs; the gateway closes idle ones after 4 s.
    time.sleep(6)
    others = get(stub, "/counts")["connections"]
    asyncio.run(_many(contender, _WARM_UP, _WARM_UP // 10))
    _settle(stub, health, others)
    before, sockets = contender.rss_mib(), contender.sockets()
    left = get(stub, "/counts")["left"]
    asyncio.run(_many(contender, _REQUESTS - _ABORTS, _ABORTS))
    in_flight = _settle(stub, health, others)
    counts = get(stub, "/counts")
    return {
        "before_mib": before,
        "growth_mib": contender.rss_mib() - before,
        "sockets_growth": contender.sockets() - sockets,
        "in_flight": in_flight,
        "worker_connections": max(counts["connections"] - others, 0),
        "aborted": _ABORTS,
        "aborted_at_worker": counts["left"] - left,
        "still_running_at_worker": counts["begun"] - counts["ended"] - counts["left"],
    }


async def _many(contender: Contender, requests: int, aborts: int) -> None:
    """Send requests over connections, and leave others: before the answer, or in the middle of a stream."""
    remaining = {"requests": requests, "aborts": aborts}

    async def answered() -> None:
        connection = await Connection.open(*contender.target)
        while remaining["requests"] > 0:
            remaining["requests"] -= 1
            await connection.call(contender.request())
        connection.close()

    async def aborted() -> None:
        waiting = (contender.request(pause_ms=5000), contender.request(tokens=1000, pause_ms=20))
        while remaining["aborts"] > 0:
            remaining["aborts"] -= 1
            connection = await Connection.open(*contender.target)
            is_stream = remaining["aborts"] % 2
            answer = connection.call(waiting[is_stream])
            await (connection.begun() if is_stream else asyncio.sleep(_ABORT_SECONDS))
            connection.abort()
            with contextlib.suppress(AnswerError):
                await answer

    async with asyncio.timeout(600):
        await asyncio.gather(*(answered() for _ in range(16)), *(aborted() for _ in range(8)))


def _settle(stub: int, health: int, others: int) -> float:
    """Wait until idle connections are closed; give the requests in flight by the metrics."""
    deadline = time.monotonic() + 30
    while True:
        in_flight = sum(map(float, re.findall(r"requests_in_flight\{[^}]*\} (\S+)", metrics(health))))
        counts = get(stub, "/counts")
        if not in_flight and counts["connections"] <= others:
            return in_flight
        if time.monotonic() > deadline:
            return in_flight
        time.sleep(0.5)


def metrics(health: int) -> str:
    """Give what the gateway exposes."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{health}/metrics", timeout=10) as response:
        text: bytes = response.read()
    return text.decode()


def size(contender: Contender, instances: int) -> Figures:
    """Give the memory with so many instances, after some requests."""
    asyncio.run(_loop(_FEW_CONNECTIONS, 2.0)(contender))
    return {"instances": instances, "rss_mib": contender.rss_mib()}
