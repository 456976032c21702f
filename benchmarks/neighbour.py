"""Measures how fair the operator is: ``make bench-neighbour``.

* **Edits:** one namespace has 200 instances of one template, which is edited ten times a second: each edit
  gives every instance a new pod template.
* **Churn:** one namespace has 5,000 instances, of which one is replaced ten times a second.
* **Contest:** another manager changes a field of one Deployment again, as soon as the operator corrected it.

Another namespace creates instances one after the other, first while nothing else happens, then beside edits
or churn. In a contest, the operator's CPU time counts, over that of the same time without it. Each part has a
control plane and an operator process of its own, on loopback only. Kubernetes' own controllers do not run, as
so many edits keep them busy for minutes: the benchmark writes the status of the Deployments that it waits
for. So all times are those of the operator and of the API server.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.stage import rolled_out
from benchmarks.usage import machine, usage
from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.examples.objects import TEMPLATE, edit_bundle, instance, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREATES = 20
PAUSE_SECONDS = 0.5
"""Between the creates."""
NOISE_SECONDS = 0.1
"""Between two edits, and between two changes of the churn."""
LONGEST_SECONDS = 60.0
CONTEST_SECONDS = 60.0
RIVAL_SECONDS = 0.02
"""How often the other manager looks whether its value has been corrected."""
_RIVALS_SURGE = 3
MAX_RATIO = 2.0
MAX_SHARE = 0.01
"""Of a core, for a contested field."""


class Noise(NamedTuple):
    """What happens in the noisy namespace.

    Attributes
    ----------
    instances
        How many it has.
    act
        Does the change of that number, with the number of instances.
    """

    instances: int
    act: Callable[[KubeApi, int, int], object]


@dataclass(frozen=True)
class Times:
    """Times of one create, in seconds since the request.

    Attributes
    ----------
    deployment
        Until its Deployment exists.
    ready
        From the status of the Deployment until the instance is Ready.
    """

    deployment: float
    ready: float


def create(api: KubeApi, name: str) -> Times:
    """Create an instance without workers, and wait until it is Ready.

    Raises
    ------
    TimeoutError
        After a minute.
    """
    begin = time.perf_counter()
    api.create(instance(name, replicas=0))
    while (deployment := api.find("Deployment", name)) is None:
        _pause(begin, f"the Deployment of {name}")
    created = time.perf_counter()
    api.patch("Deployment", name, {"status": rolled_out(deployment)}, subresource="status")
    written = time.perf_counter()
    while ready(api.get("ModelInstance", name)).get("status") != "True":
        _pause(begin, f"Ready of {name}")
    return Times(created - begin, time.perf_counter() - written)


def _pause(begin: float, awaited: str) -> None:
    if time.perf_counter() - begin > LONGEST_SECONDS:
        raise TimeoutError(f"{awaited} took more than {LONGEST_SECONDS:g} s")
    time.sleep(0.002)


def create_all(api: KubeApi, prefix: str) -> list[Times]:
    """Create instances one after the other."""
    times = []
    for number in range(CREATES):
        times.append(create(api, f"{prefix}-{number}"))
        time.sleep(PAUSE_SECONDS)
    return times


def show(title: str, times: list[Times]) -> None:
    """Print the times in milliseconds."""
    for name in ("deployment", "ready"):
        taken = sorted(getattr(each, name) * 1000 for each in times)
        print(
            f"{title:12}{name:12} median {statistics.median(taken):6.0f} ms, at most {taken[-1]:6.0f} ms",
            flush=True,
        )


def edit(noisy: KubeApi, number: int, _: int) -> None:
    """Edit the template."""
    edit_bundle(noisy, tag=f"edit-{number}")


def churn(noisy: KubeApi, number: int, instances: int) -> None:
    """Delete the oldest instance, and create another; its name is new, since nothing collects children."""
    noisy.delete("ModelInstance", f"noisy-{number}")
    noisy.create(instance(f"noisy-{number + instances}", replicas=0))


NOISES = {"edits": Noise(200, edit), "churn": Noise(5000, churn)}


def prepare(cluster: ControlPlane) -> tuple[KubeApi, KubeApi]:
    """Create both namespaces with a template each; return clients of the noisy and the quiet one."""
    api = KubeApi(cluster.kubeconfig)
    noisy, quiet = (api.in_namespace(name) for name in ("noisy", "quiet"))
    for each in (noisy, quiet):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each.namespace}})
        each.apply(TEMPLATE)
    return noisy, quiet


@contextmanager
def going_on(act: Callable[[int], object], pause: float) -> Iterator[list[int]]:
    """Have something happen so many seconds apart in a thread; the list given has how often it has.

    Raises
    ------
    RuntimeError
        When it failed before its end: nothing was measured beside it.
    """
    stopped, done = threading.Event(), [0]

    def run() -> None:
        begin = time.perf_counter()
        for number in itertools.count():
            # By the clock: what happens takes time, too.
            if stopped.wait(max(0.0, begin + number * pause - time.perf_counter())):
                return
            act(number)
            done[0] += 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            yield done
            if running.done():
                raise RuntimeError("what was to go on has ended") from running.exception()
        finally:
            stopped.set()


def beside(noise: Noise, noisy: KubeApi, quiet: KubeApi) -> bool:
    """Print the times alone and beside the noise, and the verdicts; give whether all aims are met."""
    create(quiet, "first")
    alone = create_all(quiet, "alone")
    show("alone", alone)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: create(noisy, f"noisy-{number}"), range(noise.instances)))
    begin = time.perf_counter()
    with going_on(lambda number: noise.act(noisy, number, noise.instances), NOISE_SECONDS) as done:
        time.sleep(3)  # The queue has its usual length then.
        noised = create_all(quiet, "beside")
        rate = done[0] / (time.perf_counter() - begin)
    show("beside", noised)
    print(f"changes beside {noise.instances:,} instances: {rate:.1f} in a second")
    is_met = True
    for kind in ("deployment", "ready"):
        medians = [statistics.median(getattr(each, kind) for each in times) for times in (alone, noised)]
        is_met &= _verdict(f"{kind}, times as long", medians[1] / medians[0], MAX_RATIO)
    return is_met


def contest(quiet: KubeApi, pid: int) -> bool:
    """Print what a contested field costs; give whether the aim is met."""
    create(quiet, "contested")
    time.sleep(PAUSE_SECONDS)
    idle = _cpu_during(pid, CONTEST_SECONDS)
    writes = 0

    def rival(_: int) -> None:
        nonlocal writes
        strategy = {"rollingUpdate": {"maxSurge": _RIVALS_SURGE}}
        found = quiet.get("Deployment", "contested")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        if found != _RIVALS_SURGE:
            quiet.patch("Deployment", "contested", {"spec": {"strategy": strategy}}, manager="rival")
            writes += 1

    with going_on(rival, RIVAL_SECONDS):
        contested = _cpu_during(pid, CONTEST_SECONDS)
    print(f"changes by the other manager in {CONTEST_SECONDS:g} s: {writes}")
    print(f"the operator's CPU: {contested:.2f} s, without a contest {idle:.2f} s")
    return _verdict("contested field, share of a core", (contested - idle) / CONTEST_SECONDS, MAX_SHARE)


def _cpu_during(pid: int, seconds: float) -> float:
    before = usage(pid).cpu_seconds
    time.sleep(seconds)
    return usage(pid).cpu_seconds - before


def _verdict(text: str, value: float, limit: float) -> bool:
    is_met = value <= limit
    print(f"{text}: {value:.3g}   aim: {limit:g}  {'met' if is_met else 'MISSED'}", flush=True)
    return is_met


def measure(part: str, noise: Noise | None) -> bool:
    """Measure a part, without noise the contest, on its own control plane; give whether all aims are met."""
    print(f"-- {part}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="model-operator-bench-") as name,
        ControlPlane.start(bare=True) as cluster,
    ):
        noisy, quiet = prepare(cluster)
        log = Path(name) / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log) as operator:
            return contest(quiet, operator.pid) if noise is None else beside(noise, noisy, quiet)


def main() -> int:
    """Measure and print; return 1 when an aim is missed."""
    parts = (*NOISES, "contest")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=parts, help="measure only these")
    parser.add_argument(
        "--churned", type=int, default=NOISES["churn"].instances, help="instances of the churn"
    )
    arguments = parser.parse_args()
    noises = {**NOISES, "churn": NOISES["churn"]._replace(instances=arguments.churned)}
    stop_on_signals()
    print(json.dumps(machine()), flush=True)
    results = [measure(part, noises.get(part)) for part in arguments.parts]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
