"""Published manifests as templates: valid, and rendered without a difference from what they state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hack.kubernetes_schemas import packaged
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Severity
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.rendering.render import render
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings
from tests.examples import published

PAIRS = {instance["metadata"]["name"]: (template, instance) for template, instance in published.pairs()}
manifests = pytest.mark.parametrize("name", sorted(PAIRS))


def rendered(name: str) -> RenderedDeployment:
    template, instance = PAIRS[name]
    (found,) = render(parse_template(template), parse_instance(instance)[0]).deployments
    return found


def pod(name: str) -> Any:
    return rendered(name).deployment.manifest["spec"]["template"]


def model(name: str) -> Any:
    return next(each for each in pod(name)["spec"]["containers"] if each["name"] == "model")


def differences(stated: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which a rendered object lacks what was stated; lists may have more items."""
    if isinstance(stated, str) and "$(" in stated:
        return  # the instance decides
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        for key, value in stated.items():
            yield from differences(value, found.get(key), f"{path}.{key}")
    elif isinstance(stated, list) and isinstance(found, list):
        for index, item in enumerate(stated):
            here = f"{path}[{index}]"
            if isinstance(item, Mapping) and "name" in item:
                alike = [each for each in found if each["name"] == item["name"]]
                # A volume may be mounted several times.
                tried = [list(differences(item, each, here)) for each in alike] or [[here]]
                yield from min(tried, key=len)
            elif item not in found:
                yield here
    elif stated != found:
        yield path


@manifests
def test_it_is_valid(name: str) -> None:
    (path,) = [path for path in published.MANIFESTS if f"name: {name}}}" in path.read_text(encoding="utf-8")]
    documents = list(read_documents(path.read_text(encoding="utf-8"), path.name))

    found = Checker(collect(documents), RenderSettings(), KubernetesSchemas(packaged())).findings()

    assert [finding for finding in found if finding.severity is Severity.ERROR] == []


@manifests
def test_nothing_stated_is_lost(name: str) -> None:
    stated = PAIRS[name][0]["spec"].get("pod_template", {})

    assert list(differences(stated, pod(name))) == []


@manifests
def test_the_bundle_is_what_runs(name: str) -> None:
    configuration = PAIRS[name][0]["spec"]["vendor_configuration"]
    bundle, container = configuration["bundle_config"], model(name)

    assert container["image"] == f"{bundle['registry']}/{bundle['image']}:{bundle['tag']}"
    assert list(differences(bundle.get("command", []), container.get("command", []))) == []
    assert len(bundle.get("args", [])) == len(container.get("args", []))
    variables = {each["name"]: each.get("value") for each in container.get("env", [])}
    parameters = PAIRS[name][1]["spec"].get("model_creation_parameters", {})
    expected = {key: value for key, value in bundle.get("env", {}).items() if key not in parameters}
    assert expected.items() <= variables.items()


@manifests
def test_the_service_leads_to_its_port(name: str) -> None:
    found, container = rendered(name), model(name)
    assert found.service is not None
    target = found.service.manifest["spec"]["ports"][0]["targetPort"]

    (port,) = [each for each in container["ports"] if target in (each.get("name"), each["containerPort"])]

    assert port["containerPort"] == published.PORTS[name]
    probe = container["readinessProbe"]
    asked = next(handler["port"] for key, handler in probe.items() if key in ("httpGet", "tcpSocket"))
    assert asked in (port["name"], port["containerPort"])


@manifests
def test_gpus_are_tolerated(name: str) -> None:
    limits = model(name)["resources"]["limits"]
    keys = {each["key"] for each in pod(name)["spec"].get("tolerations", [])}

    assert keys == {resource for resource in limits if resource.endswith("/gpu")}
