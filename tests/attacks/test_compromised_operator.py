"""What the operator's token is good for besides the operator's work, on a cluster with the default overlay.

RBAC alone allows every request below; the shipped policy refuses it. That the operator itself needs none of
them is shown by all other tests, whose operators run under the same policy.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from hack.build.toolset import cached_tools
from model_operator.controller.webhooks.certificate import SECRET_NAME
from model_operator.core.templates.revisions.objects import revision_object
from tests.cluster.cluster import OPERATOR_NAMESPACE, OPERATOR_SERVICE_ACCOUNT
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import PATCH_TYPES, KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.install.overlays import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.kube_api import Object

POLICY = "model-operator-confinement"
SYSTEM = ("kube-system", "kube-public", "kube-node-lease")
LABELS = {"app.kubernetes.io/managed-by": "model-operator", "modeloperator.dev/instance": "victim"}
OWNER = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "name": "victim",
    "uid": "6a1d2f0e-0000-4000-8000-000000000000",
    "controller": True,
}
KINDS = ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler")
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
POD = {
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "main",
            "image": "attack",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
"""Such that Pod Security has nothing against it in the operator's own namespace."""
SPECS: dict[str, Any] = {
    "Deployment": {
        "selector": {"matchLabels": {"app": "attack"}},
        "template": {"metadata": {"labels": {"app": "attack"}}, "spec": POD},
    },
    "Service": {"ports": [{"port": 80}]},
    "PodDisruptionBudget": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "attack"}}},
    "HorizontalPodAutoscaler": {
        "maxReplicas": 2,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
    },
}
VERSIONS = {
    "Deployment": "apps/v1",
    "Service": "v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


def child(
    kind: str, name: str, *, labels: Object | None = None, owners: list[Object] | None = None
) -> Object:
    """Give an object of a child's kind, by default as the operator makes it."""
    metadata = {
        "name": name,
        "labels": LABELS if labels is None else labels,
        "ownerReferences": [OWNER] if owners is None else owners,
    }
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": SPECS[kind]}


def pod(name: str = "attack") -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": LABELS}, "spec": POD}


def event(name: str, api_version: str) -> Object:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "model-operator",
        "reportingInstance": "attack",
        "type": "Warning",
        "reason": "Attack",
        "action": "Attack",
        "regarding": {"apiVersion": api_version, "kind": "Any", "name": "any", "namespace": "default"},
    }


@pytest.fixture(scope="module")
def installed() -> Iterator[ControlPlane]:
    """Give a control plane of its own with the default overlay, whose webhooks nothing calls."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    # With CRDs, so that the garbage collector knows the kinds from the start on.
    with ControlPlane.start() as cluster:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", DEFAULT)
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        yield cluster


@pytest.fixture(scope="module")
def admin(installed: ControlPlane) -> Iterator[KubeApi]:
    api = KubeApi(installed.kubeconfig)
    for kind in CONFIGURATIONS:
        configuration = api.get(kind, "model-operator")
        for webhook in configuration["webhooks"]:
            webhook["objectSelector"] = {"matchLabels": {"called": "never"}}
        api.replace(configuration)
    yield api
    api.close()


@pytest.fixture(scope="module")
def thief(installed: ControlPlane, admin: KubeApi) -> Iterator[KubeApi]:
    """Give a client with the operator's token, once the API server knows the policy."""
    kubeconfig = installed.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_SERVICE_ACCOUNT)
    api = KubeApi(kubeconfig)

    def is_confined() -> bool:
        try:
            api.create(pod("probe"))
        except KubeApiError as error:
            return POLICY in error.message
        admin.delete("Pod", "probe")
        return False

    wait_for(is_confined, 60, "the policy holds")
    yield api
    api.close()


def refused(attempt: Callable[[], object], message: str) -> None:
    """Attempt something, and see that the policy refuses it for that reason."""
    with pytest.raises(KubeApiError) as refusal:
        attempt()
    assert refusal.value.code == 403
    assert POLICY in refusal.value.message
    assert message in refusal.value.message


class TestPods:
    @pytest.mark.parametrize("namespace", ["default", OPERATOR_NAMESPACE, *SYSTEM])
    def test_none_runs(self, thief: KubeApi, namespace: str) -> None:
        with pytest.raises(KubeApiError, match=POLICY):
            thief.in_namespace(namespace).create(pod())

    def test_templates_are_tried(self, thief: KubeApi) -> None:
        assert thief.create(pod(), dry_run=True)


@pytest.mark.parametrize("kind", KINDS)
class TestObjectsOfOthers:
    """What has not our label, or has it and another controller, is nobody's but theirs."""

    @pytest.fixture
    def foreign(self, admin: KubeApi, kind: str) -> Iterator[str]:
        admin.create(child(kind, "foreign", labels={"app": "shop"}, owners=[]))
        yield "foreign"
        admin.delete(kind, "foreign")

    @pytest.fixture
    def controlled(self, admin: KubeApi, kind: str) -> Iterator[str]:
        owner = admin.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}})
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "controller": True}
        reference["uid"] = owner["metadata"]["uid"]
        admin.create(child(kind, "controlled", owners=[reference]))
        yield "controlled"
        admin.delete(kind, "controlled")

    def test_is_not_created(self, thief: KubeApi, kind: str) -> None:
        message = "writes only objects with its labels"
        refused(lambda: thief.create(child(kind, "new", labels={})), message)
        refused(
            lambda: thief.create(child(kind, "new", labels={**LABELS, "modeloperator.dev/instance": ""})),
            message,
        )
        managed = {**LABELS, "app.kubernetes.io/managed-by": "Helm"}
        refused(lambda: thief.apply(child(kind, "new", labels=managed), manager="model-operator"), message)

    def test_is_not_created_for_another_owner(self, thief: KubeApi, kind: str) -> None:
        message = "writes only objects controlled by the ModelInstance"
        for owner in (
            {**OWNER, "kind": "ConfigMap", "apiVersion": "v1"},
            {**OWNER, "apiVersion": "other.dev/v1"},
            {**OWNER, "apiVersion": "modeloperator.devil/v1"},
            {**OWNER, "name": "another"},
            {**OWNER, "controller": False},
        ):
            refused(lambda owner=owner: thief.create(child(kind, "new", owners=[owner])), message)  # type: ignore[misc]
        refused(lambda: thief.create(child(kind, "new", owners=[])), message)

    def test_is_neither_changed_nor_deleted(self, thief: KubeApi, kind: str, foreign: str) -> None:
        patch = {"metadata": {"annotations": {"a": "b"}}}
        refused(lambda: thief.patch(kind, foreign, patch), "writes only objects with its labels")
        refused(lambda: thief.delete(kind, foreign), "changes and deletes only objects that it created")

    def test_does_not_become_ours_by_a_label(self, thief: KubeApi, kind: str, foreign: str) -> None:
        ours = {"metadata": {"labels": LABELS, "ownerReferences": [OWNER]}}
        refused(lambda: thief.patch(kind, foreign, ours), "changes and deletes only objects that it created")
        refused(
            lambda: thief.apply(child(kind, foreign), manager="model-operator"),
            "changes and deletes only objects that it created",
        )

    def test_with_our_labels_and_another_controller_stays(
        self, thief: KubeApi, kind: str, controlled: str
    ) -> None:
        message = "changes and deletes only objects that it created"
        refused(lambda: thief.delete(kind, controlled), message)
        takeover = {"metadata": {"ownerReferences": [OWNER]}}
        refused(lambda: thief.patch(kind, controlled, takeover), message)


@pytest.mark.parametrize("kind", KINDS)
class TestWhere:
    @pytest.mark.parametrize("namespace", SYSTEM)
    def test_nothing_in_the_namespaces_of_kubernetes(
        self, thief: KubeApi, admin: KubeApi, kind: str, namespace: str
    ) -> None:
        message = "nothing in the namespaces of Kubernetes itself"
        here, theirs = thief.in_namespace(namespace), admin.in_namespace(namespace)
        refused(lambda: here.create(child(kind, "new")), message)
        refused(lambda: here.create(child(kind, "new", owners=[]), dry_run=True), message)
        theirs.create(child(kind, "orphan", owners=[]))
        refused(lambda: here.patch(kind, "orphan", {"metadata": {"annotations": {"a": "b"}}}), message)
        refused(lambda: here.delete(kind, "orphan"), message)
        theirs.delete(kind, "orphan")

    def test_nothing_in_its_own_namespace(self, thief: KubeApi, kind: str) -> None:
        message = "deploys nothing in its own namespace"
        here = thief.in_namespace(OPERATOR_NAMESPACE)
        refused(lambda: here.create(child(kind, "new")), message)
        own = {"Deployment": "model-operator", "Service": "model-operator-webhook"}
        own["PodDisruptionBudget"] = "model-operator"
        if name := own.get(kind):
            refused(lambda: here.patch(kind, name, {"metadata": {"labels": LABELS}}), message)
            refused(lambda: here.delete(kind, name), message)
        # Cluster templates are tried there.
        assert here.create(child(kind, "new", owners=[]), dry_run=True)


class TestRevisions:
    """What a template was stays as it was stored, and what came from a file is not the operator's."""

    @pytest.fixture
    def owner(self, admin: KubeApi) -> Iterator[Object]:
        yield {**admin.apply(template()), "kind": "ModelTemplate"}
        admin.delete("ModelTemplate", "encoder")

    def test_only_those_of_a_template_are_created(self, thief: KubeApi, owner: Object) -> None:
        message = "creates and deletes only revisions that their template controls"
        stored = revision_object(owner, 1)
        (reference,) = stored["metadata"]["ownerReferences"]
        for references in (
            [],
            [{**reference, "controller": False}],
            [{**reference, "kind": "ClusterModelTemplate"}],
            [{**reference, "apiVersion": "other.dev/v1"}],
        ):
            wrong = {**stored, "metadata": {**stored["metadata"], "ownerReferences": references}}
            refused(lambda wrong=wrong: thief.create(wrong), message)  # type: ignore[misc]
        thief.create(stored)
        name = stored["metadata"]["name"]
        with pytest.raises(KubeApiError, match="cannot patch resource"):
            thief.patch("ModelTemplateRevision", name, {"metadata": {"labels": {"a": "b"}}})
        thief.delete("ModelTemplateRevision", name)

    def test_one_from_a_file_stays(self, thief: KubeApi, admin: KubeApi) -> None:
        brought = revision_object(template())
        name = admin.create(brought)["metadata"]["name"]
        refused(
            lambda: thief.delete("ModelTemplateRevision", name),
            "creates and deletes only revisions that their template controls",
        )
        admin.delete("ModelTemplateRevision", name)


class TestItsOwnNamespace:
    def test_no_secret_is_created(self, thief: KubeApi) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "attack"}}
        with pytest.raises(KubeApiError, match='cannot create resource "secrets"'):
            thief.in_namespace(OPERATOR_NAMESPACE).create(secret)

    def test_its_secret_is_written(self, thief: KubeApi) -> None:
        here = thief.in_namespace(OPERATOR_NAMESPACE)
        secret = here.get("Secret", SECRET_NAME)
        assert here.replace({**secret, "data": {"mine": "AA=="}})["data"] == {"mine": "AA=="}


class TestWebhookConfigurations:
    """The API server shows the operator instances and templates, and calls nobody else in its name."""

    @pytest.mark.parametrize("kind", CONFIGURATIONS)
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("/webhooks/0/rules/0/apiGroups", [""]),
            ("/webhooks/0/rules/0/resources", ["secrets"]),
            ("/webhooks/0/failurePolicy", "Fail"),
            ("/webhooks/0/namespaceSelector", {"matchLabels": {"a": "b"}}),
            ("/webhooks/0/objectSelector", {}),
            ("/webhooks/0/matchConditions", []),
            ("/webhooks/0/timeoutSeconds", 30),
            ("/webhooks/0/sideEffects", "NoneOnDryRun"),
            ("/webhooks/0/name", "other.modeloperator.dev"),
            ("/webhooks/0/clientConfig/service/name", "attack"),
            ("/webhooks/0/clientConfig/service/namespace", "default"),
            ("/webhooks/0/clientConfig/service/port", 9443),
            ("/webhooks/0/clientConfig", {"url": "https://attack.test/"}),
            ("/webhooks", []),
        ],
    )
    def test_what_is_shown_to_whom_stays(self, thief: KubeApi, kind: str, path: str, value: object) -> None:
        patch = [{"op": "add", "path": path, "value": value}]
        refused(
            lambda: thief.patch(kind, "model-operator", patch, patch_type="json"),
            "only clientConfig.caBundle and the path",
        )

    @pytest.mark.parametrize("kind", CONFIGURATIONS)
    def test_no_webhook_is_added(self, thief: KubeApi, kind: str) -> None:
        added = copy.deepcopy(thief.get(kind, "model-operator")["webhooks"][0])
        added["name"] = "all.attack.test"
        patch = [{"op": "add", "path": "/webhooks/-", "value": added}]
        refused(
            lambda: thief.patch(kind, "model-operator", patch, patch_type="json"), "adds nor removes webhooks"
        )

    @pytest.mark.parametrize("kind", CONFIGURATIONS)
    def test_metadata_stay(self, thief: KubeApi, kind: str) -> None:
        for field in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"finalizers": ["attack.test/a"]}):
            refused(
                lambda field=field: thief.patch(kind, "model-operator", {"metadata": field}),  # type: ignore[misc]
                "writes no metadata of the webhook configurations",
            )

    @pytest.mark.parametrize("kind", CONFIGURATIONS)
    def test_bundle_and_path_are_the_operator_s(self, thief: KubeApi, kind: str) -> None:
        names = [webhook["name"] for webhook in thief.get(kind, "model-operator")["webhooks"]]
        config = {"caBundle": "LS0t", "service": {"path": "/unguessable"}}
        for patch in (config, {"caBundle": None}):
            changed = {"webhooks": [{"name": name, "clientConfig": patch} for name in names]}
            answer = thief.patch(kind, "model-operator", changed, patch_type="strategic")
            assert {webhook["clientConfig"]["service"]["path"] for webhook in answer["webhooks"]} == {
                "/unguessable"
            }

    @pytest.mark.parametrize("kind", CONFIGURATIONS)
    def test_of_a_url_only_the_path_is_the_operator_s(
        self, admin: KubeApi, thief: KubeApi, kind: str
    ) -> None:
        before = thief.get(kind, "model-operator")["webhooks"]
        patch = [
            {
                "op": "replace",
                "path": f"/webhooks/{index}/clientConfig",
                "value": {"url": "https://op.test:9443/a"},
            }
            for index in range(len(before))
        ]
        admin.patch(kind, "model-operator", patch, patch_type="json")
        try:
            for url in (
                "https://attack.test:9443/a",
                "https://op.test:9444/a",
                "https://op.test:9443@attack.test/a",
            ):
                attempt = [{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": url}]
                with pytest.raises(KubeApiError):
                    thief.patch(kind, "model-operator", attempt, patch_type="json")
            own = [
                {
                    "op": "replace",
                    "path": "/webhooks/0/clientConfig/url",
                    "value": "https://op.test:9443/token/a",
                }
            ]
            thief.patch(kind, "model-operator", own, patch_type="json")
        finally:
            back = [
                {"op": "replace", "path": f"/webhooks/{index}/clientConfig", "value": webhook["clientConfig"]}
                for index, webhook in enumerate(before)
            ]
            admin.patch(kind, "model-operator", back, patch_type="json")


@pytest.fixture
def _privileged(admin: KubeApi) -> Iterator[None]:
    """Give the operator all rights, as by a mistake of an administrator."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "too-much"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": OPERATOR_SERVICE_ACCOUNT,
                "namespace": OPERATOR_NAMESPACE,
            }
        ],
    }
    admin.create(binding)
    user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_SERVICE_ACCOUNT}"
    wait_for(lambda: admin.is_allowed(user, "create", "secrets"))
    yield
    admin.delete("ClusterRoleBinding", "too-much")
    wait_for(lambda: not admin.is_allowed(user, "create", "secrets"))


class TestTemplatesAndInstances:
    """RBAC gives the status alone; the policy says so, too, should somebody give more."""

    @pytest.mark.usefixtures("_privileged")
    def test_only_their_status_is_written(self, thief: KubeApi, admin: KubeApi) -> None:
        message = "writes only the status of instances and templates"
        shared = {**template("shared"), "kind": "ClusterModelTemplate"}
        for obj in (template(), shared, instance()):
            kind, name = obj["kind"], obj["metadata"]["name"]
            refused(lambda obj=obj: thief.create(obj), message)  # type: ignore[misc]
            admin.create(obj)
            patch = {"metadata": {"annotations": {"a": "b"}}}
            refused(lambda: thief.patch(kind, name, patch), message)  # noqa: B023 -- called at once
            refused(lambda: thief.delete(kind, name), message)  # noqa: B023 -- called at once
            condition = {"type": "Ready", "status": "Unknown", "reason": "Deploying", "message": "m"}
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
            thief.patch(kind, name, {"status": {"conditions": [condition]}}, subresource="status")
        scale = {"spec": {"replicas": 2}}
        refused(lambda: thief.patch("ModelInstance", "minilm", scale, subresource="scale"), message)

    @pytest.mark.usefixtures("_privileged")
    def test_no_other_secret_lease_or_configuration(self, thief: KubeApi) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "attack"}}
        refused(lambda: thief.create(secret), "no Secret but model-operator-webhook-cert")
        own = thief.in_namespace(OPERATOR_NAMESPACE)
        refused(lambda: own.create(secret), "no Secret but model-operator-webhook-cert")
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "attack"}}
        refused(lambda: thief.create(lease), "no Lease outside of its own namespace")
        for kind in CONFIGURATIONS:
            refused(lambda kind=kind: thief.delete(kind, "model-operator"), "neither creates nor deletes")  # type: ignore[misc]


class TestEvents:
    def test_only_about_our_kinds(self, thief: KubeApi) -> None:
        message = "Events only about instances and templates"
        refused(lambda: thief.create(event("forged", "v1")), message)
        assert thief.create(event("ours", "modeloperator.dev/v1alpha1"))

    def test_no_other_is_changed(self, thief: KubeApi, admin: KubeApi) -> None:
        admin.create(event("theirs", "apps/v1"))
        path = "/apis/events.k8s.io/v1/namespaces/default/events/theirs"
        patch = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}
        merge = PATCH_TYPES["merge"]
        refused(
            lambda: thief.request("PATCH", path, body=patch, content_type=merge),
            "Events only about instances",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_of_an_unknown_instance_is_removed(thief: KubeApi, admin: KubeApi, kind: str) -> None:
    """What the policy cannot know: whether the instance exists. The garbage collector does."""
    thief.create(child(kind, "fake"))
    admin.wait_until_gone(kind, "fake")


@pytest.mark.parametrize("kind", KINDS)
class TestItsWork:
    """The requests that come close to the rules; the whole life is in the other tests."""

    @pytest.fixture
    def orphan(self, admin: KubeApi, kind: str) -> Iterator[str]:
        admin.create(child(kind, "orphan", owners=[]))
        yield "orphan"
        admin.wait_until_gone(kind, "orphan")

    def test_trials(self, thief: KubeApi, kind: str) -> None:
        assert thief.apply(child(kind, "trial", owners=[]), dry_run=True)

    def test_an_orphan_is_changed_and_adopted(self, thief: KubeApi, kind: str, orphan: str) -> None:
        thief.patch(kind, orphan, {"metadata": {"annotations": {"a": "b"}}})
        # The garbage collector finds out at once that there is no such instance.
        thief.patch(kind, orphan, {"metadata": {"ownerReferences": [OWNER]}})

    def test_an_orphan_is_deleted(self, thief: KubeApi, kind: str, orphan: str) -> None:
        thief.delete(kind, orphan)


def test_others_are_not_confined(admin: KubeApi, installed: ControlPlane) -> None:
    """Not even a ServiceAccount of the same name, and nobody at all in the namespaces of Kubernetes."""
    admin.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": OPERATOR_SERVICE_ACCOUNT}}
    )
    admin.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "namesake"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": OPERATOR_SERVICE_ACCOUNT, "namespace": "default"}
            ],
        }
    )
    api = KubeApi(installed.service_account_kubeconfig("default", OPERATOR_SERVICE_ACCOUNT))
    for kind in KINDS:
        there = api.in_namespace("kube-system")
        there.create(child(kind, "theirs", labels={}, owners=[]))
        there.patch(kind, "theirs", {"metadata": {"annotations": {"a": "b"}}})
        there.delete(kind, "theirs")
    assert api.create(pod("theirs"))
    api.delete("Pod", "theirs")
    api.close()
