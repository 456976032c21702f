"""What is tried of a template, and what the API server's answers say about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import TemplateKind
from model_operator.core.planning.dry_run import (
    NAME,
    DryRunResult,
    SkipReason,
    dry_run_deployment,
    dry_run_pod,
    interpret,
)
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from tests.unit.core.values.rfc7386 import apply_merge_patch

HERE = Path(__file__).parent
TEMPLATE = yaml.safe_load((HERE.parent / "template.yaml").read_text())
REFUSALS = yaml.safe_load((HERE / "trials.yaml").read_text())
SAMPLES = [
    obj
    for path in sorted((HERE.parents[3] / "manifests" / "samples").glob("*.yaml"))
    for obj in yaml.safe_load_all(path.read_text())
    if obj["kind"] in list(TemplateKind)
]


def tried(change: dict[str, Any]) -> Any:
    template = parse_template(apply_merge_patch(TEMPLATE, {"spec": change}))
    return dry_run_deployment(template, "team", RenderSettings())


def schema(**properties: Any) -> dict[str, Any]:
    return {"properties": properties, "required": sorted(properties)}


def expected(case: dict[str, Any]) -> DryRunResult:
    refusal = case.get("refusal", "")
    if refusal:
        refusal = f"The API server refuses the rendered Deployment: {refusal}."
    skipped = SkipReason[case["skipped"]] if "skipped" in case else None
    return DryRunResult(refusal, skipped, case.get("detail", ""), case.get("is_final", True))


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case["about"])
def test_refusal(case: dict[str, Any]) -> None:
    status = {"message": case["message"], "details": {"causes": case.get("causes")}}

    for kind, outcome in (
        (TemplateKind.MODEL_TEMPLATE, case),
        (TemplateKind.CLUSTER_MODEL_TEMPLATE, case.get("cluster", case)),
    ):
        assert interpret(case["code"], status, "Deployment", kind) == expected(outcome)


def test_a_pod_of_that_name_is_found_last_so_that_all_else_was_fine() -> None:
    status = {"message": f'pods "{NAME}" already exists'}

    assert interpret(409, status, "Pod", TemplateKind.MODEL_TEMPLATE) == DryRunResult()


def test_a_very_long_answer_is_cut() -> None:
    trial = interpret(422, {"message": "x" * 100_000}, "Pod", TemplateKind.MODEL_TEMPLATE)

    assert len(trial.refusal) < 1100


def test_what_is_tried() -> None:
    deployment = tried(
        {
            "model_creation_parameters_schema": schema(MODEL_ID={"examples": ["mini"]}),
            "pod_template": {"spec": {"volumes": [{"name": "v", "hostPath": None}], "subdomain": None}},
            "vendor_configuration": {"bundle_config": {"args": ["$(instance.id)", "$(instance.name)"]}},
        }
    )

    assert "ownerReferences" not in deployment["metadata"]
    pod = dry_run_pod(deployment)
    assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == (NAME, "team")
    assert pod["metadata"]["labels"]["modeloperator.dev/instance"] == NAME
    (container,) = pod["spec"]["containers"]
    assert container["args"] == ["00000000-0000-4000-8000-000000000000", NAME]
    assert {"name": "MODEL_ID", "value": "mini"} in container["env"]
    # As when it is applied for an instance, nulls are not sent.
    assert {"name": "v"} in pod["spec"]["volumes"]


FREE = {
    "vendor_configuration": {
        "bundle_config": {"args": ["--name=$(parameters.A)"], "env": {"X": "$(parameters.A)"}}
    }
}
JUDGED: dict[str, dict[str, Any]] = {
    "tag": {"vendor_configuration": {"bundle_config": {"tag": "$(parameters.A)"}}},
    "image": {"vendor_configuration": {"bundle_config": {"image": "encoder-$(parameters.A)"}}},
    "pod template": {"pod_template": {"spec": {"hostname": "$(parameters.A)"}}},
    "path below a volume": {
        "pod_template": {
            "spec": {
                "containers": [
                    {
                        "name": "model",
                        "volumeMounts": [{"name": "m", "mountPath": "/m", "subPathExpr": "$(parameters.A)"}],
                    }
                ],
                "volumes": [{"name": "m", "emptyDir": {}}],
            }
        }
    },
}


def test_a_value_is_made_up_where_any_text_will_do() -> None:
    deployment = tried({"model_creation_parameters_schema": schema(A={"type": "string"}), **FREE})

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--name=example"]


@pytest.mark.parametrize("change", JUDGED.values(), ids=JUDGED.keys())
def test_no_value_is_made_up_where_the_server_judges_it(change: dict[str, Any]) -> None:
    outcome = tried({"model_creation_parameters_schema": schema(A={"type": "string"}), **change})

    assert outcome == DryRunResult(
        skipped=SkipReason.NO_EXAMPLES, detail="no example for parameter A; add `examples`"
    )
    stated = schema(A={"type": "string", "examples": ["a"]})
    assert isinstance(tried({"model_creation_parameters_schema": stated, **change}), dict)


def test_an_example_that_cannot_be_rendered_is_named() -> None:
    stated = schema(A={"type": "string", "examples": ["no tag"]}, B={"examples": [1]})

    outcome = tried({"model_creation_parameters_schema": stated, **JUDGED["tag"]})

    assert outcome.note == (
        "Not checked by a dry run: the examples, defaults or enums of the schema do not fit where the "
        "template uses them: "
        "A must be a part of an image's tag: at most 128 letters, digits, '_', '.' and '-'."
    )
    assert "no tag" not in outcome.note


def test_all_that_lack_examples_are_named() -> None:
    patterns = {name: {"type": "string", "pattern": "^[0-9]{9}$"} for name in ("A", "B")}

    outcome = tried({"model_creation_parameters_schema": schema(**patterns)})

    assert outcome.note == "Not checked by a dry run: no example for parameters A, B; add `examples`."


def test_a_rule_over_several_parameters_names_none() -> None:
    rule = {**schema(A={"default": 1}), "minProperties": 2}

    outcome = tried({"model_creation_parameters_schema": rule})

    assert outcome.note == "Not checked by a dry run: no example parameters; add `examples` to the schema."


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["metadata"]["name"])
def test_samples_can_be_tried(sample: dict[str, Any]) -> None:
    template = parse_template(sample)

    assert isinstance(dry_run_deployment(template, "team", RenderSettings()), dict)
