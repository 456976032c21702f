"""The definitions on a real API server: what it accepts, refuses, fills in, merges and shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.api import API_VERSION
from tests.examples.crds.cases import Case, load

if TYPE_CHECKING:
    import subprocess

    from tests.cluster.kubectl import Kubectl

KINDS = (
    "modeltemplates",
    "clustermodeltemplates",
    "modelinstances",
    "modeltemplaterevisions",
    "clustermodeltemplaterevisions",
)


def instance(name: str, **spec: Any) -> str:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ModelInstance",
        "metadata": {"name": name},
        "spec": {"model_template_id": "embeddings"} | spec,
    }
    return yaml.safe_dump(manifest)


def template(name: str) -> str:
    case = next(case for case in load("valid") if case.object["kind"] == "ModelTemplate")
    return yaml.safe_dump(case.object | {"metadata": {"name": name}})


class User:
    """Somebody with kubectl in a namespace."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl = kubectl
        self._namespace = namespace

    def run(
        self, *arguments: str, given: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self._kubectl("--namespace", self._namespace, *arguments, input=given, check=check)

    def apply(self, manifest: str, *, manager: str = "user") -> str:
        """Apply on the server and return what kubectl says."""
        return self.run(
            "apply", "--server-side", f"--field-manager={manager}", "-f", "-", given=manifest
        ).stdout

    def refused(self, *arguments: str, given: str | None = None) -> str:
        done = self.run(*arguments, given=given, check=False)
        assert done.returncode != 0, f"accepted: {done.stdout}"
        return done.stderr

    def get(self, name: str, resource: str = "modelinstance") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("get", resource, name, "-o", "json").stdout)
        return found

    def set_status(self, name: str, status: dict[str, Any], resource: str = "modelinstance") -> None:
        patch = json.dumps({"status": status})
        self.run("patch", resource, name, "--subresource=status", "--type=merge", f"--patch={patch}")


@pytest.fixture
def user(kubectl: Kubectl, private_namespace: str) -> User:
    """Somebody in a namespace of their own, in which nothing but the test writes."""
    return User(kubectl, private_namespace)


@pytest.fixture
def visitor(kubectl: Kubectl) -> User:
    """Somebody who leaves nothing behind."""
    return User(kubectl, "default")


@pytest.mark.parametrize("plural", KINDS)
def test_server_takes_the_definition_without_reservation(visitor: User, plural: str) -> None:
    definition = visitor.get(f"{plural}.modeloperator.dev", "crd")

    conditions = {entry["type"]: entry["status"] for entry in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}, (
        "NonStructuralSchema is reported here"
    )


def test_server_warns_of_nothing(visitor: User) -> None:
    done = visitor.run("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "crds")

    assert done.stderr == ""


@pytest.mark.parametrize("case", load("valid"), ids=str)
def test_accepted(visitor: User, case: Case) -> None:
    done = visitor.run("create", "--dry-run=server", "-o", "json", "-f", "-", given=json.dumps(case.object))

    assert done.stderr == "", "a warning"
    assert is_part_of(case.object["spec"], json.loads(done.stdout)["spec"]), (
        "something given was lost or changed"
    )


@pytest.mark.parametrize("case", load("invalid"), ids=str)
def test_refused(visitor: User, case: Case) -> None:
    said = visitor.refused("create", "--dry-run=server", "-f", "-", given=json.dumps(case.object))

    # Kubernetes 1.30 words it otherwise.
    said = re.sub(r"may not be longer than (\d+)", r"may not be more than \1 bytes", said)
    errors = re.split(r"\n\* |is invalid: ", said.strip())[1:]
    about_the_field = [error for error in errors if error.startswith(f"{case.path}: ")]
    assert about_the_field, f"nothing about {case.path} in: {said}"
    assert any(case.message in error for error in about_the_field), said


@pytest.mark.parametrize(
    "path", ["number", "template/generation", "template_spec/model_type", "template_spec/of_a_later_version"]
)
def test_revision_cannot_be_changed(user: User, path: str) -> None:
    """Also not where the schema declares no fields."""
    revision = _revision_object()
    user.apply(yaml.safe_dump(revision))
    changed = json.loads(json.dumps(revision))
    *parents, last = path.split("/")
    target = changed["spec"]
    for each in parents:
        target = target[each]
    target[last] = "RERANKING" if last == "model_type" else 99

    said = user.refused("replace", "-f", "-", given=json.dumps(changed))

    assert "a revision cannot be changed; its name is the hash of its content" in said
    labels = {"metadata": {**revision["metadata"], "labels": {"team": "a"}}}
    user.apply(yaml.safe_dump(revision | labels), manager="another")


def test_unknown_field_is_refused_rather_than_dropped(visitor: User) -> None:
    said = visitor.refused("apply", "-f", "-", given=instance("example", model_tempalte_id="typo"))

    assert 'unknown field "spec.model_tempalte_id"' in said


def test_name_may_be_left_to_the_server(visitor: User) -> None:
    manifest = yaml.safe_load(instance("")) | {"metadata": {"generateName": "example-"}}

    created = visitor.run(
        "create", "--dry-run=server", "-o", "name", "-f", "-", given=json.dumps(manifest)
    ).stdout

    assert created.startswith("modelinstance.modeloperator.dev/example-")


@pytest.mark.parametrize(
    ("before", "after"),
    [("acme", "other"), ("acme", None), (None, "acme")],
    ids=["changed", "removed", "added"],
)
def test_account_is_for_ever(user: User, before: str | None, after: str | None) -> None:
    user.apply(instance("example", **({"account_id": before} if before else {})))

    patch = json.dumps({"spec": {"account_id": after}})
    said = user.refused("patch", "modelinstance", "example", "--type=merge", f"--patch={patch}")

    assert "spec.account_id: Forbidden: " in said
    assert "account_id cannot be changed, added or removed; create a new instance instead" in said


def test_the_rest_changes_beside_the_account(user: User) -> None:
    user.apply(instance("example", account_id="acme"))
    user.apply(instance("example", account_id="acme", description="new"))

    assert user.get("example")["spec"]["description"] == "new"


def test_no_deployments_are_not_the_default_deployment(user: User) -> None:
    user.apply(instance("example", deployments=[]))
    assert user.get("example")["spec"]["deployments"] == []

    user.apply(instance("example", deployments=[{"name": "blue"}, {"name": "green"}]))
    user.apply(instance("example", deployments=[]))
    assert user.get("example")["spec"]["deployments"] == []

    user.apply(instance("example"))
    assert "deployments" not in user.get("example")["spec"]


def test_applying_twice_changes_nothing(user: User) -> None:
    for resource, manifest in {
        "modeltemplate": template("example"),
        "modelinstance": instance("example", model_creation_parameters={"A": 1.0, "B": [None, {}]}),
    }.items():
        user.apply(manifest)
        # Until somebody writes the status, its default is not stored, and the next write stores it.
        user.set_status("example", {"observedGeneration": 1}, resource)
        before = user.get("example", resource)
        user.apply(manifest)
        assert user.get("example", resource) == before


def test_defaults_of_a_template(user: User) -> None:
    user.apply(template("example"))

    found = user.get("example", "modeltemplate")

    assert found["spec"]["endpoint_type"] == "SYNC"
    assert found["spec"]["vendor_configuration"]["vendor"] == "LAUNCH"
    assert found["spec"]["vendor_configuration"]["endpoint_config"] == {"min_workers": 1, "per_worker": 10}
    assert found["status"] == {"observedGeneration": -1}


def test_nobody_waits_for_a_status_of_an_earlier_generation(user: User) -> None:
    user.apply(instance("example"))

    found = user.get("example")

    assert found["status"] == {"observedGeneration": -1}
    assert found["metadata"]["generation"] == 1


def test_user_cannot_write_the_status(user: User) -> None:
    user.apply(instance("example"))
    user.run(
        "patch", "modelinstance", "example", "--type=merge", '--patch={"status": {"url": "http://elsewhere"}}'
    )

    assert "url" not in user.get("example")["status"]


def test_status_keeps_everything_that_the_operator_reports(user: User) -> None:
    status = {
        "observedGeneration": 1,
        "conditions": [ready("False", "InvalidParameters", "A must be a string.")],
        "id": "0b6b1f6c-7bd5-4f3d-8d1c-8f2f9a2f7d10",
        "created_at": "2026-01-02T03:04:05Z",
        "created_by_user_id": "system:serviceaccount:team:deployer",
        "created_by_identity_type": "service_account",
        "account_id": "acme",
        "request_schema": {"type": "object", "properties": {"texts": {"type": "array"}}},
        "response_schema": {"type": "object", "additionalProperties": False},
        "supports_multi_turn": False,
        "deployment_count": 1,
        "deployments": [
            {
                "name": "example",
                "status": "UPDATE_IN_PROGRESS",
                "replicas": 2,
                "ready_replicas": 1,
                "url": "http://example.team.svc",
                "message": "Waiting for a worker.",
            }
        ],
        "template": {"kind": "ModelTemplate", "name": "embeddings", "uid": "u", "generation": 3},
        "validation_errors": [
            {"loc": ["spec", "deployments", 0, "name"], "msg": "required field is missing", "type": "missing"}
        ],
        "url": "http://example.team.svc",
        "replicas": 2,
        "ready_replicas": 1,
        "selector": "modeloperator.dev/instance=example",
    }
    user.apply(instance("example"))
    user.set_status("example", status)

    assert user.get("example")["status"] == status


def test_scale_writes_replicas(user: User) -> None:
    user.apply(instance("example"))
    user.set_status("example", {"replicas": 1, "selector": "modeloperator.dev/instance=example"})

    user.run("scale", "modelinstance", "example", "--replicas=3")

    scale = json.loads(
        user.run("get", "modelinstance", "example", "--subresource=scale", "-o", "json").stdout
    )
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 1, "selector": "modeloperator.dev/instance=example"}
    assert user.get("example")["spec"]["replicas"] == 3


def test_scale_is_refused_where_deployments_say_it(user: User) -> None:
    user.apply(instance("example", deployments=[{"name": "blue"}]))

    said = user.refused("scale", "modelinstance", "example", "--replicas=3")

    assert "replicas cannot be given together with deployments" in said


def test_kubectl_shows_whether_an_instance_is_up(user: User) -> None:
    user.apply(instance("example"))
    user.set_status(
        "example",
        {
            "conditions": [ready("False", "Deploying", "Waiting.")],
            "replicas": 2,
            "ready_replicas": 1,
            "url": "http://example.team.svc",
            # The instance may have the template's uid, as clients of the REST API give it.
            "template": {"kind": "ModelTemplate", "name": "found", "uid": "42", "generation": 1},
        },
    )

    header, row = user.run("get", "mi").stdout.splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "TEMPLATE", "SERVING", "WORKERS", "URL", "AGE"]
    assert row.split()[:7] == [
        "example",
        "False",
        "Deploying",
        "found",
        "1",
        "2",
        "http://example.team.svc",
    ]

    header = user.run("get", "mi", "-o", "wide").stdout.splitlines()[0]
    assert header.split()[-5:] == ["URL", "AGE", "REVISION", "UP-TO-DATE", "MESSAGE"]


def test_kubectl_shows_whether_a_template_is_usable(user: User) -> None:
    user.apply(template("example"))
    status = {
        "conditions": [ready("True", "Valid", "It is.")],
        "instance_count": 4,
        "updated_instance_count": 3,
        "latest_revision": "3f9a1c0b7d42",
        "rollout": {
            "revision": "3f9a1c0b7d42",
            "state": "AWAITING_APPROVAL",
            "step": "canary",
            "started_at": "2026-01-01T00:00:00Z",
            **dict.fromkeys(("instances", "arrived", "moving", "failed", "waiting", "pinned"), 0),
        },
    }
    user.set_status("example", status, "modeltemplate")

    header, row = user.run("get", "mt").stdout.splitlines()
    columns = ["NAME", "READY", "REASON", "TYPE", "INSTANCES", "UPDATED", "ROLLOUT", "STEP", "AGE"]
    assert header.split() == columns
    shown = ["example", "True", "Valid", "EMBEDDING", "4", "3", "AWAITING_APPROVAL", "canary"]
    assert row.split()[:8] == shown
    assert len(header) <= 100

    header, row = user.run("get", "mt", "-o", "wide").stdout.splitlines()
    assert header.split()[-5:] == ["REVISION", "IMAGE", "TAG", "ENDPOINT", "MESSAGE"]
    assert "3f9a1c0b7d42" in row


def test_one_word_lists_all_kinds(user: User) -> None:
    user.apply(template("example"))
    user.apply(instance("example"))
    user.apply(yaml.safe_dump(_revision_object()))

    listed = user.run("get", "models", "-o", "name").stdout

    assert "modeltemplate.modeloperator.dev/example" in listed
    assert "modelinstance.modeloperator.dev/example" in listed
    assert "revision" not in listed


def _revision_object() -> Any:
    """Give a valid revision of a ModelTemplate."""
    case = next(case for case in load("valid") if case.it == "says which template it was made of")
    revision = json.loads(json.dumps(case.object)) | {"kind": "ModelTemplateRevision"}
    revision["spec"]["template"]["kind"] = "ModelTemplate"
    return revision


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("modelinstance.spec", "model_template_id"),
        ("modelinstance.spec.base_model_metadata", "modelDetails"),
        ("modeltemplate.spec.vendor_configuration.bundle_config.port", "in `pod_template`, else 5005"),
        ("clustermodeltemplate.spec.pod_template.spec", "PodSpec"),
        ("modelinstance.status.template", "generation"),
    ],
)
def test_kubectl_explains(visitor: User, path: str, shown: str) -> None:
    explained = visitor.run("explain", path).stdout

    assert shown in " ".join(explained.split())  # kubectl breaks the lines
    assert "<no description>" not in explained.partition("FIELDS:")[2]


def ready(status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }


def is_part_of(given: Any, found: Any) -> bool:
    """Whether everything given is found; the server may have added defaults."""
    if isinstance(given, dict):
        return isinstance(found, dict) and all(
            name in found and is_part_of(value, found[name]) for name, value in given.items()
        )
    return bool(given == found)
