"""Models of the end-to-end tests: the embedding server of ``examples/``, and a client that asks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster import embedding
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

API_VERSION = "modeloperator.dev/v1alpha1"
_POST = """\
import sys, urllib.request
url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
_GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())"
READY_SECONDS = 180.0
MODEL_NAME = "wordllama-l2-supercat-256"
"""The one of the two models in the image that is loaded at once."""


def with_image(obj: Object, image: str) -> Object:
    """Set the image of a template, and give it."""
    path, _, tag = image.rpartition(":")
    registry, _, repository = path.rpartition("/")
    fields = {"registry": registry, "image": repository, "tag": tag}
    obj["spec"]["vendor_configuration"]["bundle_config"] |= fields
    return obj


def template(image: str, name: str = embedding.TEMPLATE) -> Object:
    """Give the example's template with an image."""
    obj = with_image(embedding.template(), image)
    obj["metadata"]["name"] = name
    bundle = obj["spec"]["vendor_configuration"]["bundle_config"]
    # All the way from an endpoint that goes to kube-proxy's rules, on a machine that has other things to do.
    bundle["env"] = {**bundle.get("env", {}), "DRAIN_SECONDS": "10"}
    return obj


def instance(name: str, template_name: str = embedding.TEMPLATE, **parameters: Any) -> Object:
    """Give an instance with other parameters than the smallest ones."""
    given = {"MODEL_NAME": MODEL_NAME, **parameters}
    spec = {"model_template_id": template_name, "model_creation_parameters": given}
    return {"apiVersion": API_VERSION, "kind": "ModelInstance", "metadata": {"name": name}, "spec": spec}


class Models:
    """A namespace with the template, the client's pod, and models.

    Parameters
    ----------
    api
        A client for the namespace.
    kubectl
        As the same user.
    image
        The embedding server's.
    """

    def __init__(self, api: KubeApi, kubectl: Kubectl, image: str) -> None:
        self.api = api
        self.image = image
        self.namespace = api.namespace
        self._kubectl = kubectl

    def kubectl(self, *words: str, check: bool = True, timeout: float = 60) -> str:
        """Run kubectl in the namespace; give all that it says, errors and warnings first."""
        done = self._kubectl("--namespace", self.namespace, *words, check=check, timeout=timeout)
        return done.stderr + done.stdout

    def apply(self, *objects: Object) -> None:
        """Apply objects."""
        for obj in objects:
            self.api.apply(obj)

    def refusal(self, obj: Object) -> str:
        """Give what kubectl says to a person who applies an object that is refused."""
        words = ("--namespace", self.namespace, "apply", "--dry-run=server", "-f", "-")
        while True:
            done = self._kubectl(*words, input=yaml.safe_dump(obj), check=False)
            # On a machine that has other things to do, two seconds may be too few for that.
            if done.returncode == 0 and "the template could not be read again" in done.stderr:
                continue
            assert done.returncode != 0, done.stdout
            return done.stderr

    def start_client(self) -> None:
        """Start the client's pod."""
        self.apply(*embedding.client_objects(self.image))
        self.api.wait_for_condition("Pod", embedding.CLIENT, "Ready", deadline=READY_SECONDS)

    def wait_until_ready(self, name: str, template_generation: int | None = None) -> Object:
        """Wait until an instance is Ready, with a generation of its template, and give it."""

        def arrived() -> Object:
            obj = self.api.wait_for_condition("ModelInstance", name, "Ready", deadline=0)
            if template_generation is not None:
                assert obj["status"]["template"]["generation"] == template_generation
            return obj

        return wait_for(arrived, READY_SECONDS, f"{name} is Ready")

    def url(self, name: str) -> str:
        """Give the address of an instance that serves."""
        url: str = self.api.get("ModelInstance", name)["status"]["url"]
        return url

    def load(self, name: str) -> embedding.Load:
        """Ask a model without a pause, until the end of the context."""
        return embedding.Load(self._kubectl, self.url(name), self.namespace)

    def ask(self, *names: str) -> str:
        """Ask models once, from the client's pod; fails when one does not answer."""
        urls = [self.url(name) for name in names]
        return self.kubectl("exec", embedding.CLIENT, "--", "python", "/scripts/ask.py", *urls)

    def post(self, name: str, path: str, body: Object) -> Object:
        """Send JSON to a model's Service from the client's pod, and give the answer."""
        arguments = (self.url(name) + path, json.dumps(body))
        said = self.kubectl("exec", embedding.CLIENT, "--", "python", "-c", _POST, *arguments)
        answer: Object = json.loads(said)
        return answer

    def get(self, name: str, path: str) -> str:
        """Get text from a model's Service, in the client's pod."""
        arguments = ("python", "-c", _GET, self.url(name) + path)
        return self.kubectl("exec", embedding.CLIENT, "--", *arguments)

    def edit_template(self, name: str = embedding.TEMPLATE, **variables: str) -> int:
        """Set variables in the template's ``env``; give the template's new generation."""
        patch = {"spec": {"vendor_configuration": {"bundle_config": {"env": variables}}}}
        generation: int = self.api.patch("ModelTemplate", name, patch)["metadata"]["generation"]
        return generation

    def pods(self, name: str) -> dict[str, Object]:
        """Give a model's pods by their names."""
        found = self.api.list("Pod", labels=f"modeloperator.dev/instance={name}")
        return {pod["metadata"]["name"]: pod for pod in found}

    def workers(self, name: str) -> set[str]:
        """Give the names of a model's pods that are to stay."""
        pods = self.pods(name).items()
        return {pod for pod, obj in pods if "deletionTimestamp" not in obj["metadata"]}

    def condition(self, name: str, condition: str = "Ready") -> Mapping[str, Any]:
        """Give a condition of an instance."""
        return self.api.condition("ModelInstance", name, condition)
