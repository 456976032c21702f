"""``validate`` and the API server with the webhooks: the same verdicts, or a difference that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.kubernetes_schemas import capture, packaged
from model_operator.api import API_VERSION
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import has_errors
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.render_settings import RenderSettings
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.examples.admission import cases as admission
from tests.examples.crds import cases as crds

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission


HERE = Path(__file__).parent
WORDS = HERE.parents[1] / "unit" / "core" / "offline" / "words.yaml"
DIFFERENCES = yaml.safe_load((HERE / "differences.yaml").read_text())
CASES = [
    case.object
    for cases in (admission, crds)
    for folder in ("valid", "invalid")
    for case in cases.load(folder)
]
SCHEMAS = KubernetesSchemas(packaged())


def is_accepted(api: KubeApi, obj: dict[str, Any]) -> bool:
    try:
        api.create(obj, dry_run=True)
    except KubeApiError as error:
        if error.code != 422:
            raise
        return False
    return True


def is_valid(obj: dict[str, Any]) -> bool:
    text = yaml.safe_dump_all([*admission.templates(), obj])
    collection = collect(read_documents(text, "file.yaml"))
    return not has_errors(Checker(collection, RenderSettings(), SCHEMAS).findings())


def test_verdicts_are_the_same(admission: Admission) -> None:
    told = {json.dumps(obj): (is_valid(obj), is_accepted(admission.api, obj)) for obj in CASES}

    assert len(told) > 150
    assert {obj: verdicts for obj, verdicts in told.items() if verdicts[0] != verdicts[1]} == {}


@pytest.mark.parametrize("case", DIFFERENCES, ids=lambda case: case["it"])
def test_known_differences(admission: Admission, case: dict[str, Any]) -> None:
    obj = {"apiVersion": API_VERSION, **case["object"]}
    words = {True: "accepted", False: "refused"}

    assert words[is_accepted(admission.api, obj)] == case["server"]
    assert words[is_valid(obj)] == case["offline"]


def test_kubectl_reads_words_alike(kubectl: Kubectl) -> None:
    words = yaml.safe_load(WORDS.read_text())
    manifest = (
        f"apiVersion: {API_VERSION}\nkind: ModelInstance\nmetadata: {{name: words}}\n"
        "spec:\n  model_template_id: t\n  model_creation_parameters:\n    list:\n"
    )
    manifest += "".join(f"      - {word}\n" for word in words if abs(_number(words[word])) < 2**63)

    done = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=manifest)

    found = json.loads(done.stdout)["spec"]["model_creation_parameters"]["list"]
    expected = [value for value in words.values() if abs(_number(value)) < 2**63]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in expected]


def _number(value: Any) -> float:
    """Give a number, 0 for anything else: the server cannot store those beyond 64 bits."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def test_packaged_schemas_are_the_server_s(control_plane: ControlPlane) -> None:
    api = KubeApi(control_plane.kubeconfig)

    assert packaged() == capture(api), "run `make kubernetes-schemas`"
    api.close()
