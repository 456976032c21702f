"""What is let in although it is not valid, and what happens while no operator answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, ready, template
from tests.fixtures.people import Writer

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission


def _batch_size(**keywords: Any) -> Object:
    """Give an edit of what the template says of BATCH_SIZE."""
    return {"spec": {"model_creation_parameters_schema": {"properties": {"BATCH_SIZE": keywords}}}}


def _deploy(api: KubeApi, name: str, count: int) -> list[str]:
    """Create a template and instances of it with BATCH_SIZE 8; give their names."""
    api.create(template(name))
    names = [f"{name}-{number}" for number in range(count)]
    for each in names:
        parameters = {"MODEL_NAME": "m", "BATCH_SIZE": 8}
        api.create(instance(each, model_template_id=name, model_creation_parameters=parameters))
    for each in names:
        api.wait_for_condition("ModelInstance", each, "Ready")
    return names


def test_edit_of_a_template_warns_of_the_instances_that_it_makes_invalid(
    admission: Admission, kubectl: Kubectl
) -> None:
    api = admission.api
    names = _deploy(api, "edited", 7)
    api.create(instance("edited-fits", model_template_id="edited"))
    api.wait_for_condition("ModelInstance", "edited-fits", "Ready")
    person = Writer(kubectl, api.namespace, "alice")
    patch = ("patch", "modeltemplate", "edited", "--type=merge", "--patch")

    said = person.says(*patch, json.dumps(_batch_size(minimum=100)), "--dry-run=server")
    shown = ", ".join(f"{api.namespace}/{name}" for name in names[:5])
    assert said.startswith(
        f"Warning: ModelTemplate edited: this change makes 7 instances invalid: {shown} and 2 more; "
        "running workers are not changed\n"
    )
    harmless = person.says(*patch, '{"spec": {"name": "harmless"}}')
    assert harmless == (
        "Warning: ModelTemplate edited: this change makes no new revision, so no instance changes\n"
        "modeltemplate.modeloperator.dev/edited patched\n"
    )


def test_edit_of_a_template_warns_of_the_instances_that_it_rolls(
    admission: Admission, kubectl: Kubectl
) -> None:
    api = admission.api
    names = _deploy(api, "rolled", 3)
    api.patch("ModelInstance", names[0], {"spec": {"replicas": 0}})
    api.wait_for_condition("ModelInstance", names[0], "Ready", reason="ScaledToZero")
    wait_for(lambda: api.get("ModelInstance", names[0])["status"]["replicas"] == 0)
    person = Writer(kubectl, api.namespace, "alice")
    edit = json.dumps({"spec": {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}})

    # The one without workers has no pods to roll.
    said = person.says(
        "patch", "modeltemplate", "rolled", "--type=merge", "--patch", edit, "--dry-run=server"
    )
    assert said.startswith("Warning: ModelTemplate rolled: this change restarts the pods of 2 instances\n")


def test_invalid_instance_can_be_labelled_and_deleted_but_not_edited(admission: Admission) -> None:
    api = admission.api
    (name,) = _deploy(api, "closing", 1)
    api.patch("ModelTemplate", "closing", _batch_size(minimum=100))
    api.wait_for_condition("ModelInstance", name, "Ready", "False", reason="InvalidParameters")

    metadata = {"labels": {"team": "search"}, "finalizers": ["example.com/hold"]}
    api.patch("ModelInstance", name, {"metadata": metadata})
    with pytest.raises(KubeApiError, match="BATCH_SIZE: must be >= 100"):
        api.patch("ModelInstance", name, {"spec": {"description": "still wrong"}})

    # As long as this is there, the instance is, too.
    api.patch("Deployment", name, {"metadata": {"finalizers": ["example.com/hold"]}})
    api.delete("ModelInstance", name, propagation="Foreground")
    wait_for(lambda: ready(api.get("ModelInstance", name)).get("reason") == "Terminating")
    finalizers = api.get("ModelInstance", name)["metadata"]["finalizers"]
    assert "foregroundDeletion" in finalizers
    left = [each for each in finalizers if each != "example.com/hold"]
    api.patch("ModelInstance", name, {"metadata": {"finalizers": left}})
    api.patch("Deployment", name, {"metadata": {"finalizers": None}})
    api.wait_until_gone("ModelInstance", name)
    api.wait_until_gone("Deployment", name)


def test_cluster_template(admission: Admission) -> None:
    api, name = admission.api, f"{admission.name}-shared"
    broken = template(name, image="$(parameters.UNDECLARED)") | {"kind": "ClusterModelTemplate"}
    with pytest.raises(KubeApiError, match="refers to a parameter that is not declared"):
        api.create(broken)
    api.create(template(name) | {"kind": "ClusterModelTemplate"})
    try:
        wrong = instance("shared", model_template_id=name, model_creation_parameters={"MODEL_NAME": 7})
        with pytest.raises(KubeApiError, match="MODEL_NAME: must be a string"):
            api.create(wrong)
    finally:
        api.delete("ClusterModelTemplate", name)


def test_template_of_a_moment_ago_is_known(admission: Admission) -> None:
    """Whether or not the operator's watch has told of it yet: what a verdict rests on is read again."""
    api = admission.api
    text = {"MODEL_NAME": "m", "BATCH_SIZE": "x"}
    for number in range(20):
        name = f"new-{number}"
        model = instance(name, model_template_id=name, model_creation_parameters=text)
        api.create(template(name))
        with pytest.raises(KubeApiError, match="BATCH_SIZE: must be an integer"):
            api.create(model)
        api.patch("ModelTemplate", name, _batch_size(type="string", minimum=None))
        api.create(model, dry_run=True)


def test_while_no_operator_answers_everything_is_let_in_and_then_reported(
    private_admission: Admission,
) -> None:
    api = private_admission.api
    api.create(template("encoder"))
    api.create(template("broken", image="$(parameters.UNDECLARED)"))
    api.create(instance("minilm", model_creation_parameters={"MODEL_NAME": 7}))

    private_admission.start()

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    assert obj["status"]["validation_errors"][0]["loc"] == ["spec", "model_creation_parameters", "MODEL_NAME"]
    api.wait_for_condition("ModelTemplate", "broken", "Ready", "False", reason="TemplateInvalid")
    # An invalid template is no fault of the instance.
    api.create(instance("early", model_template_id="broken"), dry_run=True)
    api.patch("ModelInstance", "minilm", {"metadata": {"labels": {"team": "search"}}})
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"MODEL_NAME": "m"}}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    private_admission.stop()
    api.create(instance("later", model_creation_parameters={"MODEL_NAME": 7}))


def test_deeply_nested_object_ends_no_operator(private_admission: Admission, kubectl: Kubectl) -> None:
    api = private_admission.api

    def create(obj: Object) -> str:
        # Python's own writer of JSON does not get that deep.
        text = json.dumps(obj).replace('"NESTED"', "[" * 4000 + "]" * 4000)
        done = kubectl("--namespace", api.namespace, "create", "-f", "-", input=text, check=False)
        return done.stderr + done.stdout

    api.create(template("encoder"))
    assert "created" in create(instance("deep", model_creation_parameters={"MODEL_NAME": "NESTED"}))
    note = {"name": "a", "deployment_metadata": {"note": "NESTED"}}
    assert "created" in create(instance("noted", deployments=[note]))

    private_admission.start()

    said = create(instance("deeper", model_creation_parameters={"MODEL_NAME": "NESTED"}))
    assert "must be nested at most 8 levels deep" in said
    nesting = template("nesting")
    nesting["spec"]["pod_template"] = {"spec": {"affinity": "NESTED"}}
    assert "is invalid" in create(nesting)
    for name, word in {"deep": "InvalidParameters", "noted": "InvalidParameters"}.items():
        shown = ("--namespace", api.namespace, "get", "modelinstance", name)
        wait_for(lambda shown=shown, word=word: word in kubectl(*shown).stdout, message=name)  # type: ignore[misc]
    assert private_admission.operator is not None
    wait_for(private_admission.operator.healthy)
