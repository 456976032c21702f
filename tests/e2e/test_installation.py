"""One apply installs the operator; it then answers at once, and its pods are what a security review wants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cluster.cluster import OPERATOR_SERVICE_ACCOUNT
from tests.e2e.conftest import SERVING
from tests.e2e.installation import REPLICAS, is_ready
from tests.e2e.models import instance, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi
    from tests.e2e.installation import Installation
    from tests.e2e.models import Models

REFUSED = (
    'The ModelInstance "wrong" is invalid: '
    "spec.model_creation_parameters.BATCH_SIZE: must be <= 16, got a larger number\n"
)
UNDECLARED = (
    'The ModelTemplate "wrong" is invalid: '
    "spec.vendor_configuration.bundle_config.tag: $(parameters.VERSION) refers to a parameter that is not "
    "declared; declare it in model_creation_parameters_schema\n"
)
PROBE = """
import json, os, pathlib
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/1/status").read_text().splitlines())
try:
    pathlib.Path("/app/written").touch()
    wrote = "it"
except OSError as error:
    wrote = os.strerror(error.errno)
shown = {name: status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
print(json.dumps(shown | {"wrote": wrote, "ids": sorted({*status["Uid"].split(), *status["Gid"].split()})}))
"""


def test_wrong_instance_is_refused_right_after_the_installation(installation: Installation) -> None:
    assert installation.first_said == (f"{REFUSED}modeltemplate.modeloperator.dev/embedding-server created\n")


def test_two_replicas_run_as_the_service_account_with_no_privileges(whole: Installation) -> None:
    pods = whole.pods()
    assert len(pods) == REPLICAS
    for pod in pods:
        assert is_ready(pod)
        assert pod["spec"]["serviceAccountName"] == OPERATOR_SERVICE_ACCOUNT
        assert json.loads(whole.exec(pod["metadata"]["name"], PROBE)) == {
            "CapEff": "0000000000000000",
            "CapBnd": "0000000000000000",
            "NoNewPrivs": "1",
            "Seccomp": "2",
            "wrote": "Read-only file system",
            "ids": ["65532"],
        }


def test_applying_it_again_changes_nothing(whole: Installation) -> None:
    pods = whole.pod_names()
    assert whole.differences() == ""
    whole.apply()
    whole.wait_until_rolled_out()
    assert whole.pod_names() == pods


def test_refusals_name_the_field(models: Models) -> None:
    assert models.refusal(instance("wrong", BATCH_SIZE=99)) == REFUSED
    wrong = template(models.image, "wrong")
    wrong["spec"]["vendor_configuration"]["bundle_config"]["tag"] = "$(parameters.VERSION)"
    assert models.refusal(wrong) == UNDECLARED
    assert models.api.find("ModelInstance", "wrong") is None
    assert models.api.find("ModelTemplate", "wrong") is None


def test_creator_is_written_down(models: Models, cluster_api: KubeApi) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    me = cluster_api.request("POST", path, body=review)["status"]["userInfo"]["username"]
    annotations = models.api.get("ModelInstance", SERVING)["metadata"]["annotations"]
    assert annotations["modeloperator.dev/created-by-user-id"] == me


def test_model_answers_through_its_service(models: Models) -> None:
    assert "256 dimensions" in models.ask(SERVING)
