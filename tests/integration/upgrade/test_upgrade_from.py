"""This version over what earlier ones have left: nothing is rolled, lost or changed, and all is of use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hack.build.toolset import cached_tools
from model_operator import __version__
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import edit_bundle, instance, template
from tests.upgrade.fixtures import CHILDREN, OURS, Version, store, versions

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.cluster.kube_api import Object, Objects

HISTORY = versions()


def test_this_version_has_left_something() -> None:
    assert f"v{__version__}" in [version.folder.name for version in HISTORY]


@pytest.mark.parametrize("version", HISTORY, ids=lambda version: version.folder.name)
def test_new_version_over_old_objects(version: Version, tmp_path: Path) -> None:
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    old = version.objects()
    with ControlPlane.start(crds=False) as cluster:
        cluster.kubectl("apply", "-f", version.crds)
        cluster.kubectl("wait", "--for=condition=Established", "-f", version.crds)
        for obj in old:
            store(cluster.etcd_url, obj)
        api = KubeApi(cluster.kubeconfig)
        # What a new kind is, the API server tells a moment after it has established it.
        wait_for(lambda: [api.api_version(obj["kind"]) for obj in old], message="the kinds are served")
        assert live(api, old) == [without_version(obj) for obj in old], (
            "the fixtures are in place as they were"
        )
        wait_for(lambda: _workers_are_there(api, old), 60)
        pods = _pods(api)
        cluster.apply_crds()

        log = tmp_path / "operator.log"
        # What another object may resolve is Stalled at once, not some time during the test.
        at_once = {"MODEL_OPERATOR_STALLED_AFTER_SECONDS": "0"}
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log, environment=at_once) as operator:
            _look_at_everything(api)

            for was, now in zip(old, live(api, old), strict=True):
                _judge(was, now)
            assert _pods(api) == pods, "no pod was replaced"
            # The old objects take part in life.
            edit_bundle(api, tag="v9")
            wait_for(
                lambda: api.get("Deployment", "plain")["metadata"]["generation"] > _generation(old, "plain")
            )
            api.wait_for_condition("ModelInstance", "plain", "Ready")
            api.delete("ModelInstance", "autoscaled", propagation="Foreground")
            api.wait_until_gone("ModelInstance", "autoscaled", deadline=60)
            assert api.find("Deployment", "autoscaled") is None
            operator.check_running()
        api.close()


def without_version(obj: Object) -> Object:
    """Give an object without what says when it was stored, and what controllers say of children."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    rest = {name: value for name, value in obj.items() if name not in ("metadata", "apiVersion")}
    if obj["kind"] in CHILDREN:
        rest.pop("status", None)
        metadata["managedFields"] = [each for each in metadata["managedFields"] if "subresource" not in each]
        annotations = metadata.get("annotations", {})
        metadata["annotations"] = {
            name: value
            for name, value in annotations.items()
            if not name.startswith("deployment.kubernetes.io")
        }
    return {**rest, "metadata": metadata}


def live(api: KubeApi, old: Objects) -> Objects:
    """Give what has become of some objects, in their order."""
    return [without_version(api.get(obj["kind"], obj["metadata"]["name"])) for obj in old]


_TYPED = ("reason", "actor")
"""Fields of a problem for programs; the others are texts."""
KEPT_ALWAYS = {"Ready", "Available", "Reconciling", "Stalled"}
"""Conditions that an old version would have set; a new version may add others."""


def _judge(was: Object, now: Object) -> None:
    """Hold an object against what it was."""
    name = f"{was['kind']} {was['metadata']['name']}"
    assert now["metadata"]["uid"] == was["metadata"]["uid"], name
    assert now["spec"] == was["spec"], f"{name}: no field is lost, no default changed"
    assert now["metadata"].get("generation") == was["metadata"].get("generation"), name
    if was["kind"] in OURS:
        known = {condition["type"] for condition in was["status"]["conditions"]}
        conditions = [each for each in now["status"]["conditions"] if each["type"] in known | KEPT_ALWAYS]
        lost = _lost(_settled(was["status"]), _settled(now["status"] | {"conditions": conditions}))
        assert lost == [], f"{name}: its status tells what it told"
    else:
        assert now["metadata"]["ownerReferences"] == was["metadata"]["ownerReferences"], name


def _settled(status: Object) -> Object:
    """Return a status without what says that the problem of a template lasts: it did not in v0.1.0."""
    lasting = ("TemplateNotFound", "TemplateInvalid")
    kept = [
        each
        for each in status["conditions"]
        if each["type"] not in ("Reconciling", "Stalled") or each["reason"] not in lasting
    ]
    # Texts are for people, and may be worded differently; reasons may not.
    kept = [{key: value for key, value in each.items() if key != "message"} for each in kept]
    # Of a deployment, the texts and the state of an update that is not attempted read otherwise since.
    deployments = [
        {key: value for key, value in each.items() if key not in ("message", "problem", "status")}
        for each in status.get("deployments", [])
    ]
    problem = status.get("problem")
    of_problem = {} if problem is None else {"problem": {name: problem.get(name) for name in _TYPED}}
    return {**status, "conditions": kept, "deployments": deployments, **of_problem}


def _lost(was: Any, now: Any, path: str = "status") -> list[str]:
    """Give the places at which something was that is not there, or is something else."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [lost for key in was for lost in _lost(was[key], now.get(key), f"{path}.{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [
            lost
            for place, pair in enumerate(zip(was, now, strict=True))
            for lost in _lost(*pair, f"{path}[{place}]")
        ]
    return [] if was == now else [f"{path}: {was!r} became {now!r}"]


def _look_at_everything(api: KubeApi) -> None:
    """Have the operator that has just started reconcile everything: a new instance comes last."""
    api.apply(template("witness"))
    api.apply(instance("witness", model_template_id="witness"))
    api.wait_for_condition("ModelInstance", "witness", "Ready")


def _workers_are_there(api: KubeApi, old: Objects) -> bool:
    """Whether the controllers have made of the Deployments what they were: a restored one has no pods yet."""
    for obj in old:
        if obj["kind"] != "Deployment":
            continue
        status = api.get("Deployment", obj["metadata"]["name"]).get("status", {})
        for field in ("readyReplicas", "availableReplicas", "updatedReplicas", "replicas"):
            assert status.get(field) == obj["status"].get(field), f"{obj['metadata']['name']}: {status}"
    return True


def _pods(api: KubeApi) -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in api.list("Pod", labels="app.kubernetes.io/managed-by=model-operator")
        if not pod["metadata"]["name"].startswith("witness")
    }


def _generation(old: Objects, name: str) -> int:
    (found,) = [obj for obj in old if (obj["kind"], obj["metadata"]["name"]) == ("Deployment", name)]
    generation: int = found["metadata"]["generation"]
    return generation
