"""Fields that decide on what a pod may do or see take only values that the template lists."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate, compile_template

OPEN = {
    "TEXT": {"type": "string"},
    "COUNT": {"type": "integer"},
    "FLAG": {"type": "boolean"},
    "LIST": {"type": "array", "items": {"type": "integer"}},
    "OBJECT": {"type": "object"},
}
LISTED = {
    "TEXT": {"type": "string", "enum": ["one", "two"]},
    "COUNT": {"anyOf": [{"const": 1000}, {"const": 2000}]},
    "FLAG": {"const": False},
    "LIST": {"type": "array", "items": {"enum": [1, 2]}},
    "OBJECT": {"enum": [{"secretName": "a"}, {"secretName": "b"}]},
}
VALUES = {"TEXT": "two", "COUNT": 2000, "FLAG": False, "LIST": [2, 1], "OBJECT": {"secretName": "b"}}

# Each line: where in the pod template, what stands there, what it becomes.
FIELDS = """
serviceAccountName: [$(parameters.TEXT), two]
serviceAccount: [$(parameters.TEXT), two]
hostNetwork: [$(parameters.FLAG), false]
hostPID: [$(parameters.FLAG), false]
hostIPC: [$(parameters.FLAG), false]
hostUsers: [$(parameters.FLAG), false]
priorityClassName: [$(parameters.TEXT), two]
runtimeClassName: [$(parameters.TEXT), two]
nodeName: [$(parameters.TEXT), two]
imagePullSecrets: [[{name: registry-$(parameters.TEXT)}], [{name: registry-two}]]
securityContext.runAsUser: [$(parameters.COUNT), 2000]
securityContext.fsGroup: [$(parameters.COUNT), 2000]
securityContext.runAsNonRoot: [$(parameters.FLAG), false]
securityContext.supplementalGroups: [["$(parameters.LIST[*])"], [2, 1]]
securityContext.seccompProfile.localhostProfile: [$(parameters.TEXT), two]
securityContext.sysctls: [[{name: $(parameters.TEXT), value: "1"}], [{name: two, value: "1"}]]
volumes.hostPath.path: [/data/$(parameters.TEXT), /data/two]
volumes.hostPath.type: [$(parameters.TEXT), two]
volumes.secret: [$(parameters.OBJECT), {secretName: b}]
volumes.secret.secretName: [hub-$(parameters.TEXT), hub-two]
volumes.projected.sources: [[{secret: {name: $(parameters.TEXT)}}], [{secret: {name: two}}]]
volumes.csi.nodePublishSecretRef.name: [$(parameters.TEXT), two]
volumes.csi.volumeAttributes.secretProviderClass: [$(parameters.TEXT), two]
volumes.nfs.server: [$(parameters.TEXT), two]
volumes.azureFile.secretNamespace: [$(parameters.TEXT), two]
volumes.azureFile.secretName: [$(parameters.TEXT), two]
containers.securityContext.privileged: [$(parameters.FLAG), false]
containers.securityContext.runAsUser: [$(parameters.COUNT), 2000]
containers.securityContext.capabilities.add: [[$(parameters.TEXT)], [two]]
containers.env.valueFrom.secretKeyRef.name: [$(parameters.TEXT), two]
containers.envFrom.secretRef.name: [$(parameters.TEXT), two]
initContainers.securityContext.allowPrivilegeEscalation: [$(parameters.FLAG), false]
initContainers.envFrom.secretRef.name: [$(parameters.TEXT), two]
schedulerName: [$(parameters.TEXT), two]
shareProcessNamespace: [$(parameters.FLAG), false]
automountServiceAccountToken: [$(parameters.FLAG), false]
nodeSelector: [{zone: $(parameters.TEXT)}, {zone: two}]
tolerations: [[{key: $(parameters.TEXT), operator: Exists}], [{key: two, operator: Exists}]]
affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms:
  - [{matchExpressions: [{key: a, operator: In, values: [$(parameters.TEXT)]}]}]
  - [{matchExpressions: [{key: a, operator: In, values: [two]}]}]
topologySpreadConstraints: [[{topologyKey: $(parameters.TEXT)}], [{topologyKey: two}]]
dnsConfig.nameservers: [[$(parameters.TEXT)], [two]]
hostAliases: [[{ip: 10.0.0.1, hostnames: [$(parameters.TEXT)]}], [{ip: 10.0.0.1, hostnames: [two]}]]
volumes.projected.sources: [[{configMap: {name: $(parameters.TEXT)}}], [{configMap: {name: two}}]]
volumes.ephemeral.volumeClaimTemplate.spec.storageClassName: [$(parameters.TEXT), two]
volumes.gitRepo.repository: [$(parameters.TEXT), two]
volumes.image.pullPolicy: [$(parameters.TEXT), two]
volumes.sourceOfTomorrow.name: [$(parameters.TEXT), two]
volumes.emptyDir: [$(parameters.OBJECT), {secretName: b}]
resources.limits: [$(parameters.OBJECT), {secretName: b}]
resources.requests: [$(parameters.OBJECT), {secretName: b}]
containers.env.valueFrom.secretKeyRef.key: [$(parameters.TEXT), two]
initContainers.ports: [[{hostPort: $(parameters.COUNT)}], [{hostPort: 2000}]]
containers.command: [[/bin/$(parameters.TEXT), --serve], [/bin/two, --serve]]
containers.livenessProbe.httpGet.host: [$(parameters.TEXT), two]
containers.livenessProbe.exec.command: [[$(parameters.TEXT)], [two]]
containers.livenessProbe: [$(parameters.OBJECT), {secretName: b}]
containers.lifecycle.preStop.httpGet.path: [/$(parameters.TEXT), /two]
initContainers.volumeMounts:
  - [{name: shared-memory, mountPath: /$(parameters.TEXT)}]
  - [{name: shared-memory, mountPath: /two}]
initContainers.lifecycle: [$(parameters.OBJECT), {secretName: b}]
initContainers.fieldOfTomorrow: [$(parameters.TEXT), two]
fieldOfTomorrow: [$(parameters.TEXT), two]
"""
LISTS = {"volumes", "containers", "initContainers", "env", "envFrom"}
CASES = [
    pytest.param(path.split("."), *written_and_rendered, id=path)
    for path, written_and_rendered in yaml.safe_load(FIELDS).items()
]


def nested(path: list[str], value: Any) -> Any:
    if not path:
        return value
    name, rest = path[0], nested(path[1:], value)
    if name in LISTS:
        rest = [{"name": "model" if name == "containers" else "a", **rest}]
    return {name: rest}


def at(path: list[str], obj: Any) -> Any:
    for name in path:
        obj = obj[name]
        if name in LISTS:
            obj = next(each for each in obj if each["name"] in {"a", "model"})
    return obj


def compiled(
    pod_spec: Any, properties: Any, metadata: Any = None, free_domains: Sequence[str] = (), **bundle: Any
) -> CompiledTemplate:
    return compile_template(
        ModelTemplate.model_validate(
            {
                "apiVersion": "modeloperator.dev/v1alpha1",
                "kind": "ModelTemplate",
                "metadata": {"name": "t", "namespace": "ml"},
                "spec": {
                    "model_type": "GENERIC",
                    "model_creation_parameters_schema": {
                        "properties": properties,
                        "required": sorted(properties),
                    },
                    "vendor_configuration": {
                        "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **bundle}
                    },
                    "pod_template": {"metadata": metadata or {}, "spec": pod_spec},
                },
            }
        ),
        free_domains,
    )


INSTANCE = ModelInstance.model_validate(
    {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": "one", "namespace": "ml"},
        "spec": {"model_template_id": "t", "model_creation_parameters": VALUES},
    }
)


@pytest.mark.parametrize(("path", "written", "rendered"), CASES)
def test_any_value_is_refused_in_the_template(path: list[str], written: Any, rendered: Any) -> None:
    (violation,) = compiled(nested(path, written), OPEN).violations

    assert violation.type == "closed_values"
    assert "needs a parameter with enum here" in violation.msg
    named = [part for part in violation.loc if isinstance(part, str)]
    assert named[: 3 + len(path)] == ["spec", "pod_template", "spec", *path]


CHOSEN = (
    "$(instance.name)",
    "$(instance.account_id)",
    "a-$(instance.name)",
    "$(instance.namespace)-$(instance.name)",
)
NOT_CHOSEN = ("$(instance.namespace)", "$(instance.id)", "a-$(instance.namespace)-$(instance.id)")
TEXT_FIELDS = [
    ["serviceAccountName"],
    ["nodeName"],
    ["volumes", "secret", "secretName"],
    ["volumes", "hostPath", "path"],
    ["containers", "env", "valueFrom", "secretKeyRef", "name"],
    ["containers", "livenessProbe", "httpGet", "host"],
]


@pytest.mark.parametrize("path", TEXT_FIELDS, ids=".".join)
@pytest.mark.parametrize("text", CHOSEN)
def test_nothing_of_the_instance_that_its_author_chooses_gets_in(path: list[str], text: str) -> None:
    (violation,) = compiled(nested(path, text), {}).violations

    assert violation.type == "closed_values"
    assert "use $(instance.namespace), $(instance.id) or a parameter with enum" in violation.msg


@pytest.mark.parametrize("path", TEXT_FIELDS, ids=".".join)
@pytest.mark.parametrize("text", NOT_CHOSEN)
def test_what_the_server_decides_on_gets_in(path: list[str], text: str) -> None:
    assert compiled(nested(path, text), {}).violations == ()


@pytest.mark.parametrize(
    "key",
    [
        "container.apparmor.security.beta.kubernetes.io/model",
        "seccomp.security.alpha.kubernetes.io/pod",
        "iam.amazonaws.com/role",
        "vault.hashicorp.com/agent-inject-secret-a",
        "k8s.v1.cni.cncf.io/networks",
        "sidecar.istio.io/inject",
        "azure.workload.identity/use",
        "io.katacontainers.config.hypervisor.path",
        "modeloperator.dev/instance",
        "kueue.x-k8s.io/queue-name",
        "admission.datadoghq.com/python-lib.custom-image",
        "instrumentation.opentelemetry.io/inject-python",
        "dapr.io/sidecar-image",
        "karpenter.sh/do-not-disrupt",
        "aadpodidbinding",
        "prometheus.io/port",
        "seccomp-profile.kubernetes.cri-o.io/POD",
        "cpu-quota.crio.io",
        "org.systemd.property.DeviceAllow",
        "run.oci.keep_original_groups",
        "component.unknown.dev/yet",
        "example.com.evil.io/a",
        "notexample.com/a",
        "app.kubernetes.io.evil.io/a",
        "sub.app.kubernetes.io/a",
    ],
)
def test_annotations_and_labels_that_components_act_on_are_guarded(key: str) -> None:
    for kind in ("annotations", "labels"):
        metadata = {kind: {key: "$(parameters.TEXT)"}}
        (violation,) = compiled({}, OPEN, metadata=metadata).violations
        assert (violation.type, violation.loc[-2:]) == ("closed_values", (kind, key))


@pytest.mark.parametrize(
    "key", ["team", "config.yaml", "example.com/a", "sub.example.org/a", "app.kubernetes.io/version"]
)
def test_other_annotations_and_labels_are_the_author_s(key: str) -> None:
    for kind in ("annotations", "labels"):
        assert compiled({}, OPEN, metadata={kind: {key: "$(parameters.TEXT)"}}).violations == ()


def is_refused(key: str, free_domains: Sequence[str] = ()) -> bool:
    found = [
        {fault.type for fault in compiled({}, OPEN, {kind: {key: text}}, free_domains).violations}
        for kind in ("annotations", "labels")
        for text in ("$(parameters.TEXT)", "a-$(instance.name)")
    ]
    assert all(each == found[0] for each in found), "labels and annotations have one rule"
    return found[0] == {"closed_values"}


def test_a_domain_that_the_administrator_lists_is_the_author_s_with_its_subdomains() -> None:
    free = ("corp.io", "modeloperator.dev")

    assert not is_refused("corp.io/a", free)
    assert not is_refused("ml.corp.io/a", free)
    assert is_refused("notcorp.io/a", free)
    assert is_refused("io/a", free)
    assert is_refused("modeloperator.dev/model", free), "the operator's own is never free"


DOMAINS = st.from_regex(r"[a-z][a-z0-9-]{0,9}(\.[a-z][a-z0-9-]{0,9}){1,3}", fullmatch=True)
NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=20)
INERT = re.compile(r"app\.kubernetes\.io|(.*\.)?(example(\.com|\.net|\.org)?|test|invalid)")


@given(DOMAINS, NAMES)
def test_property_of_any_key_with_a_domain(domain: str, name: str) -> None:
    key = f"{domain}/{name}"

    assert is_refused(key) is (INERT.fullmatch(domain) is None)
    assert not is_refused(key, [domain])
    listed = {kind: {key: "$(parameters.TEXT)"} for kind in ("annotations", "labels")}
    assert compiled({}, LISTED, listed).violations == (), "listed values get in anywhere"


MOUNT = {"name": "data", "mountPath": "/data", "subPath": "$(parameters.TEXT)"}


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ({"emptyDir": {}}, set()),
        ({"persistentVolumeClaim": {"claimName": "a"}}, set()),
        ({"configMap": {"name": "a"}}, set()),
        ({"hostPath": {"path": "/data"}}, {"closed_values"}),
        ({"secret": {"secretName": "a"}}, {"closed_values"}),
        ({"nfs": {"server": "a", "path": "/"}}, {"closed_values"}),
    ],
)
def test_a_part_of_a_volume_is_as_guarded_as_its_source(source: Any, codes: set[str]) -> None:
    container = {"name": "model", "volumeMounts": [MOUNT]}
    pod_spec = {"containers": [container], "volumes": [{"name": "data", **source}]}

    assert {fault.type for fault in compiled(pod_spec, OPEN).violations} == codes


@pytest.mark.parametrize("name", [None, 1, {"a": 1}, ["data"]])
def test_a_mount_of_no_volume_is_guarded(name: Any) -> None:
    """Kubernetes refuses it, but it has to be read before that."""
    container = {"name": "model", "volumeMounts": [{**MOUNT, "name": name}]}
    pod_spec = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}

    assert {fault.type for fault in compiled(pod_spec, OPEN).violations} == {"closed_values"}


def test_what_a_command_runs_is_not_left_to_an_expansion() -> None:
    command = {"name": "model", "command": ["$(parameters.LIST[*])", "$(parameters.TEXT)"]}

    found = compiled({"containers": [command]}, {**OPEN, "LIST": {"type": "array", "items": {"enum": ["a"]}}})

    assert [fault.type for fault in found.violations] == ["misplaced_expansion"]


def test_arguments_of_a_command_are_free() -> None:
    command = ["serve", "$(parameters.TEXT)", "$(parameters.LIST[*])"]
    container = {"name": "model", "args": ["$(parameters.LIST[*])"], "command": command}

    assert compiled({"containers": [container]}, OPEN).violations == ()
    (violation,) = compiled({}, OPEN, command=["$(parameters.TEXT)"]).violations
    assert (violation.type, violation.loc[-2:]) == ("closed_values", ("command", 0))


@pytest.mark.parametrize(("path", "written", "rendered"), CASES)
def test_a_listed_value_gets_in(path: list[str], written: Any, rendered: Any) -> None:
    rendering = render(compiled(nested(path, written), LISTED), INSTANCE)

    assert rendering.violations == ()
    pod_spec = rendering.deployments[0].deployment.manifest["spec"]["template"]["spec"]
    assert at(path, pod_spec) == rendered


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(one|two)$"},
        {"anyOf": [{"const": "one"}, {"type": "string"}]},
        {"type": "string", "examples": ["one"], "default": "one"},
        {"not": {"enum": ["root"]}, "type": "string"},
    ],
)
def test_only_a_list_of_values_counts(schema: Any) -> None:
    (violation,) = compiled({"serviceAccountName": "$(parameters.TEXT)"}, {"TEXT": schema}).violations

    assert violation.type == "closed_values"


def test_the_bundles_pull_secrets_are_guarded_too() -> None:
    (violation,) = compiled({}, OPEN, image_pull_secrets=[{"name": "$(parameters.TEXT)"}]).violations

    assert (violation.type, violation.loc[-3:]) == ("closed_values", ("image_pull_secrets", 0, "name"))


@pytest.mark.parametrize(
    ("kind", "key", "value", "is_taken"),
    [
        ("labels", "model.aibrix.ai/name", "$(instance.name)", True),
        ("labels", "model.aibrix.ai/name", "x-$(instance.name)", False),
        ("labels", "model.aibrix.ai/name", "$(instance.account_id)", False),
        ("labels", "model.aibrix.ai/name", "$(parameters.OPEN)", False),
        ("annotations", "model.aibrix.ai/name", "$(instance.name)", False),
        ("labels", "sidecar.istio.io/inject", "$(instance.name)", False),
        ("labels", "node.kubernetes.io/exclude", "$(instance.name)", False),
        ("labels", "io.katacontainers.config", "$(instance.name)", False),
    ],
)
def test_a_label_takes_the_name_of_the_instance_as_a_whole(
    kind: str, key: str, value: str, is_taken: bool
) -> None:
    violations = compiled({}, OPEN, {kind: {key: value}}).violations

    assert (not violations) is is_taken
