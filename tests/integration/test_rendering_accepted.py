"""Whatever is rendered, the API server accepts: examples and random templates, applied by dry-run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.api.enums import EndpointType, GpuType
from model_operator.core.objects.drift import is_applied, with_applied_hash
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import compile_template
from model_operator.core.templates.parsing import parse_instance, parse_template
from tests.cluster.processes import REPOSITORY
from tests.examples.objects import environment, instance, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

GOLDEN = Path(__file__).parents[1] / "unit" / "core" / "rendering" / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir())
CONVERTED = Path(__file__).parents[1] / "unit" / "core" / "offline" / "conversion" / "golden"
CATALOGUE = REPOSITORY / "manifests" / "catalogue"


def check_is_taken(api: KubeApi, child: Object) -> None:
    """Apply a child as the operator does, to the test's namespace and without an owner, and see it stored."""
    metadata = {key: value for key, value in child["metadata"].items() if key != "ownerReferences"}
    sent = with_applied_hash({**child, "metadata": {**metadata, "namespace": api.namespace}})
    stored = api.apply(sent, dry_run=True)
    assert is_applied(sent, stored), "it would be applied again for ever"


@pytest.mark.parametrize("case", CASES)
def test_examples(api: KubeApi, case: str) -> None:
    for child in yaml.safe_load_all((GOLDEN / case / "expected.yaml").read_text(encoding="utf-8")):
        if child is not None:
            check_is_taken(api, _above_zero(child))


def test_templates_of_manifests(api: KubeApi) -> None:
    """What `model-operator init` has made is accepted, and so are the children of its instances."""
    for file in sorted(CONVERTED.iterdir()):
        made, example = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        for obj in (made, example):
            obj["metadata"]["namespace"] = api.namespace
            api.apply(obj, dry_run=True)
        rendering = render(parse_template(made), parse_instance(example)[0])
        assert rendering.violations == ()
        for child in rendering.children:
            check_is_taken(api, child.manifest)


def test_templates_for_weights(api: KubeApi) -> None:
    for file in sorted((REPOSITORY / "manifests" / "samples" / "weights").iterdir()):
        template, example = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        for obj in (template, example):
            obj["metadata"]["namespace"] = api.namespace
            api.apply(obj, dry_run=True)
        rendering = render(parse_template(template), parse_instance(example)[0])
        assert rendering.violations == ()
        for child in rendering.children:
            check_is_taken(api, child.manifest)


def test_the_catalogue(api: KubeApi, kubectl: Kubectl, tmp_path: Path) -> None:
    """Its templates, plain and with all components, the examples of instances, and what becomes of these."""
    components = [f"catalogue/components/{path.name}" for path in (CATALOGUE / "components").iterdir()]
    shutil.copytree(CATALOGUE, tmp_path / "catalogue")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": ["catalogue"], "components": components})
    )
    files = sorted(path for path in CATALOGUE.glob("*.yaml") if path.name != "kustomization.yaml")
    changed = {
        obj["metadata"]["name"]: obj for obj in yaml.safe_load_all(kubectl("kustomize", tmp_path).stdout)
    }

    def accepted(*arguments: str | Path) -> int:
        """Try to apply, and give the number of objects that the API server accepts."""
        options = ("--server-side", "--dry-run=server", "--validate=strict", "--namespace", api.namespace)
        return len(kubectl("apply", *options, *arguments).stdout.splitlines())

    assert accepted("-k", CATALOGUE) == len(files)
    assert accepted("-k", tmp_path) == len(files)
    assert accepted(*(f"--filename={file}" for file in files)) == 2 * len(files)
    assert accepted("-f", CATALOGUE / "components" / "cache-claim" / "claim.yaml") == 1
    for file in files:
        original, example = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        for each in (original, changed[file.stem]):
            rendering = render(parse_template(each), parse_instance(example)[0])
            assert rendering.violations == ()
            for child in rendering.children:
                check_is_taken(api, child.manifest)


def _above_zero(child: Object) -> Object:
    """Return a child without the bound of zero, which autoscalers take from Kubernetes 1.37 on."""
    if child["spec"].get("minReplicas") == 0:
        return {**child, "spec": {**child["spec"], "minReplicas": 1}}
    return child


# Everything that a parameter can be, with values that are awkward for YAML, the kubelet or a shell.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
) | st.sampled_from(
    ["", "$(HF_TOKEN)", "$$(A)$", "true", "1e3", "~", "- a", "é\n\t\x7f", "'\"`", "--flag=$(parameters.TEXT)"]
)
INTEGER = st.integers(-(2**53), 2**53)
PARAMETERS: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {
    "TEXT": ({"type": "string"}, TEXT),
    "COUNT": ({"type": "integer"}, INTEGER),
    # Floats between are taken for integers that are too large, as the API server writes them as such.
    "RATE": ({"type": "number"}, INTEGER | st.floats(-(2**53), 2**53) | st.floats(1e21, 1.7e308)),
    "FLAG": ({"type": "boolean"}, st.booleans()),
    "LIST": (
        {"type": "array", "items": {"type": ["string", "integer"]}},
        st.lists(TEXT | INTEGER, max_size=4),
    ),
    "OBJECT": ({"type": "object"}, st.dictionaries(TEXT, TEXT | INTEGER | st.none(), max_size=3)),
    "SECONDS": ({"type": "integer", "minimum": 1}, st.integers(1, 3600)),
    "LABEL": ({"type": "string"}, st.from_regex("[a-z0-9]([-_.a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)),
    "ZONE": ({"enum": ["a", "b"]}, st.sampled_from(["a", "b"])),
    "USER": ({"enum": [1000, 2000]}, st.sampled_from([1000, 2000])),
    "TAG": ({"type": "string"}, st.from_regex("[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}", fullmatch=True)),
    "TOKEN": (
        {"x-secret-ref": True},
        st.fixed_dictionaries(
            {
                "name": st.from_regex("[a-z0-9]([-.a-z0-9]{0,50}[a-z0-9])?", fullmatch=True),
                "key": st.from_regex("[.]?[-_A-Za-z0-9][-._A-Za-z0-9]{0,50}", fullmatch=True),
            }
        ),
    ),
}
OPTIONAL = {"TOKEN"}
PIECES = st.sampled_from(
    [
        "--a=",
        "$$(",
        "$(UNKNOWN)",
        " ",
        *[f"$(parameters.{name})" for name in PARAMETERS if name not in OPTIONAL],
    ]
    + [f"$(instance.{field})" for field in ("name", "namespace", "id", "account_id")]
)
FREE_TEXT = st.lists(PIECES, min_size=1, max_size=4).map("".join)
ARGUMENTS = st.lists(FREE_TEXT | st.just("$(parameters.LIST[*])"), max_size=5)
COMMANDS = ARGUMENTS.map(lambda rest: ["run", *rest])
NAMES = st.from_regex("[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True).filter(lambda name: name != "model")
VARIABLES = st.from_regex("[-._a-zA-Z][-._a-zA-Z0-9]{0,20}", fullmatch=True)
QUANTITIES = st.integers(1, 10**6) | st.sampled_from(
    ["500m", "0.5", ".5", "+2", "2.", "1e3", "1Gi", "3E", "1u"]
)
ENVIRONMENT = st.lists(
    st.fixed_dictionaries({"name": VARIABLES}, optional={"value": FREE_TEXT}),
    max_size=3,
    unique_by=lambda variable: variable["name"],
)
HTTP_GET = {"httpGet": {"port": 8080, "path": "/$(parameters.TEXT)"}}
SECURITY = st.fixed_dictionaries(
    {},
    optional={
        "runAsUser": st.just("$(parameters.USER)"),
        "privileged": st.booleans(),
        "capabilities": st.sampled_from([{"add": ["SYS_ADMIN"]}, {"add": ["NET_ADMIN"], "drop": ["ALL"]}]),
        "readOnlyRootFilesystem": st.booleans(),
    },
)
MODEL_CONTAINER = st.fixed_dictionaries(
    {"name": st.just("model")},
    optional={
        "env": ENVIRONMENT,
        "args": ARGUMENTS,
        "securityContext": SECURITY,
        "livenessProbe": st.just({**HTTP_GET, "timeoutSeconds": "$(parameters.SECONDS)"}),
        "readinessProbe": st.just({**HTTP_GET, "periodSeconds": 2}),
        "startupProbe": st.just({"exec": {"command": ["check", "$(parameters.TEXT)"]}}),
        "resources": st.fixed_dictionaries(
            {}, optional={"limits": st.just({"memory": "64Gi"}), "requests": st.just({"cpu": "10m"})}
        ),
        "volumeMounts": st.just(
            [{"name": "data", "mountPath": "/data", "subPathExpr": "a$(parameters.COUNT)"}]
        ),
        "ports": st.sampled_from(
            [
                [{"name": "metrics", "containerPort": 9090}],
                [{"containerPort": 5005}],
                [{"name": "http", "containerPort": 8080}, {"containerPort": 9090}],
            ]
        ),
    },
)
SIDECARS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "image": st.just("ghcr.io/team/sidecar:$(parameters.TAG)")},
        optional={"env": ENVIRONMENT, "command": COMMANDS},
    ),
    max_size=2,
)
POD_TEMPLATES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.just({"team": "$(parameters.LABEL)"}),
                "annotations": st.dictionaries(NAMES, FREE_TEXT, max_size=2),
            },
        ),
        "spec": st.fixed_dictionaries(
            {"volumes": st.just([{"name": "data", "emptyDir": {}}])},
            optional={
                "containers": st.tuples(MODEL_CONTAINER, SIDECARS).map(
                    lambda drawn: unique_names([drawn[0], *drawn[1]])
                ),
                "initContainers": SIDECARS.map(
                    lambda drawn: unique_names([{**each, "name": f"init-{each['name']}"} for each in drawn])
                ),
                "terminationGracePeriodSeconds": st.just("$(parameters.SECONDS)"),
                "securityContext": st.just({"runAsUser": "$(parameters.USER)"}),
                "nodeSelector": st.just({"zone": "$(parameters.ZONE)"}),
                "tolerations": st.just(
                    [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
                ),
                "imagePullSecrets": st.just([{"name": "registry"}]),
            },
        ),
    }
)
BUNDLES = st.fixed_dictionaries(
    {
        "registry": st.sampled_from(["ghcr.io", "localhost:5000/a/b"]),
        "image": st.sampled_from(["server", "team/server"]),
    },
    optional={
        "command": st.just([]) | COMMANDS,
        "args": ARGUMENTS,
        "streaming_command": st.just([]) | COMMANDS,
        "env": st.dictionaries(VARIABLES | st.sampled_from(sorted(PARAMETERS)), FREE_TEXT, max_size=4),
        "port": st.integers(1, 65535),
        "healthcheck_route": st.sampled_from(["/", "/healthz", "/$(parameters.TEXT)"]),
        "readiness_initial_delay_seconds": st.integers(0, 86400),
        "image_pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
        "image_pull_secrets": st.just([{"name": "registry"}, {"name": "other"}]),
    },
)
ENDPOINTS = st.fixed_dictionaries(
    {},
    optional={
        "cpus": QUANTITIES,
        "memory": QUANTITIES,
        "storage": QUANTITIES,
        "min_workers": st.just(1),
        "max_workers": st.integers(1, 125),
        "per_worker": st.integers(1, 10**6),
        "scaling_metric": st.just("cpu")
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/%"), min_size=1).filter(
            lambda metric: metric not in (".", "..")
        ),
        "startup_timeout_seconds": st.integers(1, 86400),
    },
)
STRATEGIES = st.sampled_from(
    [
        {},
        {"type": "Recreate"},
        {"rollingUpdate": {"maxSurge": "25%"}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    ]
)


def unique_names(containers: list[Any]) -> list[Any]:
    return list({container["name"]: container for container in containers}.values())


@st.composite
def templates(draw: st.DrawFn) -> Object:
    tag = draw(
        st.sampled_from([{"tag": "1"}, {"tag": "v$(parameters.TAG)"}, {"digest": f"sha256:{'0' * 64}"}])
    )
    gpus = draw(
        st.just({}) | st.builds(lambda kind: {"gpus": 2, "gpu_type": kind.value}, st.sampled_from(GpuType))
    )
    spec: Object = {
        "model_type": "GENERIC",
        "endpoint_type": draw(st.sampled_from(EndpointType)).value,
        "model_creation_parameters_schema": {
            "properties": {name: schema for name, (schema, _) in PARAMETERS.items()},
            "required": sorted(PARAMETERS.keys() - OPTIONAL),
        },
        "vendor_configuration": {
            "bundle_config": {**draw(BUNDLES), **tag},
            "endpoint_config": {**draw(ENDPOINTS), **gpus},
        },
    }
    for name, strategy in (("pod_template", POD_TEMPLATES), ("strategy", STRATEGIES)):
        if draw(st.booleans()):
            spec[name] = draw(strategy)
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "random"},
        "spec": spec,
    }


@st.composite
def instances(draw: st.DrawFn) -> Object:
    values = {name: strategy for name, (_, strategy) in PARAMETERS.items()}
    required = {name: strategy for name, strategy in values.items() if name not in OPTIONAL}
    given_values = draw(st.fixed_dictionaries(required, optional={name: values[name] for name in OPTIONAL}))
    spec: Object = {"model_template_id": "random", "model_creation_parameters": given_values}
    if draw(st.booleans()):
        own = draw(st.fixed_dictionaries({}, optional=values))
        spec["deployments"] = [{"name": "a"}, {"name": "b", "model_creation_parameters": own}]
    elif draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 250))
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": draw(NAMES)},
        "spec": spec,
    }


# The namespace is the same for all examples: nothing is ever stored in it.
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(written=templates(), asked=instances())
def test_random_templates_and_instances(api: KubeApi, written: Object, asked: Object) -> None:
    api.apply(written, dry_run=True)
    api.apply(asked, dry_run=True)
    compiled = compile_template(ModelTemplate.model_validate(written))
    assert compiled.violations == ()

    rendering = render(compiled, ModelInstance.model_validate(asked))

    assert rendering.violations == ()
    for child in rendering.children:
        check_is_taken(api, child.manifest)


@pytest.mark.usefixtures("operator")
def test_operator_sends_awkward_text_exactly(api: KubeApi) -> None:
    text = "🚀 日本 \x7f\x85\u2028\ufeff\t\\ud83d"
    api.apply(template())
    api.apply(instance(model_creation_parameters={"MODEL_NAME": text}))

    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    assert environment(api.get("Deployment", "minilm"))["MODEL_NAME"] == text
