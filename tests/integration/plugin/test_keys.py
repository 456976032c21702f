"""``kubectl model key``: keys that the gateway accepts, for the models they name, until they are revoked."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.cluster import MANIFESTS
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.kubeconfig import token_kubeconfig, write_kubeconfig
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance
from tests.integration.plugin.conftest import Person

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kubectl import Kubectl
    from tests.integration.plugin.conftest import Invite

OURS = "modeloperator.dev"
GROUP = "modeloperator.dev"
RBAC = "rbac.authorization.k8s.io"
PARTS = ("ServiceAccount", "Secret", "Role", "RoleBinding")
# The API server itself keeps a token for ten seconds.
REVOKED_SECONDS = 30.0


@pytest.fixture(scope="module")
def _executing(kubectl: Kubectl, cluster_api: KubeApi) -> Iterator[None]:
    """Have the role of the gateway in the cluster, and wait until ``admin`` has its part."""
    path = MANIFESTS.parent / "gateway" / "people.yaml"
    kubectl("apply", "--server-side", "--force-conflicts", "-f", path)

    def is_aggregated() -> bool:
        rules = cluster_api.get("ClusterRole", "admin")["rules"]
        return any("modelinstances/execute" in rule.get("resources", []) for rule in rules)

    wait_for(is_aggregated, message="admin is aggregated")
    yield
    # Other tests count what the built-in roles allow.
    kubectl("delete", "-f", path)
    wait_for(lambda: not is_aggregated(), message="admin is as before")


@pytest.fixture
def other(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client for another namespace."""
    for name in fresh_namespace(cluster_api, "mo-other"):
        yield cluster_api.in_namespace(name)


def review(api: KubeApi, key: str, *audiences: str) -> dict[str, Any]:
    """Give what the API server says of a key."""
    spec = {"token": key, **({"audiences": list(audiences)} if audiences else {})}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": spec}
    status: dict[str, Any] = api.create(body)["status"]
    return status


def is_refused(api: KubeApi, key: str) -> bool:
    """Ask the API server as the gateway does."""
    return not review(api, key, OURS).get("authenticated")


def may_execute(api: KubeApi, user: dict[str, Any], namespace: str, name: str = "") -> bool:
    """Ask the API server as the gateway does."""
    attributes = {
        "verb": "create",
        "group": GROUP,
        "resource": "modelinstances",
        "subresource": "execute",
        "namespace": namespace,
        "name": name,
    }
    spec = {"user": user["username"], "groups": user["groups"], "resourceAttributes": attributes}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": spec,
    }
    return bool(api.create(body)["status"]["allowed"])


def created(person: Person, *words: str) -> str:
    """Create a key; nothing but the key is on standard output."""
    done = person("key", "create", *words)
    assert done.returncode == 0, done.stderr
    (key,) = done.stdout.splitlines()
    assert key not in done.stderr
    return key


def claims(key: str) -> dict[str, Any]:
    payload = key.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one line of a refusal."""
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("kubectl model: error: ").rstrip("\n")


def parts(api: KubeApi) -> list[str]:
    """Give the parts of keys that a namespace has."""
    return [
        f"{kind}/{each['metadata']['name']}"
        for kind in PARTS
        for each in api.list(kind, labels=f"{GROUP}/api-key")
    ]


@pytest.fixture
def admin(invite: Invite, api: KubeApi, _executing: None) -> Person:
    """Give somebody with the role ``admin`` in the test's namespace."""
    return invite("admin", api)


def test_a_key_is_for_one_model(
    api: KubeApi, admin: Person, administrator: Person, cluster: Cluster, tmp_path: Path
) -> None:
    for name in ("qwen", "gemma"):
        api.apply(instance(name))

    key = created(admin, "app", "--model", "qwen")

    user = review(api, key, OURS)["user"]
    assert user["username"] == f"system:serviceaccount:{api.namespace}:model-key-app"
    wait_for(lambda: may_execute(api, user, api.namespace, "qwen"), message="the Role counts")
    assert not may_execute(api, user, api.namespace, "gemma")
    assert not may_execute(api, user, api.namespace)
    assert not may_execute(api, user, "default", "qwen")
    can_i = (
        "auth",
        "can-i",
        "create",
        "--subresource=execute",
        "-n",
        api.namespace,
        "--as",
        user["username"],
    )
    for name, answer in (("qwen", "yes"), ("gemma", "no")):
        assert administrator.run(*can_i, f"modelinstances/{name}").stdout.strip() == answer
    # It is no credential of the API server.
    assert not review(api, key).get("authenticated")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    write_kubeconfig(tmp_path / "key", token_kubeconfig(config["clusters"][0]["cluster"], key))
    with pytest.raises(KubeApiError) as caught:
        KubeApi(tmp_path / "key").list("ConfigMap")
    assert caught.value.code == 401
    assert not api.get("Secret", "model-key-app").get("data")
    lifetime = claims(key)["exp"] - time.time()
    assert 89.9 < lifetime / 86400 < 90.1


def test_a_key_is_for_all_models_of_its_namespace(api: KubeApi, admin: Person) -> None:
    key = created(admin, "app", "--expires", "12h", "--audience", "models.example.com")

    assert not review(api, key, OURS).get("authenticated")
    user = review(api, key, "models.example.com")["user"]

    wait_for(lambda: may_execute(api, user, api.namespace), message="the Role counts")
    assert may_execute(api, user, api.namespace, "any")
    assert not may_execute(api, user, "default", "any")


@pytest.mark.usefixtures("_executing")
def test_a_key_is_for_models_of_two_namespaces(api: KubeApi, other: KubeApi, administrator: Person) -> None:
    api.apply(instance("qwen"))
    other.apply(instance("qwen"))
    where = ("--namespace", api.namespace)

    key = created(administrator, "app", "--model", "qwen", "--model", f"{other.namespace}/qwen", *where)

    user = review(api, key, OURS)["user"]
    for each in (api, other):
        wait_for(partial(may_execute, api, user, each.namespace, "qwen"), message="the Role counts")
        assert not may_execute(api, user, each.namespace, "gemma")
    assert parts(other) == [f"{kind}/model-key-{api.namespace}.app" for kind in ("Role", "RoleBinding")]
    assert administrator("key", "revoke", "app", *where).returncode == 0
    assert parts(api) == parts(other) == []


def test_a_revoked_key_ends(api: KubeApi, admin: Person) -> None:
    revoked, unbound, left = (created(admin, name) for name in ("app", "app-1", "app-2"))

    done = admin("key", "revoke", "app")
    api.delete("Secret", "model-key-app-1")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"key app of namespace {api.namespace} is revoked; deleted Secret ")
    assert not any(each.endswith("-app") for each in parts(api))
    assert [line.split()[2] for line in admin("key", "list").stdout.splitlines()[1:]] == ["revoked", "in"]
    for key in (revoked, unbound):
        wait_for(partial(is_refused, api, key), REVOKED_SECONDS, "the key is refused")
    assert review(api, left, OURS)["authenticated"]
    again = admin("key", "revoke", "app")
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == f"there is no key app of namespace {api.namespace}: nothing to revoke\n"
    assert admin("key", "revoke", "app-1").returncode == 0
    # The name may be used again, at once.
    assert review(api, created(admin, "app"), OURS)["authenticated"]
    assert parts(api) == [f"{kind}/model-key-{name}" for kind in PARTS for name in ("app", "app-2")]


def test_deleting_the_service_account_deletes_all(api: KubeApi, admin: Person) -> None:
    created(admin, "app")
    api.delete("ServiceAccount", "model-key-app")

    wait_for(lambda: parts(api) == [], message="the garbage collector has deleted the rest")


def test_the_list_has_what_keys_are_for(api: KubeApi, admin: Person) -> None:
    assert admin("key", "list").stderr == f"no keys found in namespace {api.namespace}\n"
    api.apply(instance("qwen"))
    key = created(admin, "one", "--model", "qwen", "--expires", "1h")
    created(admin, "all")

    shown = admin("key", "list")

    assert shown.stderr == ""
    assert [line.split()[:4] for line in shown.stdout.splitlines()] == [
        ["NAME", "MODELS", "EXPIRES", "AGE"],
        ["all", f"{api.namespace}/*", "in", "89d"],
        ["one", f"{api.namespace}/qwen", "in", "59m"],
    ]
    assert admin("key", "list", "-o", "name").stdout == "all\none\n"
    found = json.loads(admin("key", "list", "-o", "json").stdout)
    assert found[1]["models"] == [f"{api.namespace}/qwen"]
    assert key.split(".")[2] not in json.dumps(found)
    assert admin.run("model", "key", "list", "-A").returncode == 2


def test_a_name_is_used_once(api: KubeApi, admin: Person) -> None:
    created(admin, "app")
    before = parts(api)

    message = refused(admin("key", "create", "app"))

    assert message.startswith(f"there is already a key app in namespace {api.namespace}")
    assert f"kubectl model key revoke app --namespace {api.namespace}" in message
    assert parts(api) == before
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "model-key-mine"}})
    assert "is no key" in refused(admin("key", "create", "mine"))
    assert "nothing to revoke" in admin("key", "revoke", "mine").stderr
    assert api.find("ServiceAccount", "model-key-mine")


def test_mistakes_create_nothing(api: KubeApi, admin: Person) -> None:
    api.apply(instance("qwen"))
    for words, expected in (
        (("app", "--model", "qwne"), "there is no ModelInstance qwne in namespace"),
        (("app", "--model", "a/b/c"), "--model must be the name of a model, NAME or NAMESPACE/NAME"),
        (("app", "--expires", "5m"), "--expires must be from 10m to 49710d, got '5m'"),
        (("app", "--expires", "soon"), "--expires must be a duration such as 90d, 12h or 30m"),
        (("app", "--expires", "99999d"), "--expires must be from 10m to 49710d"),
    ):
        assert expected in refused(admin("key", "create", *words))
    assert "must have at most 50 lower-case letters" in admin("key", "create", "App").stderr
    assert parts(api) == []


def test_missing_permissions_are_named_all_at_once(api: KubeApi, invite: Invite) -> None:
    message = refused(invite("edit", api)("key", "create", "app"))
    for kind in ("roles", "rolebindings"):
        assert f"create {kind}.rbac.authorization.k8s.io in namespace {api.namespace}" in message
    assert "serviceaccounts" not in message
    message = refused(invite("view", api)("key", "create", "app"))
    assert f"create serviceaccounts/token in namespace {api.namespace}" in message
    assert parts(api) == []


def test_nobody_grants_what_they_may_not_do(api: KubeApi, other: KubeApi, admin: Person) -> None:
    other.apply(instance("qwen"))
    message = refused(admin("key", "create", "app", "--model", f"{other.namespace}/qwen"))
    assert f"create roles.rbac.authorization.k8s.io in namespace {other.namespace}" in message
    assert parts(api) == parts(other) == []


def test_without_the_permission_to_execute_none_is_granted(api: KubeApi, invite: Invite) -> None:
    somebody = invite(None, api)
    rules = [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token", "secrets"], "verbs": ["create"]},
        {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["create"]},
    ]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "keys"}, "rules": rules}
    api.create(role)
    api.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "keys"},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "keys"},
            "subjects": [{"kind": "ServiceAccount", "name": "nobody", "namespace": api.namespace}],
        }
    )
    wait_for(lambda: somebody.run("auth", "can-i", "create", "roles").returncode == 0)

    message = refused(somebody("key", "create", "app"))

    assert "you cannot create modelinstances.modeloperator.dev/execute of all models of namespace" in message
    assert "install the roles of the gateway" in message
    assert parts(api) == []


def test_a_failure_half_way_leaves_nothing(api: KubeApi, admin: Person) -> None:
    quota = {"hard": {"secrets": "0"}}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": quota})
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard"), message="it counts")

    message = refused(admin("key", "create", "app"))

    assert "exceeded quota" in message
    assert message.endswith("; no part of the key is left")
    assert parts(api) == []


def test_what_cannot_be_deleted_is_named(api: KubeApi, admin: Person, invite: Invite) -> None:
    created(admin, "app")

    message = refused(invite("edit", api)("key", "revoke", "app"))

    assert message.startswith(
        f"key app of namespace {api.namespace}: not all parts could be deleted: RoleBinding"
    )
    assert message.endswith(f"; ServiceAccount {api.namespace}/model-key-app: is deleted after the others")
    assert api.find("Secret", "model-key-app") is None
    assert admin("key", "revoke", "app").returncode == 0
    assert parts(api) == []
