"""A cluster that tests and demo work on: the embedded control plane, or one that the user names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.kubeconfig import token_kubeconfig, write_kubeconfig
from tests.cluster.kubectl import Kubectl, apply_crds
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.build.toolset import Tools

MANIFESTS = REPOSITORY / "manifests" / "base"
OPERATOR_NAMESPACE = OPERATOR_SERVICE_ACCOUNT = "model-operator"
GATEWAY_SERVICE_ACCOUNT = "model-operator-gateway"
GATEWAY_RIGHTS = REPOSITORY / "manifests" / "gateway" / "rbac.yaml"
OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_SERVICE_ACCOUNT}"


class Cluster:
    """A cluster and how to speak to it as its administrator.

    Parameters
    ----------
    kubeconfig
        The administrator's.
    directory
        An existing folder for other identities' kubeconfigs.
    tools
        The binaries; kubectl is taken from them.
    """

    def __init__(self, kubeconfig: Path, directory: Path, tools: Tools) -> None:
        self.kubeconfig = kubeconfig
        self.directory = directory
        self.tools = tools
        self.kubectl = Kubectl(tools["kubectl"], kubeconfig, directory / "kubectl-cache")

    def apply_crds(self) -> None:
        """Apply the project's CRDs and wait until the API server serves them."""
        apply_crds(self.kubectl)

    def kubeconfig_for(self, name: str, token: str) -> Path:
        """Write a kubeconfig for the bearer `token` and give its path; `name` tells the files apart."""
        shown = self.kubectl("config", "view", "--minify", "--flatten", "--raw", "--output=json").stdout
        cluster = yaml.safe_load(shown)["clusters"][0]["cluster"]
        path = self.directory / f"{name}.kubeconfig"
        write_kubeconfig(path, token_kubeconfig(cluster, token))
        return path

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig for an existing ServiceAccount, good for a day, and give its path."""
        token = self.kubectl(
            "create", "token", name, "--namespace", namespace, "--duration=24h"
        ).stdout.strip()
        return self.kubeconfig_for(f"{namespace}.{name}", token)

    def operator_kubeconfig(self) -> Path:
        """Create the operator's ServiceAccount as our manifests confine it; write its kubeconfig."""
        files = ("namespace.yaml", "rbac.yaml", "confinement.yaml")
        access = [word for file in files for word in ("-f", MANIFESTS / file)]
        self.kubectl("apply", "--server-side", "--force-conflicts", *access)
        return self.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_SERVICE_ACCOUNT)

    def gateway_kubeconfig(self) -> Path:
        """Create the gateway's ServiceAccount with the shipped rights; write its kubeconfig."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS / "namespace.yaml")
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", GATEWAY_RIGHTS)
        return self.service_account_kubeconfig(OPERATOR_NAMESPACE, GATEWAY_SERVICE_ACCOUNT)


def existing_cluster(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Give the kubeconfig of the cluster that the tests are to use instead of the embedded control plane.

    A set ``KUBECONFIG`` alone is no wish to have tests create and delete things there, so it takes
    ``MODEL_OPERATOR_TEST_CLUSTER=existing`` as well.
    """
    if environ.get("MODEL_OPERATOR_TEST_CLUSTER") != "existing":
        return None
    kubeconfig = environ.get("KUBECONFIG")
    if not kubeconfig:
        raise ValueError(
            "MODEL_OPERATOR_TEST_CLUSTER=existing: expected KUBECONFIG to name a file, it is not set."
        )
    return Path(kubeconfig).expanduser().absolute()
