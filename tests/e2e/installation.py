"""The operator in a cluster, as the overlay ``default`` installs it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.waiting import patience, wait_for
from tests.install.overlays import DEFAULT

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import Object, Objects

DEPLOYMENT = "deployment/model-operator"
OWN_PODS = "app.kubernetes.io/name=model-operator"
REPLICAS = 2
ROLL_OUT_SECONDS = 180
REMOVAL_SECONDS = 120
LEASE_SECONDS = 15
"""Default of ``MODEL_OPERATOR_LEASE__DURATION_SECONDS``."""


class Installation:
    """The operator that a kustomization of our own installs, with another image and nothing else changed.

    Parameters
    ----------
    cluster
        Where.
    folder
        For the kustomization.
    image
        The operator's, with a tag.
    """

    def __init__(self, cluster: Cluster, folder: Path, image: str) -> None:
        self.kubectl = cluster.kubectl
        self.first_said = ""
        """What kubectl said of the first objects, right after the operator was ready."""
        self._folder = folder
        name, _, tag = image.rpartition(":")
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(DEFAULT, folder.resolve())],
            "images": [{"name": "model-operator", "newName": name, "newTag": tag}],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    def require_none(self) -> None:
        """Refuse a cluster in which somebody's models may be: these tests remove the CRDs at their end.

        Raises
        ------
        LookupError
            When it has our CRDs, or the operator's namespace.
        """
        words = ("get", "crd,namespace", "--output=name", "--ignore-not-found")
        found = [
            name
            for name in self.kubectl(*words).stdout.split()
            if name.endswith((".modeloperator.dev", f"/{OPERATOR_NAMESPACE}"))
        ]
        if found:
            raise LookupError(
                f"expected a cluster without model-operator, found {', '.join(found)}; remove it with "
                "`kubectl delete -k manifests/overlays/default` if no model in it is needed."
            )

    def install(self, namespace: str, first: Objects) -> None:
        """Install it, wait until it is ready, and at once apply the `first` objects in a namespace."""
        begin = time.monotonic()
        self.apply()
        self.wait_until_rolled_out()
        ready = time.monotonic()
        apply = ("--namespace", namespace, "apply", "-f", "-")
        said = self.kubectl(*apply, input=yaml.safe_dump_all(first), check=False)
        self.first_said = said.stderr + said.stdout
        print(f"installed in {ready - begin:.1f} s; the first answer took {time.monotonic() - ready:.1f} s")

    def apply(self) -> subprocess.CompletedProcess[str]:
        """Install it by the one command of the documents."""
        return self.kubectl("apply", "-k", self._folder)

    def differences(self) -> str:
        """Give what applying it would change, as kubectl shows it."""
        return self.kubectl("diff", "-k", self._folder, check=False).stdout

    def wait_until_rolled_out(self) -> None:
        """Wait as people do."""
        self.own(
            "rollout", "status", DEPLOYMENT, f"--timeout={ROLL_OUT_SECONDS}s", timeout=ROLL_OUT_SECONDS + 5
        )

    def remove(self) -> None:
        """Remove everything, the CRDs too."""
        # The containers of all models end before their namespaces do.
        seconds = round(REMOVAL_SECONDS * patience())
        words = ("delete", "-k", self._folder, f"--timeout={seconds}s", "--ignore-not-found")
        self.kubectl(*words, timeout=seconds + 30)

    def own(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the operator's namespace."""
        return self.kubectl("--namespace", OPERATOR_NAMESPACE, *words, check=check, timeout=timeout)

    def pods(self) -> Objects:
        """Give the operator's pods."""
        items: Objects = self._get("pods", f"--selector={OWN_PODS}")["items"]
        return items

    def pod_names(self) -> set[str]:
        """Give the names of the pods that are not being deleted."""
        return {pod["metadata"]["name"] for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]}

    def restarts(self) -> dict[str, int]:
        """Give how often the container of each pod was started again."""
        return {
            pod["metadata"]["name"]: sum(
                status["restartCount"] for status in pod["status"].get("containerStatuses", [])
            )
            for pod in self.pods()
        }

    def holder(self) -> str:
        """Give who holds the Lease: a pod's name, and a word that no other process has."""
        lease = self._get("lease", "model-operator")
        holder: str = lease["spec"].get("holderIdentity") or ""
        return holder

    def leader(self) -> str:
        """Give the pod that holds the Lease; waits while nobody does."""
        return wait_for(lambda: pod_of(self.holder()), 2 * LEASE_SECONDS, "somebody holds the Lease")

    def wait_for_another_leader(self, than: str, deadline: float) -> tuple[str, float]:
        """Wait until another pod than one holds the Lease; give it, and how many seconds that took."""
        begin = time.monotonic()
        leader = wait_for(
            lambda: pod if (pod := pod_of(self.holder())) not in {"", than} else None,
            deadline,
            f"another pod than {than} holds the Lease",
        )
        return leader, time.monotonic() - begin

    def wait_until_whole(self) -> None:
        """Wait until all replicas are ready again, and no other pod is left."""

        def whole() -> bool:
            pods = self.pods()
            ready = [pod for pod in pods if is_ready(pod)]
            assert len(pods) == len(ready) == REPLICAS, [pod["metadata"]["name"] for pod in pods]
            return True

        wait_for(whole, ROLL_OUT_SECONDS, "all replicas of the operator are ready")

    def exec(self, pod: str, script: str, *, check: bool = True) -> str:
        """Run a Python script in a pod of the operator; give what it printed."""
        return self.own("exec", pod, "--", "/app/bin/python", "-c", script, check=check).stdout

    def _get(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.own("get", *words, "--output=json").stdout)
        return found


def pod_of(holder: str) -> str:
    """Give the pod in a holder's name."""
    return holder.partition("_")[0]


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready and is to stay."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
