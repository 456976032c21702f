"""The embedding server of ``examples/`` on a real node: its image, its manifests, and a client in a pod."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Self

from tests.cluster.examples import Example
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kubectl import Kubectl

SERVER = Example("embedding-server")
TEMPLATE = "embedding-server"
CLIENT = "client"
LOAD_SECONDS = 600.0


def template() -> dict[str, Any]:
    """Read the template of the example."""
    return SERVER.template(TEMPLATE)


def client_objects(image: str) -> list[dict[str, Any]]:
    """Give a pod that can ask models from inside the cluster: it has the image's Python and our scripts."""
    folder = REPOSITORY / "tests" / "cluster" / "client"
    scripts = {path.name: path.read_text() for path in sorted(folder.glob("*.py"))}
    container = {
        "name": CLIENT,
        "image": image,
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "scripts", "configMap": {"name": CLIENT}}],
        "terminationGracePeriodSeconds": 0,
    }
    metadata = {"name": CLIENT}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": scripts},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
    ]


def broken_templates() -> Iterator[dict[str, Any]]:
    """Yield templates after the example's, each with one fault, and of each an instance of the same name."""
    faults: dict[str, dict[str, dict[str, Any]]] = {
        "missing-image": {"bundle_config": {"tag": "no-such-tag"}},
        "crashing": {"bundle_config": {"env": {"PORT": "http"}}},
        "small-memory": {"endpoint_config": {"memory": "40Mi"}},
    }
    for name, fault in faults.items():
        broken = template()
        broken["metadata"]["name"] = name
        configuration = broken["spec"]["vendor_configuration"]
        for part, fields in fault.items():
            configuration[part] |= fields
        # Too little for all three beside the models is not what these are to show.
        configuration["endpoint_config"] |= {"cpus": "50m"}
        parameters = {"MODEL_NAME": "all-MiniLM-L6-v2"}
        spec = {"model_template_id": name, "model_creation_parameters": parameters}
        yield broken
        yield {
            "apiVersion": broken["apiVersion"],
            "kind": "ModelInstance",
            "metadata": {"name": name},
            "spec": spec,
        }


class Load:
    """Requests without a pause from the client's pod; a context manager that stops them.

    Parameters
    ----------
    kubectl
        Of the cluster that has the client.
    url
        The model's.
    namespace
        The client's.
    """

    def __init__(self, kubectl: Kubectl, url: str, namespace: str = "default") -> None:
        where = ("--namespace", namespace, "--stdin", CLIENT)
        command = ("exec", *where, "--", "python", "/scripts/load.py", url)
        self._process = subprocess.Popen(
            [kubectl.binary, *command],
            env=kubectl.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._wait_for_start()

    def _wait_for_start(self) -> None:
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first == "asking\n", first + self._process.stdout.read()

    def stop(self) -> tuple[int, str]:
        """Stop asking; give the exit status, 0 when no request failed, and what was printed."""
        output, _ = self._process.communicate(timeout=LOAD_SECONDS)
        return self._process.returncode, output.strip()

    def __enter__(self) -> Self:
        """Give the load itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the requests if they still run."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
