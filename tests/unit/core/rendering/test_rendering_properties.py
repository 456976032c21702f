"""What holds for every template, every parameter and every garbage."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import Rendering, render
from model_operator.core.templates.compile import compile_template
from model_operator.core.templates.references import parse_text

ENVIRONMENT = {"SECRET": "s3cr3t", "HOME": "/root"}


def kubelet_expand(text: str, environment: Mapping[str, str]) -> str:
    """Expand as k8s.io/kubernetes/third_party/forked/golang/expansion does."""
    result = []
    position = 0
    while position < len(text):
        character, rest = text[position], text[position + 1 :]
        if character != "$" or not rest:
            result.append(character)
            position += 1
        elif rest[0] == "(" and ")" in rest:
            name = rest[1 : rest.index(")")]
            result.append(environment.get(name, f"$({name})"))
            position += 3 + len(name)
        elif rest[0] == "$":
            result.append("$")
            position += 2
        else:
            result.append(character + rest[0])
            position += 2
    return "".join(result)


def template(bundle: Mapping[str, Any], **spec: Any) -> ModelTemplate:
    return ModelTemplate.model_validate(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "vendor_configuration": {
                    "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **bundle}
                },
                **spec,
            },
        }
    )


def instance(parameters: Any = None) -> ModelInstance:
    return ModelInstance.model_validate(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
            "spec": {"model_template_id": "t", "model_creation_parameters": parameters},
        }
    )


def pod_of(rendering: Rendering) -> Any:
    return rendering.deployments[0].deployment.manifest["spec"]["template"]


def model_of(rendering: Rendering) -> Any:
    return next(each for each in pod_of(rendering)["spec"]["containers"] if each["name"] == "model")


def variables(rendering: Rendering) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in model_of(rendering)["env"]}


DOLLARS = st.text(alphabet="$$$()SECRETab{}é ", max_size=30)
# Each piece is whole for the kubelet, so that a text expands piece by piece.
PIECES = st.lists(
    st.sampled_from(["a", "$$", "$$(", "$(SECRET)", "$(UNKNOWN)", "$x", "(", ")", "é", "$$(SECRET)"]),
    max_size=6,
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | DOLLARS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(before=PIECES, value=DOLLARS, after=PIECES)
def test_the_container_gets_the_value_exactly(before: list[str], value: str, after: list[str]) -> None:
    text = f"{''.join(before)}$(parameters.V){''.join(after)}"
    compiled = compile_template(
        template(
            {"args": [text], "command": ["run", "$(parameters.V)"], "env": {"E": "$(parameters.V)"}},
            model_creation_parameters_schema={"properties": {"V": {"type": "string"}}, "required": ["V"]},
        )
    )

    rendering = render(compiled, instance({"V": value}))

    def expanded(pieces: list[str]) -> str:
        return "".join(kubelet_expand(piece, ENVIRONMENT) for piece in pieces)

    container = model_of(rendering)
    assert kubelet_expand(container["args"][0], ENVIRONMENT) == expanded(before) + value + expanded(after)
    assert kubelet_expand(container["command"][1], ENVIRONMENT) == value
    for name in ("V", "E"):
        assert kubelet_expand(variables(rendering)[name], ENVIRONMENT) == value


@given(JSON)
def test_a_structured_value_arrives_as_its_json(value: Any) -> None:
    compiled = compile_template(
        template({"args": ["$(parameters.V[*])"]}, model_creation_parameters_schema={"properties": {"V": {}}})
    )
    assert compiled.violations, "V may be something else than a list"
    compiled = compile_template(template({}, model_creation_parameters_schema={"properties": {"V": {}}}))

    rendering = render(compiled, instance({"V": value}))

    if rendering.violations or value is None:
        return
    text = kubelet_expand(variables(rendering)["V"], ENVIRONMENT)
    assert text == value if isinstance(value, str) else json.loads(text) == value


@given(st.lists(DOLLARS, max_size=5), st.lists(DOLLARS, max_size=5))
def test_lists_expand_in_place(first: list[str], second: list[str]) -> None:
    lists = {"type": "array", "items": {"type": "string"}}
    compiled = compile_template(
        template(
            {"args": ["a", "$(parameters.F[*])", "b", "$(parameters.S[*])", "$(parameters.F[*])", "c"]},
            model_creation_parameters_schema={"properties": {"F": lists, "S": lists}},
        )
    )

    rendering = render(compiled, instance({"F": first, "S": second}))

    arguments = [kubelet_expand(argument, ENVIRONMENT) for argument in model_of(rendering)["args"]]
    assert arguments == ["a", *first, "b", *second, *first, "c"]


@given(DOLLARS)
def test_text_without_references_stays(text: str) -> None:
    assert parse_text(text, kubelet=True).parts == (text,)
    if "$$(" not in text:
        assert parse_text(text, kubelet=False).parts == (text,)


NAMES = st.text(alphabet="abcdefgh", min_size=1, max_size=6)
QUANTITIES = st.sampled_from(["1", "500m", "16Gi", "1e3"])
PLAIN = st.text(alphabet="abc$ ()", max_size=8).filter(lambda text: "$$(" not in text)
VALUES = st.recursive(
    st.booleans() | st.integers(-99, 99) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def named(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    items = st.fixed_dictionaries({"name": NAMES}, optional=fields)
    return st.lists(items, max_size=3, unique_by=lambda item: item["name"])


VOLUMES = ["v-cache", "v-data"]
CONTAINER_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "env": named(value=PLAIN, valueFrom=VALUES),
    "volumeMounts": st.lists(
        st.fixed_dictionaries({"name": st.sampled_from(VOLUMES)}, optional={"mountPath": PLAIN}), max_size=2
    ),
    "securityContext": st.dictionaries(NAMES, VALUES, max_size=2),
    "readinessProbe": st.fixed_dictionaries(
        {}, optional={"httpGet": VALUES, "periodSeconds": st.integers(1, 9)}
    ),
    "livenessProbe": VALUES,
    "args": st.lists(PLAIN, max_size=3),
    "resources": st.fixed_dictionaries({"limits": st.dictionaries(NAMES, QUANTITIES, max_size=2)}),
}
CONTAINERS = named(**CONTAINER_FIELDS).map(
    lambda drawn: [{**each, "image": "ghcr.io/team/other:1"} for each in drawn]
)
POD_TEMPLATES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": st.dictionaries(NAMES, PLAIN, max_size=3)}),
        "spec": st.fixed_dictionaries(
            {
                "containers": CONTAINERS,
                "volumes": named(emptyDir=VALUES).map(
                    lambda drawn: [*({"name": name} for name in VOLUMES), *drawn]
                ),
            },
            optional={
                "initContainers": CONTAINERS.map(
                    lambda drawn: [{**each, "name": f"init-{each['name']}"} for each in drawn]
                ),
                "nodeSelector": st.dictionaries(NAMES, PLAIN, max_size=2),
                "tolerations": st.lists(st.dictionaries(NAMES, PLAIN, max_size=2), max_size=2),
                "imagePullSecrets": named(),
                "affinity": VALUES,
                "priorityClassName": PLAIN,
            },
        ),
    },
)


def contains(whole: Any, part: Any) -> bool:
    """Whether everything in `part` is in `whole`, lists in the same order with nothing in between."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list) and isinstance(whole, list):
        rest = iter(whole)
        return all(any(contains(candidate, item) for candidate in rest) for item in part)
    return bool(whole == part)


@given(POD_TEMPLATES, st.booleans())
def test_a_pod_template_without_references_passes_unchanged(pod_template: Any, rename: bool) -> None:
    containers = pod_template.get("spec", {}).get("containers", [])
    if rename and containers:
        containers[0]["name"] = "model"
        del containers[0]["image"]
    given_template = copy.deepcopy(pod_template)

    compiled = compile_template(template({}, pod_template=pod_template))
    assert compiled.violations == ()
    rendering = render(compiled, instance())

    assert contains(pod_of(rendering), given_template)
    assert pod_template == given_template, "what was given is not written to"


@given(POD_TEMPLATES, VALUES)
def test_the_same_input_gives_the_same_output(pod_template: Any, value: Any) -> None:
    def rendered() -> tuple[str, Rendering]:
        source = template(
            {"env": {"B": "$(A)", "A": "1"}},
            pod_template=copy.deepcopy(pod_template),
            model_creation_parameters_schema={"properties": {"V": {}}},
        )
        rendering = render(compile_template(source), instance({"V": value}))
        return json.dumps([child.manifest for child in rendering.children]), rendering

    (first, rendering), (second, _) = rendered(), rendered()
    assert first == second
    # What is handed out is nobody else's.
    pod_of(rendering)["spec"].clear()
    assert rendered()[0] == first


@settings(max_examples=200)
@given(spec=JSON, metadata=JSON, schema=JSON, text=DOLLARS, parameters=JSON)
def test_no_garbage_raises(spec: Any, metadata: Any, schema: Any, text: str, parameters: Any) -> None:
    pod_template = {
        "metadata": metadata if isinstance(metadata, Mapping) else {"labels": metadata},
        "spec": spec
        if isinstance(spec, Mapping)
        else {"containers": spec, "volumes": spec, "tolerations": spec},
    }
    source = template(
        {"args": [text, f"$(parameters.{text})"], "env": {"A": text}, "healthcheck_route": f"/{text}"},
        pod_template=pod_template,
        model_creation_parameters_schema=schema if isinstance(schema, Mapping) else {"properties": schema},
    )
    compiled = compile_template(source)
    compiled_again = compile_template(template({}, pod_template=pod_template))

    for each in (compiled, compiled_again):
        assert (each.pod is None) == bool(each.violations)
        if each.pod is not None:
            given_parameters = parameters if isinstance(parameters, Mapping) else {"V": parameters}
            json.dumps([child.manifest for child in render(each, instance(given_parameters)).children])


CONTAINER_GARBAGE = st.dictionaries(
    st.sampled_from(
        ["env", "ports", "resources", "securityContext", "readinessProbe", "startupProbe", "volumeMounts"]
    ),
    JSON
    | st.dictionaries(
        st.sampled_from(["limits", "requests", "capabilities", "privileged", "periodSeconds"]), JSON
    )
    | st.fixed_dictionaries({"capabilities": st.fixed_dictionaries({"add": JSON})})
    | st.lists(st.dictionaries(st.sampled_from(["name", "containerPort", "protocol", "mountPath"]), JSON)),
)


@given(CONTAINER_GARBAGE)
def test_no_garbage_in_a_container_raises(container: Any) -> None:
    pod_template = {"spec": {"containers": [{**container, "name": "model"}]}}

    compiled = compile_template(template({}, pod_template=pod_template))

    if not compiled.violations:
        json.dumps([child.manifest for child in render(compiled, instance()).children])


def test_what_nests_too_deep_is_refused() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}

    compiled = compile_template(template({}, pod_template={"spec": {"affinity": deep}}))

    assert [violation.type for violation in compiled.violations] == ["too_deep"]
