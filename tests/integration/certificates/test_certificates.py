"""The webhooks' certificate on the real API server: agreed upon, renewed in time, trusted at each step."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from model_operator.controller.webhooks.certificate import SECRET_NAME
from model_operator.controller.webhooks.issuing import issue, issue_authority
from model_operator.core.webhooks.certificate import Renewal, read_authorities
from tests.cluster.webhooks import LOOPBACK
from tests.integration.certificates.setting import KINDS, Setting, eventually, running, serving

DAY = timedelta(days=1)


async def test_replicas_that_start_at_once_agree(setting: Setting) -> None:
    replicas = [setting.certificate() for _ in range(4)]
    await asyncio.gather(*(replica.ensure() for replica in replicas))
    assert {setting.shown(replica) for replica in replicas} == {setting.made()}
    assert read_authorities(setting.bundle()) == read_authorities(setting.secret()["ca.crt"])


async def test_a_further_start_writes_nothing(setting: Setting) -> None:
    await setting.certificate().ensure()
    before = [setting.api.get("Secret", SECRET_NAME), *map(setting.live, KINDS)]
    late = setting.certificate()
    await late.ensure()
    await late.ensure()
    assert [setting.api.get("Secret", SECRET_NAME), *map(setting.live, KINDS)] == before
    assert setting.shown(late) == setting.made()


async def test_a_due_certificate_is_renewed_while_running(setting: Setting) -> None:
    setting.clock.now -= 61 * DAY
    certificate = setting.certificate()
    await certificate.ensure()
    first, bundle, key = setting.made(), setting.bundle(), setting.secret()["tls.key"]
    assert setting.shown(certificate) == first
    async with running(certificate):
        setting.clock.now += 61 * DAY
        await eventually(lambda: setting.shown(certificate) != first, "a new certificate is served")
    assert setting.shown(certificate) == setting.made()
    assert setting.bundle() == bundle, "the authority is the same"
    assert setting.secret()["tls.key"] != key


async def test_an_expired_certificate_is_replaced_at_the_start(setting: Setting) -> None:
    setting.clock.now -= 100 * DAY
    await setting.certificate().ensure()
    expired = setting.made()
    setting.clock.now += 100 * DAY
    certificate = setting.certificate()
    await certificate.ensure()
    assert setting.shown(certificate) == setting.made() != expired


async def test_the_api_server_calls_before_and_after_an_expiry(setting: Setting) -> None:
    """The server is never restarted; the API server refuses an expired certificate and takes the new one."""
    setting.clock.now -= 100 * DAY
    certificate = setting.certificate()
    await certificate.ensure()
    async with serving(certificate, lambda path: path != "/validate") as port:
        for kind, path in zip(KINDS, ("validate", "mutate"), strict=True):
            address = {"url": f"https://{LOOPBACK}:{port}/{path}"}
            patch = {"webhooks": [{"name": "one.certificates.test", "clientConfig": address}]}
            setting.api.patch(kind, setting.name, patch, patch_type="strategic")

        await eventually(
            lambda: "certificate has expired" in setting.refusal(), "the API server sees the expiry"
        )
        async with running(certificate):
            setting.clock.now += 100 * DAY
            await eventually(
                lambda: setting.refusal().endswith("denied the request: reached"), "it is reached"
            )


async def test_each_step_of_a_change_of_authority_is_trusted(setting: Setting) -> None:
    first, second = setting.certificate(), setting.certificate()
    await first.ensure()
    await second.ensure()
    old = setting.made()
    setting.put_secret({})

    await first.ensure()  # makes another authority and publishes it; the API server learns of it now
    assert len(read_authorities(setting.bundle())) == 2
    assert setting.shown(first) == setting.shown(second) == old
    await first.ensure()
    assert setting.shown(first) == setting.made() != old
    assert setting.shown(second) == old
    await second.ensure()  # learns of it; other API servers may not have done so
    assert setting.shown(second) == old
    await second.ensure()
    assert setting.shown(second) == setting.made()

    setting.clock.now += 89 * DAY
    await first.ensure()
    assert len(read_authorities(setting.bundle())) == 2, "the old one may have signed until a moment ago"
    setting.clock.now += 2 * DAY
    await first.ensure()
    assert len(read_authorities(setting.bundle())) == 1


async def test_a_due_authority_is_replaced(setting: Setting) -> None:
    now = setting.clock.now
    old = issue_authority(now - 3000 * DAY)
    identity = issue(Renewal("", old), [LOOPBACK], now)
    setting.put_secret(identity.data)
    certificate = setting.certificate()
    await certificate.ensure()
    new, kept = read_authorities(setting.bundle())
    assert kept == old.certificate != new
    assert read_authorities(setting.secret()["ca.crt"]) == (new, kept)
    assert setting.shown(certificate) == setting.made()
