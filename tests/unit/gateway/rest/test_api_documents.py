"""The document of the API: the platform's where that is normative, and of the routes that there are."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPMethod
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from model_operator.core.gateway.apis import ROUTES
from model_operator.core.gateway.rest.control_routes import CONTROL_ROUTES, Operation
from model_operator.core.gateway.rest.deployment_requests import NewDeployment, Workers
from model_operator.core.gateway.rest.list_queries import SORT_FIELDS, Listed
from model_operator.core.gateway.rest.model_requests import NewModel
from model_operator.core.gateway.rest.template_requests import (
    NewBundle,
    NewEndpoint,
    NewTemplate,
    NewVendorConfiguration,
    Parameter,
    ParameterList,
)
from model_operator.core.values.json_values import stable_json
from model_operator.gateway.model_listing import PATH as MODELS_PATH
from model_operator.gateway.rest.api_documents import document_pages

PLATFORM = yaml.safe_load(Path(__file__).with_name("create-model-openapi.yaml").read_text())
METHODS = {method.lower() for method in HTTPMethod}
REFERENCE = "#/components/schemas/"


def served() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(document_pages()["/openapi.json"].body)
    return document


def references(value: Any) -> Iterator[str]:
    """Yield the targets of all references in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def closure(document: Mapping[str, Any], root: Any) -> dict[str, Any]:
    """Return the schemas that a value needs, by name."""
    found: dict[str, Any] = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop().removeprefix(REFERENCE)
        if name not in found:
            found[name] = document["components"]["schemas"][name]
            waiting += references(found[name])
    return found


def operations(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations of a document by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_creating_a_model_is_described_as_the_platform_describes_it() -> None:
    ours, theirs = served(), PLATFORM
    operation = theirs["paths"]["/v4/models"]["post"]
    assert stable_json(ours["paths"]["/v4/models"]["post"]) == stable_json(operation)
    schemas = closure(theirs, operation)
    assert len(schemas) == 10
    assert schemas == theirs["components"]["schemas"]  # nothing else was copied
    assert stable_json(closure(ours, operation)) == stable_json(schemas)
    assert schemas["ModelInstanceRequest"]["properties"]["account_id"]["can_patch"] is False


def test_the_document_has_the_paths_and_methods_that_there_are() -> None:
    routes = {("POST", route.pattern) for route in ROUTES}
    routes |= {(method.value, route.pattern) for route in CONTROL_ROUTES for method in route.operations}
    routes |= {("GET", MODELS_PATH), ("GET", f"{MODELS_PATH}/{{model}}")}
    assert set(operations(served())) == routes


def test_what_is_not_implemented_says_so() -> None:
    documented = operations(served())
    for route in CONTROL_ROUTES:
        for method, operation in route.operations.items():
            described = documented[method.value, route.pattern]
            is_missing = operation is Operation.NOT_IMPLEMENTED
            assert (described["tags"] == ["Not implemented"]) is is_missing
            assert ("501" in described["responses"]) is is_missing
            assert ("200" in described["responses"]) is not is_missing


def test_an_operation_is_named_by_method_and_path() -> None:
    for (method, path), operation in operations(served()).items():
        version, rest = path.removeprefix("/").split("/", 1)
        assert operation["operationId"] == f"{method}-{version.upper()}-/{rest}"
        assert operation["summary"]


def test_each_variable_of_a_path_is_described() -> None:
    document = served()
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        variables = re.findall(r"\{(\w+)\}", path)
        described = [
            document["components"]["parameters"][each["$ref"].rpartition("/")[2]]
            for each in shared
            if "$ref" in each
        ]
        assert [each["name"] for each in described if each["in"] == "path"] == variables, path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v4/models", Listed.MODELS),
        ("/v4/models/{model}/deployments", Listed.DEPLOYMENTS),
        ("/v4/model-deployments", Listed.DEPLOYMENTS),
    ],
)
def test_a_list_is_sorted_by_the_fields_that_are_described(path: str, kind: Listed) -> None:
    parameters = served()["paths"][path]["get"]["parameters"]
    (sort_by,) = [each for each in parameters if each.get("name") == "sort_by"]
    fields, directions = re.findall(r"\(([^)]*)\)", sort_by["schema"]["items"]["pattern"])
    assert tuple(fields.split("|")) == SORT_FIELDS[kind]
    assert directions == "asc|desc"


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        ("ModelInstanceRequest", NewModel),
        ("ModelDeploymentRequest", NewDeployment),
        ("LaunchDeploymentVendorConfiguration", Workers),
        ("ModelTemplateRequest", NewTemplate),
        ("CreateLaunchVendorConfiguration", NewVendorConfiguration),
        ("ParameterSchema", ParameterList),
        ("ParameterSchemaField", Parameter),
    ],
)
def test_a_request_has_the_fields_that_are_read(schema: str, model: type[BaseModel]) -> None:
    described = served()["components"]["schemas"][schema]
    assert set(described["properties"]) == set(model.model_fields)
    required = {name for name, each in model.model_fields.items() if each.is_required()}
    assert set(described.get("required", [])) == required


@pytest.mark.parametrize(
    ("schema", "model", "without_effect"),
    [
        ("ModelBundleConfiguration", NewBundle, set()),
        ("CreateModelEndpointConfig", NewEndpoint, {"endpoint_type"}),
    ],
)
def test_a_template_may_have_further_fields(
    schema: str, model: type[BaseModel], without_effect: set[str]
) -> None:
    described = served()["components"]["schemas"][schema]
    assert set(described["properties"]) - set(model.model_fields) == without_effect
    required = {name for name, each in model.model_fields.items() if each.is_required()}
    assert set(described.get("required", [])) == required


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(served()).iter_errors()) == []


def test_all_that_is_shared_is_used() -> None:
    document = served()
    used = set(references(document))
    for kind in ("schemas", "responses", "parameters", "headers"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}" in used


def test_a_key_is_sent_in_either_header() -> None:
    document = served()
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "x-api-key")
    assert not any("security" in operation for operation in operations(document).values())


def test_the_page_loads_what_is_served_and_nothing_from_elsewhere() -> None:
    pages = document_pages()
    html = pages["/docs"].body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', html)
    script = pages["/docs/docs.js"].body.decode()
    loaded += re.findall(r'url: "([^"]+)"', script)
    assert {f"/{each}" for each in loaded} == set(pages) - {"/docs"}
    assert "://" not in html + script
    assert "<style" not in html
    assert "<script>" not in html
    assert "validatorUrl: null" in script  # Swagger UI would send the document to its own host


@pytest.mark.parametrize(
    ("path", "content_type", "begin"),
    [
        ("/openapi.json", "application/json", b'{"openapi":"3.1.0"'),
        ("/docs", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/docs/docs.js", "text/javascript; charset=utf-8", b'"use strict"'),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", b""),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8", b""),
        ("/docs/favicon-32x32.png", "image/png", b"\x89PNG"),
    ],
)
def test_each_file_has_its_type(path: str, content_type: str, begin: bytes) -> None:
    page = document_pages()[path]
    assert page.content_type == content_type
    assert page.body.startswith(begin)
    assert page.body


def test_nothing_of_the_kept_package_is_imported() -> None:
    document_pages()
    assert "flask_swagger_ui" not in sys.modules
