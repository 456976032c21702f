"""All who judge a template know the domains that the operator administrator has freed."""

from __future__ import annotations

import json

import pytest

from hack.kubernetes_schemas import packaged
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Severity
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.webhooks.callers import Caller, Webhook
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, review, stored

TEMPLATE = template()
TEMPLATE["spec"] |= {
    "pod_template": {"metadata": {"annotations": {"corp.io/model": "$(parameters.MODEL_NAME)"}}}
}
FREE, NOT_FREE = RenderSettings(free_metadata_domains=("corp.io",)), RenderSettings()


@pytest.mark.parametrize(("settings", "allowed"), [(FREE, True), (NOT_FREE, False)], ids=["free", "not free"])
@pytest.mark.parametrize("caller", [Caller.AUTHENTICATED, Caller.STRANGER])
async def test_the_webhook(settings: RenderSettings, caller: Caller, *, allowed: bool) -> None:
    server = FakeServer()
    body = json.dumps(review(stored(TEMPLATE))).encode()

    reviewer = admission(server, rendering=settings).reviewers[Webhook.TEMPLATE]

    assert json.loads(await reviewer.review(body, caller))["response"]["allowed"] is allowed


@pytest.mark.parametrize(("settings", "allowed"), [(FREE, True), (NOT_FREE, False)], ids=["free", "not free"])
async def test_the_webhook_of_an_instance_whose_template_is_read_again(
    settings: RenderSettings, *, allowed: bool
) -> None:
    server = FakeServer()
    server.put(stored(TEMPLATE))
    # Denied by a template that is not valid; only the live one says whether its parameters are right.
    wrong = stored(instance(model_creation_parameters={"MODEL_NAME": 7}))
    body = json.dumps(review(wrong)).encode()

    reviewer = admission(server, rendering=settings).reviewers[Webhook.INSTANCE]
    answer = json.loads(await reviewer.review(body, Caller.AUTHENTICATED))["response"]

    assert answer["allowed"] is not allowed


@pytest.mark.parametrize(
    ("settings", "codes"), [(FREE, []), (NOT_FREE, ["closed_values"])], ids=["free", "not free"]
)
def test_the_caches_and_the_command_line(settings: RenderSettings, codes: list[str]) -> None:
    state = ClusterState(settings.free_metadata_domains)
    collection = collect(read_documents(json.dumps(TEMPLATE), "t.yaml"))

    findings = Checker(collection, settings, KubernetesSchemas(packaged())).findings()

    assert [fault.type for fault in state.compiled(stored(TEMPLATE)).violations] == codes
    assert [each.code for each in findings if each.severity is Severity.ERROR] == codes
