"""The token in the webhooks' paths on a real API server: applied over, rotated, accepted at each step."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import structlog
import yaml

from model_operator.controller.webhooks.certificate import SECRET_NAME, ServingCertificate
from model_operator.core.webhooks.callers import Caller, Webhook, path_of, webhook_named
from tests.cluster.webhooks import LOOPBACK, shipped
from tests.integration.certificates.setting import KINDS, Setting, eventually, running, serving

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl

DAY = timedelta(days=1)
SERVER_SIDE = ("apply", "--server-side", "-f", "-")
CLIENT_SIDE = ("apply", "-f", "-")
APPLIES = [CLIENT_SIDE, SERVER_SIDE, (*SERVER_SIDE, "--force-conflicts", "--field-manager=gitops")]


def manifests(setting: Setting, *, with_paths: bool = False) -> str:
    """Give the shipped configurations, under the setting's name and for no object at all."""
    objects = [obj for obj in shipped("webhooks.yaml") if obj["kind"] in KINDS]
    for obj in objects:
        obj["metadata"]["name"] = setting.name
        for webhook in obj["webhooks"]:
            webhook["objectSelector"] = {"matchLabels": {"nobody": "has-this"}}
            if with_paths:
                webhook["clientConfig"]["service"]["path"] = str(webhook_named(webhook["name"]))
    return yaml.safe_dump_all(objects)


def paths(setting: Setting) -> dict[str, str]:
    """Give the paths of all webhooks by name."""
    webhooks = [webhook for kind in KINDS for webhook in setting.live(kind)["webhooks"]]
    return {each["name"]: each["clientConfig"]["service"].get("path", "") for each in webhooks}


def token(setting: Setting) -> str:
    """Give the token that the configurations have, which is to be one for all."""
    tokens = {path.split("/")[1] for path in paths(setting).values()}
    assert len(tokens) == 1
    return tokens.pop()


def accepts(certificate: ServingCertificate, token: str) -> bool:
    """Tell whether a replica takes who shows a token for an API server."""
    call = certificate.caller_policy.admit(path_of(Webhook.INSTANCE, token))
    return call is not None and call.caller is Caller.AUTHENTICATED


@pytest.fixture
def bare(setting: Setting) -> Setting:
    """Give a setting without webhook configurations."""
    for kind in KINDS:
        setting.api.delete(kind, setting.name)
    return setting


@pytest.mark.parametrize("apply", APPLIES, ids=["client", "server", "forced"])
async def test_applying_the_manifests_again_changes_nothing(
    bare: Setting, kubectl: Kubectl, apply: tuple[str, ...]
) -> None:
    kubectl(*apply, input=manifests(bare))
    await bare.certificate().ensure()
    (present,) = bare.secret()["path-tokens"].decode().split()
    assert paths(bare) == {
        name: f"/{present}{webhook_named(name)}"
        for name in paths(bare)
    }  # fmt: skip
    assert len(paths(bare)) == len(Webhook)
    before = [bare.live(kind) for kind in KINDS]
    for _ in range(2):
        kubectl("diff", *apply[1:], input=manifests(bare))
        said = kubectl(*apply, input=manifests(bare)).stdout
        assert "--server-side" in apply or said.count("unchanged") == len(KINDS)
    after = [bare.live(kind) for kind in KINDS]
    for old, new in zip(before, after, strict=True):
        assert (old["webhooks"], old["metadata"]["generation"]) == (
            new["webhooks"],
            new["metadata"]["generation"],
        )


async def test_nothing_but_authority_and_path_is_ours(bare: Setting, kubectl: Kubectl) -> None:
    kubectl(*SERVER_SIDE, input=manifests(bare))
    await bare.certificate().ensure()
    only: Object = {"f:clientConfig": {"f:caBundle": {}, "f:service": {"f:path": {}}}}
    for kind in KINDS:
        live = bare.live(kind)
        (ours,) = [e for e in live["metadata"]["managedFields"] if e["manager"] == "model-operator"]
        assert ours["operation"] == "Update"
        names = [webhook["name"] for webhook in live["webhooks"]]
        assert ours["fieldsV1"]["f:webhooks"] == {f'k:{{"name":"{name}"}}': only for name in names}


@pytest.mark.parametrize("apply", APPLIES, ids=["client", "server", "forced"])
async def test_manifests_of_an_earlier_version_are_followed_by_these(
    bare: Setting, kubectl: Kubectl, apply: tuple[str, ...]
) -> None:
    kubectl(*apply, input=manifests(bare, with_paths=True))
    certificate = bare.certificate()
    await certificate.ensure()
    assert accepts(certificate, token(bare))
    kubectl(*apply, input=manifests(bare))
    await certificate.ensure()
    assert accepts(certificate, token(bare))


async def test_a_webhook_may_be_removed_and_a_path_that_is_reset_is_put_back(
    bare: Setting, kubectl: Kubectl
) -> None:
    kubectl(*SERVER_SIDE, input=manifests(bare))
    certificate = bare.certificate()
    await certificate.ensure()
    first = token(bare)
    fewer = list(yaml.safe_load_all(manifests(bare)))
    for obj in fewer:
        obj["webhooks"] = obj["webhooks"][:1]
    kubectl(*SERVER_SIDE, input=yaml.safe_dump_all(fewer))
    assert len(paths(bare)) == len(KINDS)
    kubectl("replace", "-f", "-", input=manifests(bare))
    assert set(paths(bare).values()) == {""}
    await certificate.ensure()
    assert token(bare) == first


async def test_a_further_start_writes_nothing(bare: Setting, kubectl: Kubectl) -> None:
    kubectl(*CLIENT_SIDE, input=manifests(bare))
    await bare.certificate().ensure()
    before = [bare.api.get("Secret", SECRET_NAME), *map(bare.live, KINDS)]
    late = bare.certificate()
    await late.ensure()
    await late.ensure()
    assert [bare.api.get("Secret", SECRET_NAME), *map(bare.live, KINDS)] == before
    assert accepts(late, token(bare))


async def test_secret_of_an_earlier_version_gets_a_token(bare: Setting, kubectl: Kubectl) -> None:
    kubectl(*CLIENT_SIDE, input=manifests(bare, with_paths=True))
    await bare.certificate().ensure()
    content = bare.secret()
    del content["path-tokens"]
    bare.put_secret(content)
    certificate = bare.certificate()
    await certificate.ensure()
    assert accepts(certificate, token(bare))
    assert bare.secret()["ca.crt"] == content["ca.crt"]


async def _steps(setting: Setting, first: ServingCertificate, second: ServingCertificate) -> tuple[str, str]:
    """Have two replicas look in turn until the token has changed; whatever is published, both accept."""
    old = token(setting)
    for number, replica in enumerate((first, second, first, second)):
        await replica.ensure()
        assert accepts(first, token(setting))
        assert accepts(second, token(setting))
        assert (token(setting) == old) == (number < 2), "published one look after it was made"
    return old, token(setting)


async def test_each_step_of_a_rotation_is_accepted(bare: Setting, kubectl: Kubectl) -> None:
    kubectl(*CLIENT_SIDE, input=manifests(bare))
    first, second = bare.certificate(), bare.certificate()
    await first.ensure()
    await second.ensure()
    bare.clock.now += 61 * DAY
    old, new = await _steps(bare, first, second)
    assert accepts(first, old)
    assert accepts(bare.certificate(), new) is False, "nobody is let in before a look"
    late = bare.certificate()
    await late.ensure()
    assert accepts(late, old), "API servers may lag"
    assert token(bare) == new
    bare.clock.now += timedelta(hours=2)
    for _ in range(3):
        for replica in (first, second, late):
            await replica.ensure()
    assert [accepts(replica, old) for replica in (first, second, late)] == [False] * 3
    assert [accepts(replica, new) for replica in (first, second, late)] == [True] * 3


async def test_emptying_the_secret_revokes_the_token_without_a_gap(bare: Setting, kubectl: Kubectl) -> None:
    kubectl(*CLIENT_SIDE, input=manifests(bare))
    first, second = bare.certificate(), bare.certificate()
    await first.ensure()
    await second.ensure()
    bare.api.patch("Secret", SECRET_NAME, {"data": None})
    old, new = await _steps(bare, first, second)
    for _ in range(2):
        for replica in (first, second):
            await replica.ensure()
    assert not accepts(first, old)
    assert not accepts(second, old)
    assert accepts(first, new)
    assert accepts(second, new)


async def test_the_api_server_is_let_in_all_the_time_and_no_token_is_logged(
    bare: Setting, kubectl: Kubectl
) -> None:
    """It calls while certificate, authority and token change; with `Fail`, a 404 would be another error."""
    bare.clock.now -= 61 * DAY
    certificate = bare.certificate()
    tokens: set[str] = set()

    def allows(path: str) -> bool | None:
        """Mutating lets everything in, validating refuses everything; other paths do not exist."""
        call = certificate.caller_policy.admit(path)
        return None if call is None else call.webhook is Webhook.CREATOR

    with structlog.testing.capture_logs() as logs:
        async with serving(certificate, allows) as port:
            for obj in yaml.safe_load_all(manifests(bare)):
                for webhook in obj["webhooks"]:
                    webhook["clientConfig"] = {"url": f"https://{LOOPBACK}:{port}"}
                    webhook |= {
                        "failurePolicy": "Fail",
                        "objectSelector": {},
                        "namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": bare.api.namespace}
                        },
                        "rules": [
                            {
                                "apiGroups": [""],
                                "apiVersions": ["v1"],
                                "operations": ["CREATE"],
                                "resources": ["configmaps"],
                            }
                        ],
                        "matchConditions": [],
                    }
                kubectl("create", "-f", "-", input=yaml.safe_dump(obj))
            await certificate.ensure()
            tokens.add(_present(bare))
            await eventually(lambda: bare.refusal().endswith("reached"), "it is called")
            async with running(certificate):
                for change in ("time", "secret"):
                    if change == "time":
                        bare.clock.now += 61 * DAY
                    else:
                        bare.api.patch("Secret", SECRET_NAME, {"data": None})
                    for _ in range(40):
                        assert (await asyncio.to_thread(bare.refusal)).endswith("reached")
                    tokens.add(_present(bare))
    assert len(tokens) == 3
    text = str(logs)
    assert "caBundle and paths" in text
    assert not [each for each in tokens if each in text]


def _present(setting: Setting) -> str:
    return setting.secret()["path-tokens"].decode().split()[0]
