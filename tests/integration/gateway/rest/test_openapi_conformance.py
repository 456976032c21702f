"""Generated requests to a real gateway: no answer outside its document, and no error of a server but 501."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core import NotSet
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from model_operator.core.gateway.rest.control_routes import CONTROL_ROUTES, Operation
from model_operator.gateway.rest.api_documents import api_document
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import chat_template, model_instance, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.gateway.process import GatewayProcess, StubWorkers
    from tests.cluster.kube_api import KubeApi

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = {"control": 10, "call": 5, "missing": 2}
"""Valid requests for each operation."""
INVALID = 5
"""Requests with an invalid body for each operation of the REST API that has one."""
MOST = 300
"""Requests in all."""
DOCUMENT = api_document()
OPERATIONS = {
    (method.value, route.pattern): operation
    for route in CONTROL_ROUTES
    for method, operation in route.operations.items()
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the failures that the platform's description of one operation leaves out.

    And without security schemes: a generated key beside the test's own would be refused.
    """
    completed = copy.deepcopy(document)
    del completed["security"]
    paths = completed["paths"]
    failures = {
        status: each
        for status, each in paths["/v4/model-templates"]["post"]["responses"].items()
        if status != "200"
    }
    created = paths["/v4/models"]["post"]
    created["responses"] = failures | created["responses"]
    return completed


SCHEMA = schemathesis.openapi.from_dict(complete(DOCUMENT))


KINDS: dict[str, dict[str, str]] = {
    "chat": {"model_type": "CHAT_COMPLETION", "endpoint_protocol": "OPENAI"},
    "complete": {"model_type": "COMPLETION", "endpoint_protocol": "OPENAI"},
    "embed": {"model_type": "EMBEDDING", "endpoint_protocol": "OPENAI"},
    "rank": {"model_type": "RERANKING", "endpoint_protocol": "COHERE"},
    "any": {"model_type": "GENERIC", "endpoint_protocol": "SGP"},
}
"""The models that are called, by name."""
CALLED = {
    "chat/completions": "chat",
    "chat-completions": "chat",
    "completions": "complete",
    "embeddings": "embed",
    "embed": "embed",
    "rerank": "rank",
    "rerankings": "rank",
    "execute": "any",
}
"""The model for each path that calls one, by its end."""


def required(method: str, path: str) -> list[str]:
    """Return the required fields of a body."""
    content = DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return list(DOCUMENT["components"]["schemas"][name].get("required", []))


class Aim:
    """Leads generated requests to objects that are there; makes those that a request changes or deletes."""

    def __init__(self, api: KubeApi, port: int) -> None:
        self.api = api
        self.account = api.namespace
        self._port = port
        self._numbers = itertools.count()

    def lead(self, case: Any, kind: str) -> None:
        """Change a request so that it may succeed."""
        if case.headers:
            case.headers.pop("x-selected-account-id", None)
        if kind == "call":
            self._lead_call(case)
        elif case.path in ("/v4/models", "/v4/model-templates") and case.method == "POST":
            self._lead_creation(case)
        else:
            self._lead_other(case)

    def _lead_call(self, case: Any) -> None:
        model = next((model for end, model in CALLED.items() if case.path.endswith(f"/{end}")), "chat")
        variables = case.path_parameters
        for variable in variables:
            variables[variable] = f"{self.account}%2F{model}"
        if "model" in variables and "deployment" in variables:
            variables["deployment"] = model
        if isinstance(case.body, dict):
            needed = required(case.method, case.path)
            case.body = {name: value for name, value in case.body.items() if name in needed}
            if case.path == "/v2/embed":
                case.body["texts"] = ["a cat"]  # or the other form, which is why none is required
            if "model" in case.body:
                case.body["model"] = f"{self.account}/{model}"

    def _lead_creation(self, case: Any) -> None:
        body = case.body
        body |= {"name": f"made {next(self._numbers)}", "account_id": self.account}
        if case.path == "/v4/models":
            body.pop("model_vendor", None)
            body |= {"model_template_id": "chat", "model_type": "CHAT_COMPLETION"}
            body["model_creation_parameters"] = {}
        else:
            body["vendor_configuration"] = {
                "bundle_config": {"registry": "registry.test", "image": "chat", "tag": "v1"}
            }

    def _lead_other(self, case: Any) -> None:
        variables = case.path_parameters
        if "template" in variables:
            variables["template"] = f"{self.account}%2F{self.template()}"
        if "model" in variables:
            variables["model"] = f"{self.account}%2F{self.model()}"
        if "deployment" in variables:
            variables["deployment"] = "blue"
        if isinstance(case.body, dict):
            for name in ("model_creation_parameters", "model_vendor", "model_type", "wait_for_ready"):
                case.body.pop(name, None)
            for name, value in (("account_id", self.account), ("model_template_id", "chat")):
                if name in case.body:
                    case.body[name] = value
            if case.method == "POST":
                case.body["name"] = "green"
            elif "deployment" in variables:
                case.body.pop("name", None)

    def template(self) -> str:
        """Make a template that nothing uses; return its name."""
        name = f"unused-{next(self._numbers)}"
        self.api.apply(chat_template(self._port, name))
        return name

    def model(self) -> str:
        """Make a model with the deployment ``blue``, which nothing calls; return its name."""
        name = f"unused-{next(self._numbers)}"
        self.api.apply(model_instance(name, deployments=[{"name": "blue"}], suspend=True))
        return name


@pytest.fixture
def aim(api: KubeApi, operator: None, stub: StubWorkers, gateway: GatewayProcess, key: str) -> Aim:
    """Give models that answer, and what leads requests to them."""
    for name, fields in KINDS.items():
        api.apply(chat_template(stub.port, name, **fields))
        api.apply(model_instance(name, name))

    def are_called() -> bool:
        paths = [f"/v4/models/{api.namespace}%2F{name}/deployments/{name}/execute" for name in KINDS]
        # 422: the body is not one of the type.
        return all(post(gateway, key, path, {})[0] in (200, 422) for path in paths)

    wait_for(are_called, 90, "the models are called")
    return Aim(api, stub.port)


@pytest.fixture
def token(api: KubeApi) -> str:
    """Give a token for the API server, of an owner of the namespace without rights elsewhere."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "owner"}}
    rbac = "rbac.authorization.k8s.io"
    api.apply(account)
    api.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": "owner"},
            "rules": [{"apiGroups": ["modeloperator.dev"], "resources": ["*"], "verbs": ["*"]}],
        }
    )
    api.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "owner"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "owner"},
            "subjects": [{"kind": "ServiceAccount", "name": "owner", "namespace": api.namespace}],
        }
    )
    answer = api.request(
        "POST",
        f"/api/v1/namespaces/{api.namespace}/serviceaccounts/owner/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    return str(answer["status"]["token"])


def kind_of(method: str, path: str) -> str:
    operation = OPERATIONS.get((method, path))
    if operation is None:
        return "call"
    return "missing" if operation is Operation.NOT_IMPLEMENTED else "control"


def documented() -> Iterator[tuple[str, str, Any]]:
    """Yield each operation of the document with its method and path."""
    for result in SCHEMA.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        yield operation.method.upper(), operation.path, operation


def examine(
    cases: st.SearchStrategy[Any], count: int, kind: str, url: str, token: str, aim: Aim
) -> tuple[Counter[int], list[str]]:
    """Send generated requests of an operation, most of them led to objects; return statuses and faults."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(case=cases, is_led=st.sampled_from((True, True, False)))
    def send(case: Any, is_led: bool) -> None:
        if is_led and isinstance(case.body, dict | NotSet):
            aim.lead(case, kind)
        response = case.call(url, headers={"Authorization": f"Bearer {token}"}, timeout=90)
        statuses[response.status_code] += 1
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            assert (kind, response.status_code) == ("missing", 501), response.text
        case.validate_response(response, checks=CHECKS)

    try:
        send()
    except AssertionError as error:
        return statuses, [str(error)]
    except BaseExceptionGroup as errors:
        return statuses, [str(each) for each in errors.exceptions]
    return statuses, []


def test_generated_requests_are_answered_as_the_document_says(
    gateway: GatewayProcess, aim: Aim, token: str
) -> None:
    faults: list[str] = []
    sent = 0
    without_success: list[str] = []
    for method, path, operation in documented():
        kind = kind_of(method, path)
        statuses, found = examine(operation.as_strategy(), EXAMPLES[kind], kind, gateway.url, token, aim)
        sent += statuses.total()
        if kind == "control" and operation.body:
            invalid = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
            others, further = examine(invalid, INVALID, kind, gateway.url, token, aim)
            sent += others.total()
            found += further
        faults += [f"{method} {path}: {each}" for each in found]
        if kind != "missing" and not statuses[HTTPStatus.OK]:
            without_success.append(f"{method} {path}: {dict(statuses)}")
    gateway.check_running()
    assert not faults, "\n\n".join(faults)
    assert not without_success, "\n".join(without_success)
    assert sent <= MOST


def test_who_has_no_right_is_answered_as_the_document_says(
    gateway: GatewayProcess, chat: str, key: str
) -> None:
    """Without a key, with one that is none, and with one that is for calls alone."""
    given_keys = {"": 401, "none": 401, key: 403}
    for method, path, operation in documented():
        kind = kind_of(method, path)
        variables = dict.fromkeys(("model", "deployment", "template", "group", "server", "alias"), "chat")
        for sent, status in given_keys.items():
            if sent == key and kind == "call":
                continue
            case = operation.Case(
                path_parameters={name: value for name, value in variables.items() if f"{{{name}}}" in path}
            )
            headers = {"x-api-key": sent} if sent else {}
            response = case.call(gateway.url, headers=headers, timeout=60)
            assert response.status_code == status, (method, path, response.text)
            case.validate_response(response, checks=CHECKS)
