"""The YAML to commit of an object: what people decided, in a form that is read alike everywhere."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.rest.manifest_export import exported
from model_operator.core.offline.documents import read_documents

LIVE: dict[str, Any] = yaml.safe_load("""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata:
  name: minilm
  namespace: team-a
  uid: 5f0c2ab4-0000-4000-8000-000000000000
  resourceVersion: "812"
  generation: 3
  creationTimestamp: "2026-01-31T10:00:00Z"
  finalizers: [example.com/finalizer]
  labels:
    team: search
    app.kubernetes.io/managed-by: model-operator-rest
    app.kubernetes.io/instance: minilm
    kustomize.toolkit.fluxcd.io/name: models
    kustomize.toolkit.fluxcd.io/namespace: flux-system
    helm.toolkit.fluxcd.io/name: models
    helm.toolkit.fluxcd.io/namespace: flux-system
    argocd.argoproj.io/instance: models
  annotations:
    example.com/owner: Ann
    kustomize.toolkit.fluxcd.io/prune: disabled
    argocd.argoproj.io/sync-options: Prune=false
    argocd.argoproj.io/tracking-id: models:modeloperator.dev/ModelInstance:team-a/minilm
    argocd.argoproj.io/installation-id: one
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    modeloperator.dev/created-by-user-id: ann
    modeloperator.dev/created-by-identity-type: user
    modeloperator.dev/idempotency-key: sha256:0
  managedFields:
    - manager: kubectl
      operation: Apply
      fieldsV1: {"f:metadata": {"f:labels": {"f:app.kubernetes.io/instance": {}}}}
spec:
  model_template_id: encoder
  model_creation_parameters: {MODEL_NAME: "y", BATCH_SIZE: 8, LIMIT: 1.5, "ON": "1e3"}
  name: Mini LM
  model_card: |
    # Mini LM

    For search: `::` and "quotes".
  description: A text of one line, longer than terminals are wide, so that writers of YAML break it
status: {conditions: []}
""")

EXPORTED = """\
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata:
  annotations:
    argocd.argoproj.io/sync-options: Prune=false
    example.com/owner: Ann
    kustomize.toolkit.fluxcd.io/prune: disabled
  labels:
    app.kubernetes.io/instance: minilm
    team: search
  name: minilm
  namespace: team-a
spec:
  description: A text of one line, longer than terminals are wide, so that writers of YAML break it
  model_card: |
    # Mini LM

    For search: `::` and "quotes".
  model_creation_parameters:
    BATCH_SIZE: 8
    LIMIT: 1.5
    MODEL_NAME: 'y'
    'ON': '1e3'
  model_template_id: encoder
  name: Mini LM
"""


def read(text: str) -> dict[str, Any]:
    """Read a manifest as kubectl does."""
    (document,) = read_documents(text, "exported.yaml")
    assert document.faults == ()
    value: dict[str, Any] = document.value
    return value


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """Give the object that a cluster makes of a manifest."""
    made = copy.deepcopy(manifest)
    made["metadata"] |= {
        "uid": "0",
        "resourceVersion": "1",
        "generation": 1,
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
        "annotations": {
            "modeloperator.dev/created-by-user-id": "bob",
            **made["metadata"].get("annotations", {}),
        },
    }
    made["status"] = {"conditions": []}
    return made


def test_what_people_decided_and_nothing_else() -> None:
    assert exported(LIVE) == EXPORTED


def test_a_text_of_one_line_is_never_broken() -> None:
    description = "a word, " * 100 + "more"

    assert f"\n  description: {description}\n" in exported(LIVE | {"spec": {"description": description}})


def test_an_object_without_labels_has_none() -> None:
    labels = {"app.kubernetes.io/managed-by": "model-operator-rest"}
    live = LIVE | {"metadata": {"name": "minilm", "labels": labels, "annotations": None}, "spec": {}}

    assert read(exported(live)) == {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": "minilm"},
        "spec": {},
    }


def test_a_template_is_named_by_its_name_and_kind() -> None:
    def spec(template_id: str, uid: str = "42") -> Any:
        status = {"template": {"kind": "ClusterModelTemplate", "name": "encoder", "uid": uid}}
        live = LIVE | {
            "spec": {"model_template_id": template_id, "model_type": "EMBEDDING"},
            "status": status,
        }
        return read(exported(live))["spec"]

    portable = {"model_template_id": "encoder", "model_template_kind": "ClusterModelTemplate"}
    assert spec("42") == portable | {"model_type": "EMBEDDING"}
    assert spec("encoder") == {"model_template_id": "encoder", "model_type": "EMBEDDING"}
    # Another template has been set since, and the operator has not seen it yet.
    assert spec("42", uid="41") == {"model_template_id": "42", "model_type": "EMBEDDING"}


def test_labels_of_people_stay() -> None:
    def labels(labels: dict[str, str], **metadata: Any) -> Any:
        live = LIVE | {"metadata": {"name": "minilm", "labels": labels, **metadata}}
        return read(exported(live))["metadata"].get("labels")

    instance, managed = "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"
    wrote: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{instance}": {}}}}
    argo_cd = [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": wrote}]
    assert labels({instance: "models"}) == {instance: "models"}
    assert labels({instance: "models"}, managedFields=argo_cd) is None
    assert labels({managed: "platform-team"}) == {managed: "platform-team"}
    assert labels({managed: "Helm"}) == {managed: "Helm"}
    assert labels({managed: "Helm"}, annotations={"meta.helm.sh/release-name": "models"}) is None


_TEXTS = st.one_of(
    st.sampled_from(
        ["", "y", "No", "on", "null", "~", "1e3", "0o7", "0x1F", "1_0", "1:30", "2026-01-31", ".5", "-"]
    ),
    st.sampled_from(
        ["a\n", "\na", " a\n b", "a\n\n\n", "a \nb", "a\tb\n", "a\r\nb", "#\n- x", "a: b\n", "\u2028", "😀\n"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), _TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(spec=st.dictionaries(_TEXTS, _VALUES, max_size=4), labels=st.dictionaries(_TEXTS, _TEXTS, max_size=2))
def test_an_export_that_is_applied_is_the_same_export(spec: dict[str, Any], labels: dict[str, str]) -> None:
    live = LIVE | {"metadata": LIVE["metadata"] | {"labels": labels}, "spec": spec}

    text = exported(live)

    manifest = read(text)
    assert manifest["spec"] == spec
    assert yaml.safe_load(text) == manifest
    assert exported(stored(manifest)) == text
