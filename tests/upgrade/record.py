"""Records what this version makes, for the tests of upgrades from it: ``python -m tests.upgrade.record``."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import yaml

from model_operator import __version__
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.kubectl import CRDS
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.upgrade.fixtures import CHILDREN, FOLDER, OURS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import Object

SAMPLES = REPOSITORY / "manifests" / "samples"
UNREADY = {"invalid": "InvalidParameters", "homeless": "TemplateNotFound", "untemplated": "TemplateInvalid"}
"""Instances that are not Ready, some of which serve."""


def make(cluster: ControlPlane, api: KubeApi) -> None:
    """Have something of every kind, in every way in which it is written, and wait until all is done."""
    cluster.kubectl("apply", "-k", SAMPLES)
    for name in ("encoder", "edited", "broken"):
        api.apply(template(name))
    scaled = template("scaled")
    scaled["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 2, "max_workers": 4}
    api.apply(scaled)
    api.apply(instance("plain"))
    api.apply(instance("edited", model_template_id="edited"))
    api.apply(instance("autoscaled", model_template_id="scaled"))
    api.apply(instance("pinned", model_template_id="scaled", replicas=3))
    api.apply(instance("none", replicas=0))
    entries = [{"name": "a"}, {"name": "b", "model_creation_parameters": {"BATCH_SIZE": 4}}]
    api.apply(instance("several", deployments=entries))
    api.apply(instance("empty", deployments=[]))
    api.apply(instance("invalid"))
    api.apply(instance("untemplated", model_template_id="broken"))
    cluster.kubectl("wait", "modelinstances", "--all", "--for=condition=Ready", "--timeout=60s")
    # A second generation of everything.
    api.patch("ModelTemplate", "edited", _bundle(tag="v2"))
    api.patch("ModelTemplate", "broken", _bundle(image="$(parameters.NONE)"))
    api.patch("ModelInstance", "plain", {"spec": {"model_creation_parameters": {"BATCH_SIZE": 2}}})
    api.patch("ModelInstance", "invalid", {"spec": {"model_creation_parameters": {"BATCH_SIZE": 0}}})
    api.apply(instance("homeless", model_template_id="nowhere"))
    for obj in api.list("ModelInstance"):
        name = obj["metadata"]["name"]
        reason = UNREADY.get(name)
        api.wait_for_condition("ModelInstance", name, "Ready", "False" if reason else "True", reason=reason)
    for kind in ("ModelTemplate", "ClusterModelTemplate"):
        for obj in api.list(kind):
            wait_for(lambda obj=obj, kind=kind: _is_counted(api, kind, obj["metadata"]["name"]))  # type: ignore[misc]


def _bundle(**fields: str) -> Object:
    return {"spec": {"vendor_configuration": {"bundle_config": fields}}}


def _is_counted(api: KubeApi, kind: str, name: str) -> bool:
    """Whether a template's status is about all of its instances."""
    users = [
        obj
        for obj in api.list("ModelInstance")
        if (obj.get("status", {}).get("template") or {}).get("name") == name
        and obj["status"]["template"]["kind"] == kind
    ]
    obj = api.get(kind, name)
    status = obj["status"]
    arrived = [user for user in users if _is_ready(user)]
    current: bool = status["observedGeneration"] == obj["metadata"]["generation"]
    counts = (status.get("instance_count", 0), status.get("updated_instance_count", 0))
    return current and counts == (len(users), len(arrived))


def _is_ready(obj: Object) -> bool:
    """Whether an instance is Ready."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in obj["status"]["conditions"])


def record(api: KubeApi, folder: Path) -> None:
    """Write the CRDs and all objects down as they are stored."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "crds").mkdir(parents=True)
    for path in CRDS.glob("*.yaml"):
        shutil.copy(path, folder / "crds")
    for kind in (*OURS, *CHILDREN):
        labels = "app.kubernetes.io/managed-by=model-operator" if kind in CHILDREN else ""
        objects = sorted(api.list(kind, labels=labels), key=lambda obj: str(obj["metadata"]["name"]))
        typed = [{"apiVersion": api.api_version(kind), "kind": kind, **obj} for obj in objects]
        text = yaml.safe_dump_all(typed, sort_keys=False, width=120)
        (folder / f"{kind.lower()}s.yaml").write_text(text)
        print(f"{len(typed)} {kind}s")


def main() -> int:
    """Record; give the exit status."""
    with ControlPlane.start() as cluster:
        api = KubeApi(cluster.kubeconfig)
        log = cluster.directory / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log):
            make(cluster, api)
        record(api, FOLDER / f"v{__version__}")
        api.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
