"""Who may use which template: grants, their withdrawal, and what those learn who have none."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import shipped
from tests.examples.objects import container, instance, ready, template
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.kube_api import Object

shared_operator = pytest.mark.usefixtures("operator")

Kind = str
KINDS = pytest.mark.parametrize("kind", ["ModelTemplate", "ClusterModelTemplate"])
GOLD = {"matchLabels": {"test.example/tier": "gold"}}


class Parties:
    """The namespace of a template's owner, that of one who may use it, and that of one who may not."""

    def __init__(self, owner: KubeApi, friend: KubeApi, stranger: KubeApi) -> None:
        self.owner, self.friend, self.stranger = owner, friend, stranger
        self._of_cluster: list[str] = []

    def share(self, kind: Kind, name: str = "encoder", allowed: Any = None, **bundle: Any) -> str:
        """Apply a template with this ``allowed_namespaces``, wait for its revision, and give its name."""
        obj = template(name, **bundle)
        if kind == "ClusterModelTemplate":
            # Those of the cluster are there for all tests.
            name = f"{name}-{self.owner.namespace[-8:]}"
            obj |= {"kind": kind, "metadata": {"name": name}}
            self._of_cluster.append(name)
        if allowed is not None:
            obj["spec"]["allowed_namespaces"] = allowed
        self.owner.apply(obj)
        wait_for(
            lambda: self.owner.get(kind, name).get("status", {}).get("latest_revision"),
            message=f"{kind} {name} has a revision",
        )
        return name

    def use(self, asker: KubeApi, kind: Kind, template_name: str, name: str = "minilm", **spec: Any) -> None:
        """Apply an instance of a template of the owner."""
        where = {} if kind == "ClusterModelTemplate" else {"model_template_namespace": self.owner.namespace}
        asker.apply(
            instance(name, model_template_id=template_name, model_template_kind=kind, **where, **spec)
        )

    def grant(self, kind: Kind, name: str, allowed: Any) -> None:
        """Change with whom a template is shared."""
        self.owner.patch(kind, name, {"spec": {"allowed_namespaces": None}})
        self.owner.patch(kind, name, {"spec": {"allowed_namespaces": allowed}})

    def remove(self) -> None:
        for name in self._of_cluster:
            if self.owner.find("ClusterModelTemplate", name):
                self.owner.delete("ClusterModelTemplate", name)


@pytest.fixture
def parties(cluster_api: KubeApi, namespace: str) -> Iterator[Parties]:
    """Give three namespaces that the shared operator serves; the friend's has a label."""
    friend, stranger = (fresh_namespace(cluster_api, "mo-shared") for _ in range(2))
    found = Parties(*(cluster_api.in_namespace(each) for each in (namespace, next(friend), next(stranger))))
    label(cluster_api, found.friend.namespace, "gold")
    yield found
    found.remove()
    for each in (friend, stranger):
        next(each, None)


def label(api: KubeApi, namespace: str, tier: str | None) -> None:
    """Set or remove the label of a namespace."""
    api.patch("Namespace", namespace, {"metadata": {"labels": {"test.example/tier": tier}}})


def names_of(parties: Parties) -> Object:
    return {"from": "Selected", "names": [f"{parties.friend.namespace[:-1]}?"]}


def wait_for_reason(api: KubeApi, reason: str, name: str = "minilm") -> Object:
    """Wait until an instance reports this reason for not being Ready."""
    return api.wait_for_condition("ModelInstance", name, "Ready", "False", reason=reason)


def versions(api: KubeApi) -> dict[str, str]:
    """Give the versions of all children in a namespace."""
    return {
        f"{kind}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
        for each in api.list(kind)
    }


@shared_operator
@KINDS
def test_who_may_use_a_template(kind: Kind, parties: Parties) -> None:
    """Each way of sharing, with a namespace that it means, one that it does not mean, and the own one."""
    by_name = names_of(parties)
    grants: dict[str, Any] = {
        "default": None,
        "all": {"from": "All"},
        "names": by_name,
        "labels": {"from": "Selected", "selector": GOLD},
        "both": {"from": "Selected", "names": ["no-such-namespace"], "selector": GOLD},
        **({"same": {"from": "Same"}} if kind == "ModelTemplate" else {}),
    }
    is_for_all = {"all", "default"} if kind == "ClusterModelTemplate" else {"all"}
    is_for_friends = {"names", "labels", "both"} | is_for_all
    names = {grant: parties.share(kind, f"encoder-{grant}", allowed) for grant, allowed in grants.items()}
    for grant, name in names.items():
        for asker in (parties.owner, parties.friend, parties.stranger):
            parties.use(asker, kind, name, f"user-{grant}")

    for grant in grants:
        for asker, is_shared in (
            (parties.owner, kind == "ModelTemplate" or grant in is_for_all),
            (parties.friend, grant in is_for_friends),
            (parties.stranger, grant in is_for_all),
        ):
            name = f"user-{grant}"
            if not is_shared:
                wait_for_reason(asker, "TemplateNotFound", name)
                assert asker.find("Deployment", name) is None
                continue
            found = asker.wait_for_condition("ModelInstance", name, "Ready")
            bound = found["status"]["template"]
            owner = parties.owner.namespace if kind == "ModelTemplate" else None
            assert (bound["kind"], bound.get("namespace"), bound["name"]) == (kind, owner, names[grant])
    for grant, name in names.items():
        users = 3 if grant in is_for_all else 1 + (kind == "ModelTemplate") if grant in is_for_friends else 1
        wait_for(
            lambda name=name, users=users: (  # type: ignore[misc]
                parties.owner.get(kind, name)["status"].get("instance_count") == users
            ),
            message=f"{name} counts {users} instances",
        )


def seen_by_its_author(api: KubeApi, name: str, template_name: str) -> str | None:
    """Give all that the author of an instance reads of it, without its own names and times.

    None until it has an Event: those are sent when no instance waits.
    """
    obj = api.get("ModelInstance", name)
    events = [
        {field: each.get(field) for field in ("type", "reason", "note", "action", "reportingController")}
        for each in api.list("Event")
        if (each.get("regarding") or each["involvedObject"])["name"] == name
    ]
    if not events:
        return None
    status = obj["status"]
    for condition in status["conditions"]:
        del condition["lastTransitionTime"]
    del status["id"], status["created_at"]
    text = json.dumps([status, events], sort_keys=True)
    return text.replace(template_name, "TEMPLATE").replace(f'"{name}"', "NAME").replace(f"={name}", "=NAME")


@shared_operator
@KINDS
def test_a_template_that_is_not_shared_looks_like_one_that_does_not_exist(
    kind: Kind, parties: Parties
) -> None:
    there = parties.share(kind, "encoder", names_of(parties))
    missing = there.replace("encoder", "nothing")
    # Parameters that the template would refuse, a type that it does not have, a revision that it has.
    wrong = {
        "model_type": "COMPLETION",
        "model_creation_parameters": {"MODEL_NAME": 5},
        "model_template_revision": parties.owner.get(kind, there)["status"]["latest_revision"],
    }
    for name, wanted in (("known", there), ("guess", missing)):
        parties.use(parties.stranger, kind, wanted, name, **wrong)

    for name in ("known", "guess"):
        found = wait_for_reason(parties.stranger, "TemplateNotFound", name)
        assert found["status"]["validation_errors"] == []
        wait_for(
            lambda name=name: (  # type: ignore[misc]
                ready(parties.stranger.get("ModelInstance", name)) and stalled(parties.stranger, name)
            ),
            message=f"{name} is stalled",
        )
        assert "or it is not shared with this namespace." in ready(found)["message"]
    said = {
        wanted: wait_for(
            lambda n=name, w=wanted: seen_by_its_author(parties.stranger, n, w),  # type: ignore[misc]
            message=f"{name} has an Event",
        )
        for name, wanted in (("known", there), ("guess", missing))
    }
    assert said[there] == said[missing]
    # Nor do edits of the template, or its deletion, write anything for it.
    before = parties.stranger.get("ModelInstance", "known")["metadata"]["resourceVersion"]
    parties.owner.patch(kind, there, {"spec": {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}})
    parties.use(parties.friend, kind, there)
    parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    parties.owner.delete(kind, there)
    wait_for_reason(parties.friend, "TemplateNotFound")
    assert parties.stranger.get("ModelInstance", "known")["metadata"]["resourceVersion"] == before


def stalled(api: KubeApi, name: str) -> bool:
    return api.condition("ModelInstance", name, "Stalled").get("status") == "True"


@shared_operator
@KINDS
def test_withdrawal_while_serving_tears_nothing_down_and_a_grant_heals(kind: Kind, parties: Parties) -> None:
    name = parties.share(kind, "encoder", names_of(parties))
    parties.use(parties.friend, kind, name, "minilm", replicas=1)
    parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    before = versions(parties.friend)

    started = time.monotonic()
    parties.owner.patch(kind, name, {"spec": {"allowed_namespaces": {"names": ["elsewhere"]}}})
    found = wait_for_reason(parties.friend, "TemplateNotShared")
    assert time.monotonic() - started < 30
    assert parties.friend.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    assert found["status"]["template"]["name"] == name
    wait_for(lambda: parties.owner.get(kind, name)["status"]["instance_count"] == 0)

    # Neither an edit of the template nor one of the instance reaches the children.
    parties.owner.patch(kind, name, {"spec": {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}})
    parties.friend.patch("ModelInstance", "minilm", {"spec": {"replicas": 2}})
    found = wait_for_reason(parties.friend, "TemplateNotShared")
    assert "spec.replicas has no effect" in ready(found)["message"]
    wait_for(
        lambda: (
            parties.owner.get(kind, name)["status"]["observedGeneration"]
            == parties.owner.get(kind, name)["metadata"]["generation"]
        )
    )
    assert versions(parties.friend) == before

    parties.owner.patch(kind, name, {"spec": {"allowed_namespaces": {"from": "All", "names": None}}})
    parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    live = parties.friend.get("Deployment", "minilm")
    assert (live["spec"]["replicas"], container(live)["image"]) == (2, "registry.test/encoder:v2")
    wait_for(lambda: parties.owner.get(kind, name)["status"]["instance_count"] == 1)


@shared_operator
def test_an_edit_of_the_grant_makes_no_revision_and_writes_nothing(parties: Parties) -> None:
    kind = "ModelTemplate"
    parties.share(kind, "encoder", names_of(parties))
    parties.use(parties.friend, kind, "encoder")
    found = parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(lambda: parties.owner.get(kind, "encoder")["status"]["updated_instance_count"] == 1)
    revisions = [each["metadata"]["name"] for each in parties.owner.list("ModelTemplateRevision")]

    parties.owner.patch(kind, "encoder", {"spec": {"allowed_namespaces": {"from": "All", "names": None}}})
    parties.use(parties.stranger, kind, "encoder")
    parties.stranger.wait_for_condition("ModelInstance", "minilm", "Ready")

    now = parties.friend.get("ModelInstance", "minilm")
    assert now["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    assert [each["metadata"]["name"] for each in parties.owner.list("ModelTemplateRevision")] == revisions


@shared_operator
@KINDS
def test_a_label_of_a_namespace_grants_and_withdraws(
    kind: Kind, parties: Parties, cluster_api: KubeApi
) -> None:
    name = parties.share(kind, "encoder", {"from": "Selected", "selector": GOLD})
    parties.owner.wait_for_condition(kind, name, "Shared", reason="NamespacesKnown")
    parties.use(parties.stranger, kind, name)
    parties.use(parties.friend, kind, name)
    wait_for_reason(parties.stranger, "TemplateNotFound")
    served = parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    before = versions(parties.friend)

    label(cluster_api, parties.stranger.namespace, "gold")
    parties.stranger.wait_for_condition("ModelInstance", "minilm", "Ready")
    label(cluster_api, parties.friend.namespace, "silver")
    wait_for_reason(parties.friend, "TemplateNotShared")
    assert versions(parties.friend) == before
    wait_for(lambda: parties.owner.get(kind, name)["status"]["instance_count"] == 1)

    label(cluster_api, parties.friend.namespace, "gold")
    healed = parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert versions(parties.friend) == before
    assert healed["status"]["template"]["uid"] == served["status"]["template"]["uid"]


@shared_operator
def test_pins_do_not_reach_into_a_template_that_is_not_shared(parties: Parties) -> None:
    """Nor do they preserve its revisions; an instance that has moved runs none of the old template's."""
    kind = "ModelTemplate"
    parties.share(kind, "encoder", names_of(parties))
    first = parties.owner.get(kind, "encoder")["status"]["latest_revision"]
    parties.use(parties.stranger, kind, "encoder", "held", model_template_revision=first)
    entries = [{"name": "a", "model_template_revision": first}]
    parties.use(parties.stranger, kind, "encoder", "parts", deployments=entries)
    for name in ("held", "parts"):
        wait_for_reason(parties.stranger, "TemplateNotFound", name)

    edit = {"revision_history_limit": 0, "vendor_configuration": {"bundle_config": {"tag": "v2"}}}
    parties.owner.patch(kind, "encoder", {"spec": edit})
    parties.owner.wait_until_gone("ModelTemplateRevision", f"encoder-{first}", deadline=60)

    # Another template of the same name, in the stranger's own namespace.
    parties.stranger.apply(template("encoder", tag="own"))
    second = parties.owner.get(kind, "encoder")["status"]["latest_revision"]
    parties.use(parties.friend, kind, "encoder")
    parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    parties.friend.apply(template("encoder", tag="own"))
    moved = instance("minilm", model_template_id="encoder", model_template_revision=second)
    parties.friend.apply(moved)
    parties.friend.patch(
        "ModelInstance",
        "minilm",
        {"spec": {"model_template_namespace": None, "model_template_kind": None}},
    )
    wait_for_reason(parties.friend, "TemplateRevisionNotFound")
    parties.friend.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": None}})
    found = parties.friend.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert found["status"]["template"]["namespace"] == parties.friend.namespace
    assert container(parties.friend.get("Deployment", "minilm"))["image"] == "registry.test/encoder:own"


@shared_operator
def test_a_withdrawn_follower_does_not_hold_a_roll_out(parties: Parties) -> None:
    kind = "ModelTemplate"
    parties.share(kind, "encoder", {"from": "All"})
    for asker in (parties.friend, parties.stranger):
        parties.use(asker, kind, "encoder")
        asker.wait_for_condition("ModelInstance", "minilm", "Ready")
    parties.owner.patch(kind, "encoder", {"spec": {"allowed_namespaces": names_of(parties)}})
    wait_for_reason(parties.stranger, "TemplateNotShared")
    before = versions(parties.stranger)

    rollout = {"soak_seconds": 0, "max_unavailable": 1}
    edit = {"rollout": rollout, "vendor_configuration": {"bundle_config": {"tag": "v2"}}}
    revision = parties.owner.get(kind, "encoder")["status"]["latest_revision"]
    parties.owner.patch(kind, "encoder", {"spec": edit})

    def complete() -> Object:
        status: Object = parties.owner.get(kind, "encoder")["status"]
        assert status["latest_revision"] != revision
        assert status["stable_revision"] == status["latest_revision"]
        counts = {name: status["rollout"][name] for name in ("state", "instances", "arrived", "failed")}
        assert counts == {"state": "COMPLETE", "instances": 1, "arrived": 1, "failed": 0}
        return status

    status = wait_for(complete)
    assert (status["instance_count"], status["stalled_instance_count"]) == (1, 0)
    assert container(parties.friend.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v2"
    assert versions(parties.stranger) == before

    parties.owner.patch(kind, "encoder", {"spec": {"allowed_namespaces": {"from": "All", "names": None}}})
    parties.stranger.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(
        lambda: container(parties.stranger.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v2"
    )


@pytest.fixture
def second_namespace(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client for another namespace that only a private operator serves."""
    for name in fresh_namespace(cluster_api, "mo-private"):
        yield cluster_api.in_namespace(name)


def test_a_restart_while_withdrawn_writes_nothing(
    private_api: KubeApi, second_namespace: KubeApi, private_operator: PrivateOperator
) -> None:
    asker = second_namespace
    obj = template()
    obj["spec"]["allowed_namespaces"] = {"from": "All"}
    private_api.apply(obj)
    asker.apply(instance(model_template_namespace=private_api.namespace))
    first = private_operator("--namespace", asker.namespace)
    asker.wait_for_condition("ModelInstance", "minilm", "Ready")
    private_api.patch("ModelTemplate", "encoder", {"spec": {"allowed_namespaces": {"from": "Same"}}})
    asker.wait_for_condition("ModelInstance", "minilm", "Stalled", reason="TemplateNotShared")
    before = versions(asker), asker.get("ModelInstance", "minilm")["metadata"]["resourceVersion"]
    first.stop()

    # What is changed meanwhile is not put right either.
    second = private_operator("--namespace", asker.namespace)
    other = instance("other", model_template_namespace=private_api.namespace)
    asker.apply(other)
    wait_for_reason(asker, "TemplateNotFound", "other")
    assert (versions(asker), asker.get("ModelInstance", "minilm")["metadata"]["resourceVersion"]) == before
    second.stop()

    # An operator that does not serve the owner's namespace sees no template there.
    private_api.patch("ModelTemplate", "encoder", {"spec": {"allowed_namespaces": {"from": "All"}}})
    third = private_operator("--namespace", asker.namespace, "--exclude-namespace", private_api.namespace)
    found = wait_for_reason(asker, "TemplateNotFound", "other")
    assert "an operator for some namespaces sees no other" in ready(found)["message"]
    assert versions(asker) == before[0]
    third.stop()


def test_without_the_permission_labels_select_no_namespace_and_names_do(
    private_api: KubeApi,
    second_namespace: KubeApi,
    cluster_api: KubeApi,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    asker, account = second_namespace, f"without-{private_api.namespace}"
    label(cluster_api, asker.namespace, "gold")
    role = next(obj for obj in shipped("rbac.yaml") if obj["kind"] == "ClusterRole")
    rules = [rule for rule in role["rules"] if rule["resources"] != ["namespaces"]]
    assert len(rules) == len(role["rules"]) - 1
    subject = {"kind": "ServiceAccount", "name": account, "namespace": private_api.namespace}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": account}}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account}
    private_api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    for obj in (
        {**rbac, "kind": "ClusterRole", "rules": rules},
        {**rbac, "kind": "ClusterRoleBinding", "roleRef": role_ref, "subjects": [subject]},
    ):
        control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(obj))
    try:
        kubeconfig = control_plane.service_account_kubeconfig(private_api.namespace, account)
        for name, allowed in (
            ("by-label", {"from": "Selected", "selector": GOLD}),
            ("by-both", {"from": "Selected", "names": [asker.namespace], "selector": GOLD}),
        ):
            shared = template(name)
            shared["spec"]["allowed_namespaces"] = allowed
            private_api.apply(shared)
            asker.apply(
                instance(name, model_template_id=name, model_template_namespace=private_api.namespace)
            )
        arguments = ("--namespace", private_api.namespace, "--namespace", asker.namespace)
        with OperatorProcess.start(kubeconfig, *arguments, log=tmp_path / "operator.log"):
            asker.wait_for_condition("ModelInstance", "by-both", "Ready")
            wait_for_reason(asker, "TemplateNotFound", "by-label")
            found = private_api.wait_for_condition(
                "ModelTemplate", "by-label", "Shared", "False", reason="NamespacesUnknown"
            )
            message = private_api.condition("ModelTemplate", "by-label", "Shared")["message"]
            assert "Action (operator administrator): grant list and watch of namespaces" in message
            assert ready(found)["status"] == "True"
    finally:
        for kind in ("clusterrolebinding", "clusterrole"):
            control_plane.kubectl("delete", kind, account)
