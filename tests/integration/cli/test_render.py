"""``render`` writes what the operator applies, and ``--diff cluster`` tells exactly what it would change."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.core.objects.managed_fields import applied_fields
from model_operator.kube.resources import CHILD_KINDS
from tests.cluster.kube_api import without_status
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.docs.console import blocks, commands, run

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi, Object
    from tests.integration.cli.conftest import ModelOperator

pytestmark = pytest.mark.usefixtures("operator")

SAMPLES = REPOSITORY / "manifests" / "samples"
README = (REPOSITORY / "README.md").read_text()
DOCUMENT = REPOSITORY / "docs" / "cli.md"
AUTOSCALED = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: autoscaled}
spec:
  model_type: GENERIC
  vendor_configuration:
    bundle_config: {registry: registry.test, image: server, tag: v1, env: {EMPTY: "", ID: $(instance.id)}}
    endpoint_config: {cpus: "0.5", memory: 1073741824, storage: 1Gi, min_workers: 1, max_workers: 3}
---
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: autoscaled}
spec:
  model_template_id: autoscaled
  deployments: [{name: a}, {name: b, vendor_configuration: {max_workers: 1}}]
"""


def in_namespace(text: str, namespace: str) -> str:
    objects = [obj for obj in yaml.safe_load_all(text) if obj]
    for obj in objects:
        if obj["kind"] != "ClusterModelTemplate":
            obj["metadata"]["namespace"] = namespace
    return yaml.safe_dump_all(objects)


def manifests() -> dict[str, str]:
    """Give the samples, the README's example and one with everything else that is rendered."""
    texts = {
        path.stem: path.read_text()
        for path in sorted(SAMPLES.glob("*.yaml"))
        if path.name != "kustomization.yaml"
    }
    (readme, *_) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return {**texts, "readme": readme, "autoscaled": AUTOSCALED}


def children(api: KubeApi) -> dict[tuple[str, str], Object]:
    return {
        (kind.kind, obj["metadata"]["name"]): {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        for kind in CHILD_KINDS
        for obj in api.list(kind.kind, labels=kind.label_selector)
    }


def written(api: KubeApi) -> dict[tuple[str, str], Object]:
    """Give the children but for what controllers say of them."""
    return {key: without_status(child) for key, child in children(api).items()}


OF_OPERATOR = re.compile("modeloperator.dev/(applied-hash|template-revision): ")
"""Annotations by which the operator recognizes what it has applied."""


def applied(child: Object) -> Object:
    """Give what the operator applied: the fields that it owns, and what no manager owns."""
    (owned,) = applied_fields(child)
    metadata = {"name": child["metadata"]["name"], "namespace": child["metadata"]["namespace"]}
    return {
        **owned,
        "apiVersion": child["apiVersion"],
        "kind": child["kind"],
        "metadata": metadata | owned["metadata"],
    }


def without_cluster(child: Object) -> Object:
    """Give a child without owner, hash and revision, which a rendering for files leaves out."""
    metadata = dict(child["metadata"])
    metadata.pop("ownerReferences", None)
    annotations = dict(metadata.pop("annotations", {}))
    annotations.pop("modeloperator.dev/applied-hash", None)
    annotations.pop("modeloperator.dev/template-revision", None)
    return {**child, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def comparable(value: Any) -> Any:
    """Give a value with lists of named items in one order, and quantities as the server spells them.

    Of ``paused: false`` the server stores nothing, not even whose field it is.
    """
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if (key, item) != ("paused", False)}
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        if items and all(isinstance(item, dict) and "name" in item for item in items):
            return sorted(items, key=lambda item: item["name"])
        return items
    return {"0.5": "500m", "1073741824": "1Gi", 1073741824: "1Gi"}.get(value, value)


@pytest.mark.parametrize("name", manifests())
def test_renders_what_is_applied(
    api: KubeApi, model_operator: ModelOperator, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(in_namespace(manifests()[name], api.namespace))
    rendered = model_operator("render", "-f", file)
    assert (rendered.returncode, rendered.stderr) == (0, "")
    expected = {
        (child["kind"], child["metadata"]["name"]): child for child in yaml.safe_load_all(rendered.stdout)
    }
    before = model_operator("render", "-f", file, "--diff", "cluster")
    assert before.returncode == (1 if expected else 0), before.stderr
    assert before.stdout.count("+++ after: ") == before.stdout.count("--- before: none") == len(expected)

    api.apply_all(file.read_text())
    for obj in yaml.safe_load_all(file.read_text()):
        if obj["kind"] == "ModelInstance":
            api.wait_for_condition("ModelInstance", obj["metadata"]["name"], "Ready")
    # The autoscaler's number is handed over before the main apply leaves it out.
    wait_for(lambda: model_operator("render", "-f", file, "--diff", "cluster").returncode == 0)
    live = children(api)

    assert live.keys() == expected.keys()
    for key, child in live.items():
        found = comparable(without_cluster(applied(child)))
        if name == "autoscaled" and key[0] == "Deployment":
            uid = child["metadata"]["ownerReferences"][0]["uid"]
            found = yaml.safe_load(yaml.safe_dump(found).replace(uid, "00000000-0000-0000-0000-000000000000"))
        assert found == comparable(expected[key])


def test_diff_shows_an_edit_by_hand_and_what_is_no_longer_wanted(
    api: KubeApi, model_operator: ModelOperator, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.yaml"
    text = in_namespace(AUTOSCALED, api.namespace)
    file.write_text(text)
    api.apply_all(text)
    api.wait_for_condition("ModelInstance", "autoscaled", "Ready")
    wait_for(lambda: model_operator("render", "-f", file, "--diff", "cluster").returncode == 0)
    before = written(api)
    file.write_text(text.replace("tag: v1", "tag: v2").replace("- name: b\n", "- name: c\n"))

    done = model_operator("render", "-f", file, "--diff", "cluster")

    assert done.returncode == 1
    titles = re.findall(r"^(?:---|\+\+\+) (.*)$", done.stdout, re.MULTILINE)
    names = f"{api.namespace}/autoscaled"
    assert set(titles) == {
        f"before: Deployment {names}-a",
        f"after: Deployment {names}-a",
        f"before: Deployment {names}-b",
        f"before: Service {names}-b",
        f"after: Deployment {names}-c",
        f"after: Service {names}-c",
        "before: none",
        "after: none",
    }
    first = done.stdout.partition("autoscaled-b")[0]
    changed = {
        line
        for line in first.splitlines()
        if re.match(r"[-+](?![-+])", line) and not OF_OPERATOR.search(line)
    }
    assert changed == {"-        image: registry.test/server:v1", "+        image: registry.test/server:v2"}
    assert written(api) == before


def test_templates_may_be_the_cluster_s(api: KubeApi, model_operator: ModelOperator, tmp_path: Path) -> None:
    template, instance = yaml.safe_load_all(in_namespace(AUTOSCALED, api.namespace))
    api.apply(template)
    file = tmp_path / "instance.yaml"
    file.write_text(yaml.safe_dump(instance))

    assert model_operator("render", "-f", file).returncode == 2
    done = model_operator("render", "-f", file, "--diff", "cluster")

    assert (done.returncode, done.stderr) == (1, "")
    assert "after: Deployment" in done.stdout


def test_against_a_cluster_the_namespace_is_the_context_s(
    cluster: Cluster, api: KubeApi, model_operator: ModelOperator, tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = api.namespace
    write_kubeconfig(tmp_path / "config", config)

    done = model_operator(
        "render", "-f", "-", "--diff", "cluster", "--kubeconfig", tmp_path / "config", given=AUTOSCALED
    )

    assert done.returncode == 1
    assert f"+++ after: Deployment {api.namespace}/autoscaled-a\n" in done.stdout


def test_an_unreachable_cluster_is_told_in_one_line(model_operator: ModelOperator, tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        "current-context": "c",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))

    done = model_operator(
        "render", "-f", "-", "--diff", "cluster", "--kubeconfig", tmp_path / "config", given=AUTOSCALED
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("model-operator: error: GET /apis/modeloperator.dev")
    assert done.stderr.count("\n") == 1


def test_example_of_the_document(cluster: Cluster, api: KubeApi, tmp_path: Path) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    found = list(blocks(document))
    for block in found:
        if block.file in ("template.yaml", "instance.yaml"):
            (tmp_path / block.file).write_text(in_namespace(block.text, api.namespace))
            api.apply_all((tmp_path / block.file).read_text())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    (example,) = [block for block in found if block.mark == "on a cluster"]
    # The files were rewritten for the test's namespace, and quote otherwise.
    text = example.text.replace("""'s/tag: "1.4"/tag: "1.5"/'""", """"s/tag: '1.4'/tag: '1.5'/\"""")
    script = type(example)(example.file, example.mark, text, example.start, example.end)

    written = run(script, tmp_path, {"KUBECONFIG": str(cluster.kubeconfig)})

    hashes = re.compile("applied-hash: [0-9a-f]{32}")
    shown = written.replace(f"{api.namespace}/", "default/").replace(text, example.text)
    for given, original in zip(commands(script), commands(example), strict=True):
        shown = shown.replace(given, original)
    if os.environ.get("UPDATE_GOLDEN"):
        hidden = hashes.sub(lambda match: f"applied-hash: {match[0][-32:-28]}…", shown)
        DOCUMENT.write_text(document[: example.start] + hidden + document[example.end :], encoding="utf-8")
        return
    pattern = re.escape(example.text)
    pattern = re.sub(r"applied\\-hash:\\ [0-9a-f]{4}…", r"applied-hash: [0-9a-f]{32}", pattern)
    assert re.fullmatch(pattern, shown), shown
