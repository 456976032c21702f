"""Shows whether an operator's memory stays flat while instances come and go.

``make bench-memory`` runs it, with a control plane and an operator process of its own. Each cycle creates an
instance, waits for its Deployment and Service, deletes it, and waits for the garbage collector. The template
has no workers, so that no pods are made. The caches remember the last 10,000 deletions of each kind, so a
rise over the first 10,000 cycles is theirs; the verdict compares the third with the last quarter of the run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 100
CLIENTS = 8
GROWTH = 1.05
INSTANCES = "/apis/modeloperator.dev/v1alpha1/namespaces/default/modelinstances"
FEWEST_SAMPLES = 8


class Sample(NamedTuple):
    """The memory of a process after some cycles."""

    cycles: int
    megabytes: float


def resident(pid: int) -> float:
    """Give the resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"process {pid} says nothing of its memory.")


def quarter(samples: Sequence[Sample], number: int) -> float:
    """Give the median memory in one quarter of the run, 0 to 3."""
    size = len(samples) // 4
    return statistics.median(sample.megabytes for sample in samples[number * size : (number + 1) * size])


def cycle(api: KubeApi, names: Sequence[str], pool: ThreadPoolExecutor) -> None:
    """Have instances of these names come and go."""
    list(pool.map(lambda name: api.create(instance(name)), names))
    for kind in ("Deployment", "Service"):
        wait_for(partial(_has, api, kind, len(names)), 120, f"each has a {kind}")
    api.request("DELETE", INSTANCES)
    for kind in ("ModelInstance", "Deployment", "Service"):
        wait_for(partial(_has, api, kind, 0), 120, f"each {kind} is gone")


def _has(api: KubeApi, kind: str, count: int) -> bool:
    ours = "" if kind == "ModelInstance" else "app.kubernetes.io/managed-by=model-operator"
    return len(api.list(kind, labels=ours)) == count


def run(cycles: int, seconds: float) -> bool:
    """Run up to `cycles` cycles, at most for `seconds`; print what was seen, and tell whether it was flat."""
    samples: list[Sample] = []
    empty = template()
    empty["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 0, "max_workers": 0}
    begin = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane.start() as cluster,
        ThreadPoolExecutor(CLIENTS) as pool,
        OperatorProcess.start(cluster.operator_kubeconfig(), log=Path(folder) / "operator.log") as operator,
    ):
        api = KubeApi(cluster.kubeconfig)
        api.apply(empty)
        done = 0
        while done < cycles and time.monotonic() - begin < seconds:
            # Other names each time: what is kept by name is to show.
            cycle(api, [f"cycle-{done + number}" for number in range(AT_ONCE)], pool)
            done += AT_ONCE
            samples.append(Sample(done, resident(operator.pid)))
            print(
                f"{done:6} cycles  {time.monotonic() - begin:6.0f} s  {samples[-1].megabytes:6.1f} MB",
                flush=True,
            )
        api.close()
    if len(samples) < FEWEST_SAMPLES:
        print(f"NO VERDICT: {done} of {cycles} cycles in {seconds:g} s are too few")
        return False
    before, after = quarter(samples, 2), quarter(samples, 3)
    is_flat = after <= before * GROWTH
    verdict = "MET" if is_flat else "MISSED"
    print(
        f"{verdict}: {before:.1f} MB in the third quarter of {done} cycles, {after:.1f} MB in the last; "
        f"the aim is at most {GROWTH:g} times as much"
    )
    return is_flat


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=3600)
    arguments = parser.parse_args()
    stop_on_signals()
    sys.exit(0 if run(arguments.cycles, arguments.seconds) else 1)
