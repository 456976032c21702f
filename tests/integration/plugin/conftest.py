"""``kubectl model`` as people have it: the real kubectl, which finds the plugin on the path.

People have the ClusterRole ``view`` in the test's namespace, by ``manifests/base/people.yaml``, and no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import yaml

from tests.cluster.cluster import MANIFESTS
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi
    from tests.cluster.kubectl import Kubectl

COMMANDS = Path(sys.executable).parent
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Person:
    """Somebody with kubectl and its plugin.

    Attributes
    ----------
    kubectl
        The kubectl to run.
    kubeconfig
        Value of ``KUBECONFIG``.
    """

    kubectl: Kubectl
    kubeconfig: str | Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of their shell."""
        return {
            "PATH": f"{COMMANDS}:{self.kubectl.binary.parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubectl.cache),
            "HOME": "/nonexistent",
            "TERM": "xterm",
        }

    def __call__(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``kubectl model`` with these words."""
        return self.run("model", *words, **variables)

    def run(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl with these words."""
        return subprocess.run(
            [self.kubectl.binary, *words],
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start ``kubectl model`` with these words."""
        return subprocess.Popen(
            [self.kubectl.binary, "model", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def _people(kubectl: Kubectl, cluster_api: KubeApi) -> None:
    """Have the shipped roles in the cluster, and wait until ``view`` has its part."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS / "people.yaml")

    def aggregated() -> bool:
        rules = cluster_api.get("ClusterRole", "view")["rules"]
        return any("modelinstances" in rule.get("resources", []) for rule in rules)

    wait_for(aggregated, message="view is aggregated")


class Invite(Protocol):
    """Gives somebody with a role in a namespace, which is their context's; or with no role."""

    def __call__(self, role: str | None, api: KubeApi) -> Person:
        """Give somebody who may do there what the ClusterRole allows."""


@pytest.fixture
def invite(cluster: Cluster, tmp_path: Path, _people: None) -> Invite:
    """Give a function that makes people."""

    def somebody(role: str | None, api: KubeApi) -> Person:
        return _person(cluster, api, role, tmp_path)

    return somebody


@pytest.fixture
def viewer(invite: Invite, api: KubeApi) -> Person:
    """Give somebody with the role ``view`` in the test's namespace."""
    return invite("view", api)


@pytest.fixture
def administrator(cluster: Cluster) -> Person:
    """Give somebody who may do everything."""
    return Person(cluster.kubectl, cluster.kubeconfig)


def _person(cluster: Cluster, api: KubeApi, role: str | None, folder: Path) -> Person:
    name = role or "nobody"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    if role:
        api.create(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": role,
                },
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": api.namespace}],
            }
        )
    config = yaml.safe_load(cluster.service_account_kubeconfig(api.namespace, name).read_text())
    config["contexts"][0]["context"]["namespace"] = api.namespace
    path = folder / f"{name}.kubeconfig"
    write_kubeconfig(path, config)
    somebody = Person(cluster.kubectl, path)
    if role:
        asked = ("auth", "can-i", "list", "modelinstances.modeloperator.dev")
        wait_for(lambda: somebody.run(*asked).returncode == 0, message=f"{name} has the role")
    return somebody


@pytest.fixture
def started(viewer: Person) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts ``kubectl model`` as the viewer, and end what is left at the end."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        processes.append(viewer.start(*words))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()
