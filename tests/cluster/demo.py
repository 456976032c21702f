"""``make demo``: the main path with the real kubectl, each command shown before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.build.toolset import ensure_tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import KubectlError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.shown import DemoError, get, items_of, patch, run_shown, say, wait

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl

SAMPLES = "manifests/samples"
NEW_TAG = "demo"


@dataclass(frozen=True)
class Subject:
    """The sample that the demo looks at more closely, and the repository of its image."""

    instance: str
    template: str
    deployment: str
    repository: str


def demo() -> None:
    """Show the main path on a control plane of its own.

    Raises
    ------
    DemoError
        When a command fails, or what it shows is not so.
    """
    ensure_tools()
    say(
        "Starting a real Kubernetes control plane and the operator.\n"
        "The nodes are simulated: pods are scheduled and become Ready, but no image is\n"
        "pulled and no container runs."
    )
    with ControlPlane.start() as cluster:
        log = cluster.directory / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log) as operator:
            try:
                _show(cluster.kubectl)
                operator.check_running()
            except (DemoError, KubectlError) as error:
                raise DemoError(f"{error}\n{operator.log_tail()}") from None
        say("Stopping the operator and the control plane.")
    say("Done: every step came out as it should, and nothing is left running.")


def _show(kubectl: Kubectl) -> None:
    say("Templates and instances, as a platform team and its users apply them:")
    run_shown(kubectl, "apply", "-k", SAMPLES)
    wait(kubectl, "modelinstances", "--all", "--for=condition=Ready")
    run_shown(kubectl, "get", "modeltemplates,clustermodeltemplates")
    run_shown(kubectl, "get", "modeltemplates,modelinstances,deployments,services,pods")

    subject = _choose_subject(kubectl)
    say(f"The status of one of them, {subject.instance}:")
    run_shown(kubectl, "get", "modelinstance", subject.instance, "--output=jsonpath-as-json={.status}")

    _show_roll_out(kubectl, subject)
    _show_wrong_parameter(kubectl, subject)
    _show_deletion(kubectl)


def _show_roll_out(kubectl: Kubectl, subject: Subject) -> None:
    say(f"The owner of the template {subject.template} moves it to another image tag:")
    template = f"modeltemplate/{subject.template}"
    patch(kubectl, template, {"vendor_configuration": {"bundle_config": {"tag": NEW_TAG}}})
    generation = get(kubectl, template)["metadata"]["generation"]
    deployment, instance = f"deployment/{subject.deployment}", f"modelinstance/{subject.instance}"
    image = '{.spec.template.spec.containers[?(@.name=="model")].image}'
    wait(kubectl, deployment, f"--for=jsonpath={image}={subject.repository}:{NEW_TAG}")
    run_shown(kubectl, "rollout", "status", deployment, "--timeout=60s")
    wait(kubectl, instance, f"--for=jsonpath={{.status.template.generation}}={generation}")
    wait(kubectl, instance, "--for=condition=Ready")
    run_shown(kubectl, "get", deployment, "--output=wide")


def _show_wrong_parameter(kubectl: Kubectl, subject: Subject) -> None:
    say(
        "A user sets a parameter that the template does not declare. Webhooks would refuse\n"
        "that; here there are none. The model keeps running as it is, and the status reports\n"
        "the error:"
    )
    deployment, instance = f"deployment/{subject.deployment}", f"modelinstance/{subject.instance}"
    patch(kubectl, instance, {"model_creation_parameters": {"NO_SUCH_PARAMETER": "x"}})
    reason = '{.status.conditions[?(@.type=="Ready")].reason}'
    wait(kubectl, instance, f"--for=jsonpath={reason}=InvalidParameters")
    run_shown(kubectl, "get", instance)
    message = '{.status.conditions[?(@.type=="Ready")].message}{"\\n"}'
    run_shown(kubectl, "get", instance, f"--output=jsonpath={message}")
    run_shown(kubectl, "get", instance, "--output=jsonpath-as-json={.status.validation_errors}")
    wait(kubectl, deployment, "--for=condition=Available")
    run_shown(kubectl, "get", deployment)
    say("Removing it makes the instance Ready again:")
    patch(kubectl, instance, {"model_creation_parameters": {"NO_SUCH_PARAMETER": None}})
    wait(kubectl, instance, "--for=condition=Ready")


def _show_deletion(kubectl: Kubectl) -> None:
    say("Deleting the instances deletes their Deployments and Services; the templates stay:")
    run_shown(kubectl, "delete", "modelinstances", "--all", "--timeout=60s")
    children = ("deployments,services,pods", "--selector=app.kubernetes.io/managed-by=model-operator")
    wait(kubectl, *children, "--for=delete")
    run_shown(kubectl, "get", *children)
    if left := items_of(kubectl, *children):
        raise DemoError(f"expected no children after their instances are gone, got {len(left)}.")
    wait(kubectl, "modeltemplates", "--all", "--for=jsonpath={.status.instance_count}=0")
    run_shown(kubectl, "get", "modeltemplates,modelinstances")


def _choose_subject(kubectl: Kubectl) -> Subject:
    """Take the first instance with one Deployment of its own whose template names an image by its tag."""
    templates = {
        template["metadata"]["name"]: template["spec"] for template in items_of(kubectl, "modeltemplates")
    }
    for instance in items_of(kubectl, "modelinstances"):
        template = instance["spec"].get("model_template_id", "")
        bundle = templates.get(template, {}).get("vendor_configuration", {}).get("bundle_config", {})
        deployments = instance["status"].get("deployments", [])
        if "tag" in bundle and "$" not in bundle["image"] and len(deployments) == 1:
            return Subject(
                instance=instance["metadata"]["name"],
                template=template,
                deployment=deployments[0]["name"],
                repository=f"{bundle['registry']}/{bundle['image']}",
            )
    raise DemoError(
        f"expected an instance with one Deployment and a template with a tag in {SAMPLES}, found none."
    )
