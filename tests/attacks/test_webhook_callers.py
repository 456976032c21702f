"""What is learnt from the webhooks by somebody whom the API server has not sent."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.build.toolset import cached_tools
from tests.attacks.strangers import Stranger
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.scrape import by
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import (
    TOKEN,
    webhook_configurations,
    webhook_environment,
    write_certificate,
    write_client,
)
from tests.examples.objects import instance, template
from tests.examples.reviews import review, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.admission import Admission
    from tests.fixtures.cluster import PrivateOperator

PATHS = {
    "ModelTemplate": "/validate-modeltemplate",
    "ModelInstance": "/validate-modelinstance",
}
SECRET_VALUE = "s3cr3t-model"
WRONG = {"MODEL_NAME": 7}


def edits(live: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield edits of a template that make its instances invalid, or not, depending on their values."""
    for pattern in ("^s", "^x", "^s3", SECRET_VALUE, "."):
        new = json.loads(json.dumps(live))
        properties = new["spec"]["model_creation_parameters_schema"]["properties"]
        properties["MODEL_NAME"] = {"type": "string", "pattern": pattern}
        new["metadata"]["generation"] += 1
        yield pattern, new


def test_without_the_token_every_path_is_unknown_alike(admission: Admission) -> None:
    stranger = Stranger(admission.port, admission.certificates / "ca.crt")
    asked = json.dumps(review(stored(instance(), admission.api.namespace))).encode()
    paths = [
        "/",
        "/validate-modelinstance",
        "/nothing",
        f"/{TOKEN}",
        f"/{TOKEN}/nothing",
        f"/{TOKEN[:-1]}/validate-modelinstance",
        f"/{TOKEN}/../validate-modelinstance",
        f"/%30{TOKEN[1:]}/validate-modelinstance",
        *(f"/{secrets.token_hex(32)}/validate-modelinstance" for _ in range(5)),
    ]
    assert {stranger.send(path, asked) for path in paths} == {(404, b"not found\n")}
    assert stranger.send(f"/{TOKEN}/validate-modelinstance", asked)[0] == 200
    assert admission.operator is not None
    page = admission.operator.metrics()
    assert TOKEN not in page
    assert TOKEN not in admission.log.read_text()


def test_values_are_not_read_by_edits_of_their_template(
    private_operator: PrivateOperator, private_api: KubeApi, tmp_path: Path
) -> None:
    """The operator reads somebody else's certificate, and no token is set up."""
    authority = write_certificate(tmp_path)
    (port,) = free_ports(1)
    environment = webhook_environment(port, tmp_path)
    del environment["MODEL_OPERATOR_ADMISSION__TOKEN_FILE"]
    private_api.create(template())
    private_api.create(instance(model_creation_parameters={"MODEL_NAME": SECRET_VALUE}))
    operator = private_operator(environment=environment)
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready")
    (tmp_path / "ca.crt").write_bytes(authority)
    stranger = Stranger(port, tmp_path / "ca.crt")
    live = private_api.get("ModelTemplate", "encoder")
    before = by(operator, "api_requests_total", "resource", verb="get")

    for _, new in edits(live):
        answer = stranger.ask(PATHS["ModelTemplate"], review(new, live))
        assert answer == {"uid": answer["uid"], "allowed": True}
    rolled = {**live, "spec": {**live["spec"], "description": "x"}}
    rolled["spec"]["vendor_configuration"] = template(image="example.com/other")["spec"][
        "vendor_configuration"
    ]
    for name in ("encoder", "missing", live["metadata"]["uid"]):
        for values in (WRONG, {"MODEL_NAME": "m"}):
            asked = instance("probe", model_template_id=name, model_creation_parameters=values)
            answer = stranger.ask(PATHS["ModelInstance"], review(stored(asked, private_api.namespace)))
            assert answer == {"uid": answer["uid"], "allowed": True}
    # What is wrong in itself is told, in a namespace that the operator serves as in any other.
    told = {
        json.dumps(stranger.ask(PATHS["ModelInstance"], review(stored(instance(replicas=-1), namespace))))
        for namespace in (private_api.namespace, "somewhere-else")
    }
    assert len(told) == 1
    assert "spec.replicas" in told.pop()
    assert by(operator, "api_requests_total", "resource", verb="get") == before, (
        "nothing is read for a stranger"
    )


def test_api_server_is_told_what_strangers_are_not(admission: Admission) -> None:
    """The same questions, asked by an edit: otherwise the tests above would show nothing."""
    api = admission.api
    api.create(template("told"))
    api.create(
        instance("told", model_template_id="told", model_creation_parameters={"MODEL_NAME": SECRET_VALUE})
    )
    stranger = Stranger(admission.port, admission.certificates / "ca.crt")

    def told() -> bool:
        live = api.get("ModelTemplate", "told")
        warned = {
            pattern: "warnings" in stranger.ask(f"/{TOKEN}{PATHS['ModelTemplate']}", review(new, live))
            for pattern, new in edits(live)
        }
        return warned == {"^s": False, "^x": True, "^s3": False, SECRET_VALUE: False, ".": False}

    wait_for(told, message="the operator knows the instance")


@contextmanager
def with_client_certificates(folder: Path) -> Iterator[ControlPlane]:
    """Give a control plane whose API server shows a client certificate to webhooks."""
    write_client(folder)
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [
            {
                "name": "*",
                "user": {
                    "client-certificate": str(folder / "client.crt"),
                    "client-key": str(folder / "client.key"),
                },
            }
        ],
    }
    (folder / "webhooks.kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(folder / "webhooks.kubeconfig"),
    }
    plugins = [
        {"name": f"{kind}AdmissionWebhook", "configuration": configuration}
        for kind in ("Validating", "Mutating")
    ]
    config = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": plugins,
    }
    (folder / "admission.yaml").write_text(yaml.safe_dump(config))
    with ControlPlane.start(bare=True, admission_config=folder / "admission.yaml") as cluster:
        yield cluster


def test_client_certificate_of_the_api_server_is_enough_and_takes_no_path(tmp_path: Path) -> None:
    if cached_tools() is None:
        pytest.fail("the control plane's tools are not built yet: run `make tools`.")
    authority = write_certificate(tmp_path)
    (port,) = free_ports(1)
    environment = webhook_environment(port, tmp_path)
    del environment["MODEL_OPERATOR_ADMISSION__TOKEN_FILE"]
    environment["MODEL_OPERATOR_ADMISSION__CLIENT_CA_FILE"] = str(tmp_path / "client-ca.crt")
    with with_client_certificates(tmp_path) as cluster:
        api = KubeApi(cluster.kubeconfig)
        for configuration in webhook_configurations(port, authority):
            for webhook in configuration["webhooks"]:
                config = webhook["clientConfig"]
                config["url"] = config["url"].replace(f"/{TOKEN}/", "/")
            api.create(configuration)
        kubeconfig = cluster.operator_kubeconfig()
        with OperatorProcess.start(kubeconfig, log=tmp_path / "operator.log", environment=environment):
            api.create(template())

            def is_judged() -> bool:
                try:
                    api.create(instance(model_creation_parameters=WRONG), dry_run=True)
                except KubeApiError as error:
                    return error.code == 422
                return False

            # Against the template: the API server is authenticated.
            wait_for(is_judged, message="the API server is let in")
            stranger = Stranger(port, tmp_path / "ca.crt")
            with pytest.raises(OSError):  # noqa: PT011 -- an alert of TLS, or a connection that is cut off
                stranger.ask(PATHS["ModelInstance"], review(stored(instance(), "default")))
        api.close()
