"""Variables that mention each other, and texts that the kubelet leaves as they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.templates.environment import mentions, order_variables
from tests.unit.core.templates.templates import compiled, faults, pod_spec, warnings

ARGS = "spec.vendor_configuration.bundle_config.args"


def names(container: Any) -> list[str]:
    return [each["name"] for each in container["env"]]


def model(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "model", **fields}]}}


def test_a_variable_of_the_pod_template_may_mention_one_of_the_bundle() -> None:
    template = compiled(model(env=[{"name": "URL", "value": "http://$(HOST)"}]), env={"HOST": "h", "A": "1"})

    order = names(pod_spec(template)["containers"][0])

    assert order.index("HOST") < order.index("URL")


def test_a_parameter_that_keeps_its_place_comes_before_what_mentions_it() -> None:
    env = [{"name": "URL", "value": "http://$(model)"}, {"name": "model", "value": "replaced"}]

    container = pod_spec(compiled(model(env=env)), model="given")["containers"][0]

    assert container["env"].index({"name": "model", "value": "given"}) < names(container).index("URL")


def test_chains_in_other_containers_are_ordered() -> None:
    env = [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "$(C)"}, {"name": "C", "value": "c"}]
    sidecar = {"name": "s", "image": "i", "env": env}

    spec = pod_spec(
        compiled({"spec": {"containers": [sidecar], "initContainers": [{**sidecar, "name": "i"}]}})
    )

    assert names(spec["containers"][1]) == ["C", "B", "A"]
    assert names(spec["initContainers"][0]) == ["C", "B", "A"]


@given(
    st.lists(st.sampled_from("ABCDEF"), unique=True).flatmap(
        lambda drawn: st.fixed_dictionaries(
            {name: st.lists(st.sampled_from("ABCDEFG"), max_size=2) for name in drawn}
        )
    )
)
def test_references_work_and_what_worked_stays(mentioned: dict[str, list[str]]) -> None:
    env = [
        {"name": name, "value": " ".join(f"$({each})" for each in others)}
        for name, others in mentioned.items()
    ]
    container = {"env": list(env)}

    order_variables(container)

    order = names(container)
    assert sorted(order) == sorted(mentioned)

    def reaches(start: str, end: str) -> bool:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for each in mentioned.get(waiting.pop(), ()):
                if each == end:
                    return True
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return False

    before = list(mentioned)
    for name, others in mentioned.items():
        for other in others:
            if other in mentioned and not reaches(other, name):
                assert order.index(other) < order.index(name)
    if all(
        other not in mentioned or reaches(other, name) or before.index(other) < before.index(name)
        for name, others in mentioned.items()
        for other in others
    ):
        assert container["env"] == env


NONE = "is no variable of the container, so the text stays as it is"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("$(MISSING)", f"$(MISSING) {NONE}"),
        (
            "$(HF_TOKN)",
            f"$(HF_TOKN) {NONE}; did you mean $(HF_TOKEN)?",
        ),
        (
            "$(MODEL)",
            f"$(MODEL) {NONE}; did you mean $(parameters.model)?",
        ),
        (
            "$(model)",
            (
                "$(model) is the variable of that name, which the kubelet inserts; "
                "did you mean $(parameters.model)?"
            ),
        ),
        (
            "$(QUANTIZE)",
            (
                "$(QUANTIZE) is a variable only where an instance sets the parameter; "
                "elsewhere the text stays as it is"
            ),
        ),
        ("$MODEL", "$MODEL stays as it is, since no shell expands it; did you mean $(parameters.model)?"),
        ("${HF_TOKEN}", "${HF_TOKEN} stays as it is, since no shell expands it; did you mean $(HF_TOKEN)?"),
        ("$(HF_TOKEN)", None),
        ("$(MAX_LEN)", None),
        ("$$(MISSING)", None),
        ("$OTHER costs 5$", None),
    ],
)
def test_an_argument(arguments: str, found: str | None) -> None:
    template = compiled(args=[f"--a={arguments}"], env={"HF_TOKEN": "x"})

    assert faults(template) == {}
    assert warnings(template) == ({} if found is None else {f"{ARGS}[0]": found})


@pytest.mark.parametrize("script", ["serve $(nproc) ${MODEL} $MODEL $(cat file)", "serve $(HF_TOKEN)"])
def test_a_shell_expands_the_rest(script: str) -> None:
    assert warnings(compiled(command=["/bin/sh", "-c"], args=[script], env={"HF_TOKEN": "x"})) == {}


@pytest.mark.parametrize(
    "command",
    [
        ["/usr/bin/tini", "--", "sh", "-c"],
        ["dumb-init", "/bin/bash", "-ec"],
        ["/usr/bin/env", "A=1", "bash", "-c"],
    ],
)
def test_a_shell_behind_an_init_expands_the_rest(command: list[str]) -> None:
    assert warnings(compiled(command=command, args=["serve $(nproc) $MODEL"])) == {}


def test_a_program_with_the_argument_of_a_shell_is_none() -> None:
    assert list(warnings(compiled(command=["serve", "sh", "-c"], args=["$(nproc)"]))) == [f"{ARGS}[0]"]


@pytest.mark.parametrize("name", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT_443_TCP_ADDR"])
def test_every_container_has_the_variables_of_the_api_server(name: str) -> None:
    assert warnings(compiled(args=[f"$({name})"])) == {}


def test_variables_of_services() -> None:
    linked = {"spec": {"enableServiceLinks": True, "containers": [{"name": "model"}]}}

    assert warnings(compiled(linked, args=["$(REDIS_SERVICE_HOST):$(REDIS_SERVICE_PORT)"])) == {}
    assert list(warnings(compiled(args=["$(REDIS_SERVICE_HOST)"]))) == [f"{ARGS}[0]"]


def test_a_name_that_no_service_can_have() -> None:
    assert list(warnings(compiled(args=[f"$(KUBERNETES_{'A' * 200}_SERVICE_HOST)"]))) == [f"{ARGS}[0]"]


def test_a_parameter_outside_the_environment_is_no_variable() -> None:
    properties = {"model": {"type": "string", "default": "small", "x-env": False}}

    assert warnings(compiled(args=["$(model)"], properties=properties)) == {
        f"{ARGS}[0]": f"$(model) {NONE}; did you mean $(parameters.model)?"
    }


def test_a_shell_runs_no_variables() -> None:
    assert list(warnings(compiled(command=["bash", "-ec", "serve $(MISSING)"]))) == [
        "spec.vendor_configuration.bundle_config.command[2]"
    ]


def test_env_from_may_have_any_variable() -> None:
    pods = model(envFrom=[{"configMapRef": {"name": "a"}}])

    assert warnings(compiled(pods, args=["$(MISSING)"])) == {}


def test_other_containers_have_no_variables_of_parameters() -> None:
    sidecar = {
        "name": "s",
        "image": "i",
        "args": ["$(MAX_LEN)", "$(A)"],
        "env": [{"name": "A", "value": "1"}],
    }

    (path,) = warnings(compiled({"spec": {"containers": [{"name": "model"}, sidecar]}}))

    assert path == "spec.pod_template.spec.containers[1].args[0]"


def test_variables_in_a_circle() -> None:
    found = warnings(compiled(env={"A": "$(B)", "B": "$(A)", "PATH": "/opt/bin:$(PATH)", "C": "$(A)"}))

    assert set(found) == {
        "spec.vendor_configuration.bundle_config.env.A",
        "spec.vendor_configuration.bundle_config.env.PATH",
    }
    assert "A, B" in found["spec.vendor_configuration.bundle_config.env.A"]


def test_mentions_are_those_that_the_kubelet_expands() -> None:
    assert mentions("$(A) $$(B) $$$(C) $() $(D") == {"A", "C"}
