"""The kubectl of the tools, bound to one kubeconfig."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

CRDS = REPOSITORY / "crds"


class KubectlError(Exception):
    """kubectl failed; the message holds the command line and what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """Call it with kubectl's arguments: ``kubectl("get", "pods", "--namespace", "team-a")``.

    Relative paths in the arguments are relative to the repository's root.

    Parameters
    ----------
    binary
        The program.
    kubeconfig
        Whom it speaks to, and as whom.
    cache
        Where it remembers what the cluster serves; its default is below the user's home.
    """

    binary: Path
    kubeconfig: Path
    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which kubectl runs."""
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.cache)}

    def __call__(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 -- named as in subprocess.run
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl and give the finished process with its output as text.

        Parameters
        ----------
        arguments
            As on the command line.
        input
            What it reads on standard input, as for ``apply -f -``.
        check
            Whether a failure is an error here.
        timeout
            In seconds.

        Raises
        ------
        KubectlError
            When kubectl fails and `check` holds, or when it takes longer than `timeout`.
        """
        shown = "kubectl " + shlex.join(map(str, arguments))
        try:
            done = subprocess.run(
                [self.binary, *arguments],
                cwd=REPOSITORY,
                env=self.environment,
                input=input if input is not None else "",
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"`{shown}` did not end within {timeout:g} s.") from None
        if check and done.returncode != 0:
            raise KubectlError(f"`{shown}` ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


def apply_crds(kubectl: Kubectl) -> None:
    """Apply the project's CRDs and wait until the API server serves them."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", CRDS)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
