"""Writers of instances: people, service accounts, Flux, each with kubectl in a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl

ARGOCD = "system:serviceaccount:argocd:argocd-application-controller"
FLUX = "system:serviceaccount:flux-system:kustomize-controller"


@dataclass(frozen=True)
class Writer:
    """Somebody with kubectl.

    Attributes
    ----------
    user
        Whom the API server takes them for; all rights are given.
    """

    kubectl: Kubectl
    namespace: str
    user: str

    def run(
        self, *words: str, objects: Iterable[Object] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with objects on its standard input."""
        identity = ("--as", self.user, "--as-group", "system:masters")
        given = yaml.safe_dump_all(objects, sort_keys=False)
        return self.kubectl("--namespace", self.namespace, *identity, *words, input=given, check=check)

    def says(self, *words: str, objects: Iterable[Object] = ()) -> str:
        """Run kubectl and give all that it says, errors and warnings first."""
        done = self.run(*words, objects=objects, check=False)
        return done.stderr + done.stdout
