"""A namespace for the tests of the webhooks' certificate, and replicas with the shipped rights."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography import x509

from model_operator.controller.webhooks.certificate import SECRET_NAME, ServingCertificate
from model_operator.kube.client import ApiClient
from tests.cluster.handshake import shown_certificate
from tests.cluster.kube_api import KubeApi, KubeApiError, Object, Objects
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import LOOPBACK, shipped

KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
SERVICE_ACCOUNT = "operator"
CALLING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: any, labels: {certificates: one}}
"""
"""Its creation calls the webhook ``one`` of `Setting.configuration`."""


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Setting:
    """A namespace with webhook configurations of its own, and an operator's identity in it.

    Parameters
    ----------
    api
        An administrator in the namespace.
    client
        The operator, with the shipped rights to Secrets and webhook configurations only.
    """

    def __init__(self, api: KubeApi, client: ApiClient) -> None:
        self.api = api
        self.client = client
        self.name = f"certificates-{api.namespace}"
        self.clock = Clock()

    def certificate(self) -> ServingCertificate:
        """Make a replica's certificate; `run` looks all the time."""
        return ServingCertificate(
            self.client,
            self.api.namespace,
            extra_names=[LOOPBACK],
            configuration=self.name,
            clock=self.clock,
            period=0.05,
        )

    def configuration(self, kind: str, port: int = 1, *, names: tuple[str, ...] = ("one", "two")) -> Object:
        """Give a webhook configuration as manifests have it: without ``caBundle``."""
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name},
            "webhooks": [
                {
                    "name": f"{name}.certificates.test",
                    "clientConfig": {"url": f"https://{LOOPBACK}:{port}/{name}"},
                    "rules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["configmaps"],
                        }
                    ],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.api.namespace}},
                    "objectSelector": {"matchLabels": {"certificates": name}},
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                }
                for name in names
            ],
        }

    def live(self, kind: str = KINDS[0]) -> Object:
        """Give a live webhook configuration."""
        return self.api.get(kind, self.name)

    def bundles(self) -> list[bytes]:
        """Give every ``caBundle`` there is."""
        webhooks: Objects = [webhook for kind in KINDS for webhook in self.live(kind)["webhooks"]]
        return [b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in webhooks]

    def bundle(self) -> bytes:
        """Give the ``caBundle``, which is to be the same everywhere."""
        found = set(self.bundles())
        # Not yet, to who waits: the configurations are patched one after the other.
        assert len(found) == 1
        return found.pop()

    def secret(self) -> dict[str, bytes]:
        """Give the Secret's content."""
        data = self.api.get("Secret", SECRET_NAME).get("data", {})
        return {entry: b64decode(content) for entry, content in data.items()}

    def put_secret(self, data: dict[str, bytes], **fields: Any) -> None:
        """Have a Secret with this content only."""
        if self.api.find("Secret", SECRET_NAME):
            self.api.delete("Secret", SECRET_NAME)
        encoded = {entry: b64encode(content).decode() for entry, content in data.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET_NAME}, "data": encoded}
        self.api.create(secret | fields)

    def made(self) -> x509.Certificate:
        """Give the certificate in the Secret."""
        return x509.load_pem_x509_certificate(self.secret()["tls.crt"])

    def shown(self, certificate: ServingCertificate) -> x509.Certificate:
        """Give the certificate that a caller sees who trusts every ``caBundle`` of now."""
        service = f"model-operator-webhook.{self.api.namespace}.svc"
        by_name = shown_certificate(certificate.ssl_context, self.bundle(), service)
        assert shown_certificate(certificate.ssl_context, self.bundle(), LOOPBACK) == by_name
        return by_name

    def refusal(self) -> str:
        """Return why the API server refuses `CALLING`; ``let in`` if it does not."""
        try:
            self.api.create(CALLING, dry_run=True)
        except KubeApiError as error:
            return error.message
        return "let in"

    def rights(self) -> Objects:
        """Give the shipped rights to Secrets and webhook configurations, for this namespace and its names."""
        rights = [obj for obj in shipped("rbac.yaml") if obj["kind"] != "ServiceAccount"]
        for obj in rights:
            metadata = obj["metadata"]
            metadata.pop("namespace", None)
            if obj["kind"].startswith("ClusterRole"):
                metadata["name"] = self.name
            if obj["kind"] == "ClusterRole":
                group = "admissionregistration.k8s.io"
                obj["rules"] = [
                    rule | {"resourceNames": [self.name]}
                    for rule in obj["rules"]
                    if group in rule["apiGroups"]
                ]
            if obj["kind"] == "ClusterRoleBinding":
                obj["roleRef"]["name"] = self.name
            for subject in obj.get("subjects", []):
                subject.update(name=SERVICE_ACCOUNT, namespace=self.api.namespace)
        return rights


@asynccontextmanager
async def running(certificate: ServingCertificate) -> AsyncIterator[None]:
    """Have a replica look all the time."""
    task = asyncio.create_task(certificate.run())
    try:
        yield
    finally:
        assert not task.done(), "it runs for ever"
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(check: Callable[[], object], message: str) -> None:
    """Wait for `check` as `wait_for` does, while the event loop goes on."""
    await asyncio.to_thread(wait_for, check, 30, message)


@asynccontextmanager
async def serving(
    certificate: ServingCertificate, allows: Callable[[str], bool | None]
) -> AsyncIterator[int]:
    """Serve webhooks with the certificate of a replica, and give the port.

    Parameters
    ----------
    certificate
        The certificate; it may change meanwhile.
    allows
        Whether the webhook at a path allows every request; None if the path does not exist.
    """

    async def answer(request: web.Request) -> web.Response:
        allowed = allows(request.rel_url.raw_path)
        if allowed is None:
            raise web.HTTPNotFound
        review = await request.json()
        verdict = {"uid": review["request"]["uid"], "allowed": allowed, "status": {"message": "reached"}}
        return web.json_response({**review, "request": None, "response": verdict})

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0, ssl_context=certificate.ssl_context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
