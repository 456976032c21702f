"""Measures how long a new instance waits beside a namespace whose template is edited without end.

``make bench-neighbour`` runs it, with a control plane and an operator process of its own, on loopback only.
One namespace has 200 instances of one template, which is edited twice a second: each edit gives every
instance a new pod template. Another namespace creates instances one after the other, first while nothing is
edited, then beside the edits. Kubernetes' own controllers do not run, as so many edits keep them busy for
minutes: the benchmark writes the status of the Deployments that it waits for. So all times are those of the
operator and of the API server.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stage import rolled_out
from benchmarks.usage import machine
from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.examples.objects import TEMPLATE, edit_bundle, instance, ready

INSTANCES = 200
CREATES = 20
PAUSE_SECONDS = 0.5
"""Between the creates, and between two edits."""
LONGEST_SECONDS = 60.0
MAX_RATIO = 2.0


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


def prepare(cluster: ControlPlane) -> tuple[KubeApi, KubeApi]:
    """Create both namespaces with a template each; return clients of the noisy and the quiet one."""
    api = KubeApi(cluster.kubeconfig)
    noisy, quiet = (api.in_namespace(name) for name in ("noisy", "quiet"))
    for each in (noisy, quiet):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each.namespace}})
        each.apply(TEMPLATE)
    return noisy, quiet


def measure(noisy: KubeApi, quiet: KubeApi) -> tuple[list[Times], list[Times], int]:
    """Return the times alone and beside the edits, and the number of edits."""
    create(quiet, "first")
    alone = create_all(quiet, "alone")
    show("alone", alone)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: create(noisy, f"noisy-{number}"), range(INSTANCES)))
    stopped, edits = threading.Event(), 0

    def edit() -> None:
        nonlocal edits
        while not stopped.wait(PAUSE_SECONDS):
            edits += 1
            edit_bundle(noisy, tag=f"edit-{edits}")

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        time.sleep(3)  # The queue has its usual length then.
        beside = create_all(quiet, "beside")
    finally:
        stopped.set()
        editor.join()
    show("beside", beside)
    return alone, beside, edits


def main() -> int:
    """Measure and print; return 1 when the aim is missed."""
    stop_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="model-operator-bench-") as name,
        ControlPlane.start(bare=True) as cluster,
    ):
        noisy, quiet = prepare(cluster)
        log = Path(name) / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log):
            print(json.dumps(machine()), flush=True)
            alone, beside, edits = measure(noisy, quiet)
    print(f"edits of the template of {INSTANCES} instances: {edits}")
    is_met = True
    for kind in ("deployment", "ready"):
        ratio = statistics.median(getattr(each, kind) for each in beside) / statistics.median(
            getattr(each, kind) for each in alone
        )
        is_met &= ratio <= MAX_RATIO
        verdict = "met" if ratio <= MAX_RATIO else "MISSED"
        print(f"{kind}: {ratio:.2f} times as long   aim: {MAX_RATIO:g}  {verdict}")
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
