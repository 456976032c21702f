"""``make demo-real``: real models in real containers, from an image to an answer, with faults on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hack.build.toolset import ensure_tools
from tests.cluster import embedding
from tests.cluster.chat import CHAT
from tests.cluster.control_plane import ControlPlane
from tests.cluster.demo_gateway import show_gateway
from tests.cluster.gateway.in_node import gateway_in_node
from tests.cluster.kubectl import KubectlError
from tests.cluster.nodes.real import ensure_real_node
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.shown import DemoError, get, run_shown, say, wait

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kubectl import Kubectl

EXAMPLES = (embedding.SERVER, CHAT)
MODEL, OTHER = "minilm", "wordllama"
REASON = '{.status.conditions[?(@.type=="Ready")].reason}'
MESSAGE = '{.status.conditions[?(@.type=="Ready")].message}{"\\n"}'
REASONS = {"missing-image": "ImagePullFailed", "crashing": "CrashLooping", "small-memory": "OOMKilled"}


def demo_real() -> None:
    """Show real models on a real node.

    Raises
    ------
    DemoError
        When a command fails, or what it shows is not so.
    ToolsError
        When this machine can run no real node, or something it takes cannot be had.
    """
    ensure_tools()
    ensure_real_node()
    for example in EXAMPLES:
        example.ensure_image()
    started = time.monotonic()
    say(
        "Starting a Kubernetes control plane with a real node: containerd, runc and kubelet\n"
        "in namespaces of their own. Containers really run; there is no Docker."
    )
    with ControlPlane.start(real_node=True) as cluster:
        log = cluster.directory / "operator.log"
        for example in EXAMPLES:
            example.load_image(cluster)
        with (
            OperatorProcess.start(cluster.operator_kubeconfig(), log=log) as operator,
            gateway_in_node(cluster) as gateway,
        ):
            try:
                _show(cluster.kubectl, gateway)
                operator.check_running()
                gateway.check_running()
            except (DemoError, KubectlError) as error:
                raise DemoError(f"{error}\n{operator.log_tail()}\n{gateway.log_tail()}") from None
        say("Stopping the gateway, the operator, the node and the control plane.")
    seconds = time.monotonic() - started
    say(f"Done in {seconds:.0f} s: every step came out as it should, and nothing is left running.")


def _show(kubectl: Kubectl, gateway: GatewayProcess) -> None:
    run_shown(kubectl, "get", "nodes", "--output=wide")
    _show_answers(kubectl)
    _show_faults(kubectl)
    _show_scaling(kubectl)
    say(f"Two CPUs are not enough for {OTHER} and what comes next, so it is deleted:")
    run_shown(kubectl, "delete", "modelinstance", OTHER, "--timeout=60s")
    show_gateway(kubectl, gateway)
    _show_deletion(kubectl)


def _show_answers(kubectl: Kubectl) -> None:
    say("One template, and two models of it that differ by the parameter MODEL_NAME:")
    run_shown(kubectl, "apply", "-f", f"{embedding.SERVER.manifests}/embedding.yaml")
    run_shown(kubectl, "apply", "-f", "-", documents=embedding.client_objects(embedding.SERVER.image))
    wait(kubectl, f"modelinstance/{MODEL}", f"modelinstance/{OTHER}", "--for=condition=Ready")
    wait(kubectl, f"pod/{embedding.CLIENT}", "--for=condition=Ready")
    run_shown(kubectl, "get", "modelinstances,deployments,services,pods")
    say("A pod in the cluster sends the same sentences to each model through its Service:")
    urls = [_url(kubectl, name) for name in (MODEL, OTHER)]
    run_shown(kubectl, "exec", embedding.CLIENT, "--", "python", "/scripts/ask.py", *urls)


def _show_faults(kubectl: Kubectl) -> None:
    say(
        "Three copies of the template with a fault each, and an instance of each:\n"
        "missing-image has an image that cannot be pulled (tag: no-such-tag), crashing a process\n"
        "that ends at its start (PORT: http), and small-memory too little memory (40Mi).\n"
        "The status says what is wrong and who must act:"
    )
    run_shown(kubectl, "apply", "-f", "-", documents=list(embedding.broken_templates()))
    for name, reason in REASONS.items():
        wait(kubectl, f"modelinstance/{name}", f"--for=jsonpath={REASON}={reason}")
    run_shown(kubectl, "get", "modelinstances")
    for name in REASONS:
        run_shown(kubectl, "get", "modelinstance", name, f"--output=jsonpath={MESSAGE}")
    say("The models beside them stay Ready. The faulty ones are deleted:")
    wait(kubectl, f"modelinstance/{MODEL}", f"modelinstance/{OTHER}", "--for=condition=Ready")
    run_shown(kubectl, "delete", "modelinstances", *REASONS, "--timeout=60s")
    run_shown(kubectl, "delete", "modeltemplates", *REASONS)


def _show_scaling(kubectl: Kubectl) -> None:
    instance = f"modelinstance/{MODEL}"
    for workers, said in ((2, "Two workers:"), (1, "And back to one:")):
        say(said)
        run_shown(kubectl, "scale", instance, f"--replicas={workers}")
        wait(kubectl, instance, f"--for=jsonpath={{.status.ready_replicas}}={workers}")
        wait(kubectl, instance, "--for=condition=Ready")
        run_shown(kubectl, "get", "modelinstances")


def _show_deletion(kubectl: Kubectl) -> None:
    say("Deleting the models also deletes their Deployments, Services and containers:")
    run_shown(kubectl, "delete", "modelinstances", "--all", "--timeout=60s")
    children = ("deployments,services,pods", "--selector=app.kubernetes.io/managed-by=model-operator")
    wait(kubectl, *children, "--for=delete")
    run_shown(kubectl, "get", *children)


def _url(kubectl: Kubectl, name: str) -> str:
    url: str = get(kubectl, "modelinstance", name)["status"]["url"]
    return url
