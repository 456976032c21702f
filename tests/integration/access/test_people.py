"""What the built-in roles view, edit and admin allow with our resources, asked of the API server itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.api import GROUP
from tests.cluster.cluster import MANIFESTS
from tests.cluster.waiting import wait_for
from tests.docs.blocks import blocks
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
INSTANCES, TEMPLATES, REVISIONS, CLUSTER_TEMPLATES, CLUSTER_REVISIONS = RESOURCES = tuple(
    f"{plural}.{GROUP}"
    for plural in (
        "modelinstances",
        "modeltemplates",
        "modeltemplaterevisions",
        "clustermodeltemplates",
        "clustermodeltemplaterevisions",
    )
)
OF_THE_CLUSTER = (CLUSTER_TEMPLATES, CLUSTER_REVISIONS)
SUBRESOURCES = tuple(
    f"{resource}/{part}" for resource in RESOURCES for part in ("scale", "status", "finalizers")
)


def _verbs(resource: str, verbs: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(resource, verb) for verb in verbs}


def _verbs_of_cluster(verbs: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(resource, verb) for resource in OF_THE_CLUSTER for verb in verbs}


SCALE = f"{INSTANCES}/scale"
VIEW = _verbs(INSTANCES, READ) | _verbs(TEMPLATES, READ) | _verbs(REVISIONS, READ) | _verbs(SCALE, ("get",))
EDIT = VIEW | _verbs(INSTANCES, WRITE) | _verbs(SCALE, ("update", "patch"))
ADMIN = EDIT | _verbs(TEMPLATES, WRITE) | _verbs(REVISIONS, WRITE)
ALLOWED = {"view": VIEW, "edit": EDIT, "admin": ADMIN}
CLUSTER_WIDE = {
    **{role: rights | _verbs_of_cluster(READ) for role, rights in ALLOWED.items()},
    "model-operator-cluster-templates-view": _verbs_of_cluster(READ),
    "model-operator-cluster-templates-edit": _verbs_of_cluster(READ + WRITE),
}


@dataclass(frozen=True)
class Person:
    """Somebody with kubectl and nothing but what a role gives."""

    kubectl: Kubectl
    namespace: str
    name: str

    def run(self, *words: str, objects: tuple[Object, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run kubectl as this person."""
        given = yaml.safe_dump_all(objects)
        return self.kubectl(
            "--namespace", self.namespace, "--as", self.name, *words, input=given, check=False
        )

    def may(self, verb: str, resource: str) -> bool:
        """Ask the API server."""
        kind, _, subresource = resource.partition("/")
        extra = ["--subresource", subresource] if subresource else []
        if kind in OF_THE_CLUSTER:
            # Asked for a namespace, the API server says what a role there has on them, which never counts.
            extra.append("--all-namespaces")
        return self.run("auth", "can-i", verb, kind, *extra).stdout.strip() == "yes"


def _rights(api: KubeApi, person: Person) -> set[tuple[str, str]]:
    """Give everything about our resources that the API server allows somebody; kubectl asks the same."""
    asked = [
        *((resource, verb) for resource in RESOURCES for verb in READ + WRITE),
        *((part, verb) for part in SUBRESOURCES for verb in ("get", "update", "patch")),
    ]
    return {(resource, verb) for resource, verb in asked if _is_allowed(api, person, verb, resource)}


def _is_allowed(api: KubeApi, person: Person, verb: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    asked = "/".join(filter(None, (name.partition(".")[0], subresource)))
    namespace = "" if name in OF_THE_CLUSTER else person.namespace
    return api.is_allowed(person.name, verb, asked, group=GROUP, namespace=namespace)


@pytest.fixture(scope="module")
def _aggregated(kubectl: Kubectl, cluster_api: KubeApi) -> None:
    """Have the shipped roles in the cluster, and wait until the built-in ones have their part."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS / "people.yaml")
    for role, rights in ALLOWED.items():

        def aggregated(role: str = role, wanted: set[tuple[str, str]] = rights) -> bool:
            return wanted <= _granted(cluster_api.get("ClusterRole", role))

        wait_for(aggregated, message=f"{role} is aggregated")


def _granted(role: Object) -> set[tuple[str, str]]:
    """Give what a ClusterRole says about our resources."""
    return {
        (_qualified(resource), verb)
        for rule in role["rules"]
        if rule.get("apiGroups") == [GROUP]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _qualified(resource: str) -> str:
    """Name a resource, or its part, as kubectl takes it."""
    plural, slash, part = resource.partition("/")
    return f"{plural}.{GROUP}{slash}{part}"


@pytest.fixture
def bound(kubectl: Kubectl, cluster_api: KubeApi, api: KubeApi) -> Iterator[_Binder]:
    """Give people roles, until the test ends."""
    binder = _Binder(kubectl, cluster_api, api)
    yield binder
    for name in binder.cluster_bindings:
        cluster_api.delete("ClusterRoleBinding", name)


class _Binder:
    def __init__(self, kubectl: Kubectl, cluster_api: KubeApi, api: KubeApi) -> None:
        self._kubectl, self._cluster_api, self._api = kubectl, cluster_api, api
        self.cluster_bindings: list[str] = []

    def __call__(self, role: str, *, everywhere: bool = False) -> Person:
        """Bind a ClusterRole in the test's namespace or everywhere, and wait until it counts."""
        name = f"{role}-{self._api.namespace}"
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        kind = "ClusterRoleBinding" if everywhere else "RoleBinding"
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "roleRef": reference,
            "subjects": [subject],
        }
        (self._cluster_api if everywhere else self._api).create(binding)
        if everywhere:
            self.cluster_bindings.append(name)
        person = Person(self._kubectl, self._api.namespace, name)
        resource = CLUSTER_TEMPLATES if everywhere else INSTANCES
        wait_for(lambda: person.may("get", resource), message=f"{name} may get {resource}")
        return person


@pytest.mark.usefixtures("_aggregated")
@pytest.mark.parametrize("role", ALLOWED)
def test_role_in_a_namespace(bound: _Binder, api: KubeApi, role: str) -> None:
    assert _rights(api, bound(role)) == ALLOWED[role]


@pytest.mark.usefixtures("_aggregated")
@pytest.mark.parametrize("role", ["admin", *(name for name in CLUSTER_WIDE if name.startswith("model"))])
def test_role_in_the_whole_cluster(bound: _Binder, api: KubeApi, role: str) -> None:
    assert _rights(api, bound(role, everywhere=True)) == CLUSTER_WIDE[role]


@pytest.mark.usefixtures("_aggregated")
def test_kubectl_auth_can_i(bound: _Binder) -> None:
    people = {role: bound(role) for role in ALLOWED}
    questions = [
        ("get", TEMPLATES, {"view", "edit", "admin"}),
        ("create", INSTANCES, {"edit", "admin"}),
        ("patch", SCALE, {"edit", "admin"}),
        ("create", TEMPLATES, {"admin"}),
        ("create", REVISIONS, {"admin"}),
        ("create", CLUSTER_TEMPLATES, set()),
        ("create", CLUSTER_REVISIONS, set()),
        ("patch", f"{INSTANCES}/status", set()),
        ("update", f"{TEMPLATES}/status", set()),
    ]

    for verb, resource, who in questions:
        allowed = {role for role, person in people.items() if person.may(verb, resource)}
        assert allowed == who, f"{verb} {resource}"


@pytest.mark.usefixtures("_aggregated")
def test_editors_call_models_where_the_gateway_is_installed(
    bound: _Binder, kubectl: Kubectl, api: KubeApi
) -> None:
    people = {role: bound(role) for role in ALLOWED}

    def callers() -> set[str]:
        return {
            role for role, one in people.items() if _is_allowed(api, one, "create", f"{INSTANCES}/execute")
        }

    assert callers() == set()
    kubectl("apply", "-f", MANIFESTS.parent / "gateway" / "people.yaml")
    try:
        wait_for(lambda: callers() == {"edit", "admin"}, message="edit and admin call models")
    finally:
        kubectl("delete", "-f", MANIFESTS.parent / "gateway" / "people.yaml")


def test_a_program_gets_a_token_for_the_rest_api(kubectl: Kubectl, cluster: Cluster, api: KubeApi) -> None:
    mark = "tested by: tests/integration/access/test_people.py"
    page = (MANIFESTS.parents[1] / "docs" / "operations.md").read_text()
    (commands,) = [each.text for each in blocks(page) if each.mark == mark and "TOKEN" in each.text]
    environment = {
        "PATH": f"{kubectl.binary.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig),
    }
    roles = MANIFESTS.parent / "gateway" / "people.yaml"
    kubectl("apply", "-f", roles)
    try:
        script = commands.replace("team-a", api.namespace) + 'printf %s "$TOKEN"'
        done = subprocess.run(
            ["sh", "-ec", script], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        token = done.stdout.splitlines()[-1]
        spec = {"token": token}
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": spec,
        }
        status = api.create(review)["status"]
        assert status["authenticated"], "the API server itself accepts it"
        program = Person(kubectl, api.namespace, status["user"]["username"])
        wait_for(lambda: program.may("create", INSTANCES), message="the role counts")
        assert _rights(api, program) == {
            *_verbs(INSTANCES, ("get", "list", "create", "update", "delete")),
            *_verbs(TEMPLATES, ("get", "list")),
        }
        assert _is_allowed(api, program, "create", f"{INSTANCES}/execute")
        for resource in ("secrets", "pods", "configmaps"):
            assert not api.is_allowed(program.name, "get", resource, group="", namespace=api.namespace)
    finally:
        kubectl("delete", "-f", roles)


@pytest.mark.usefixtures("_aggregated")
def test_rights_end_at_the_namespace(bound: _Binder, kubectl: Kubectl) -> None:
    admin = bound("admin")

    assert admin.may("create", TEMPLATES)
    assert not Person(kubectl, "default", admin.name).may("get", INSTANCES)


@pytest.mark.usefixtures("_aggregated", "operator")
def test_editor_deploys_from_the_admin_s_template_and_scales(bound: _Binder, api: KubeApi) -> None:
    admin, editor, viewer = bound("admin"), bound("edit"), bound("view")
    apply = ("apply", "--server-side", "-f", "-")

    refused = editor.run(*apply, objects=(template(),))
    assert "Forbidden" in refused.stderr or "forbidden" in refused.stderr
    assert admin.run(*apply, objects=(template(),)).returncode == 0
    assert "forbidden" in viewer.run(*apply, objects=(instance(),)).stderr.lower()
    assert editor.run(*apply, objects=(instance(),)).returncode == 0
    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    assert editor.run("scale", "modelinstance", "minilm", "--replicas=2").returncode == 0
    wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 2)
    assert "forbidden" in viewer.run("scale", "mi", "minilm", "--replicas=3").stderr.lower()
    forged = '{"status":{"url":"http://elsewhere.test"}}'
    patch = ("patch", "modelinstance", "minilm", "--subresource=status", "--type=merge", "-p", forged)
    assert "forbidden" in admin.run(*patch).stderr.lower()
    assert viewer.run("get", "models").returncode != 0, "the cluster's templates are not part of a namespace"
    assert "RolledOut" in viewer.run("get", "modelinstances,modeltemplates").stdout
    assert editor.run("delete", "modelinstance", "minilm").returncode == 0
