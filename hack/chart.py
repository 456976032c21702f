"""Makes the templates of the Helm chart out of the manifests: ``python -m hack.chart [--check]``.

They are the manifests' text, comments included, with what a value decides put in its place. So a change of
the manifests reaches the chart by `make chart`, and one of their form that it cannot follow is an error.
That both render the same is a test.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from model_operator.core.webhooks.callers import Webhook, webhook_named

REPOSITORY = Path(__file__).parent.parent
MANIFESTS = REPOSITORY / "manifests"
CHART = REPOSITORY / "charts" / "model-operator"

_NAMESPACE = "{{ .Release.Namespace }}"
_EVERYWHERE = "not .Values.namespaces"
_WEBHOOKS = ".Values.webhook.enabled"
_CERT_MANAGER = ".Values.certManager.enabled"
_OWN_CERTIFICATE = f"and {_WEBHOOKS} (not {_CERT_MANAGER})"


class FormError(Exception):
    """A manifest is not of the form that the chart is made from; the message says what was expected."""


@dataclass(frozen=True)
class Source:
    """A manifest on its way to a template.

    Attributes
    ----------
    text
        As far as it has come.
    name
        For errors.
    """

    text: str
    name: str

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read a manifest."""
        return cls.of(path.read_text(), path.name)

    @classmethod
    def of(cls, text: str, name: str) -> Source:
        """Take a manifest's text; Helm is to leave its braces alone, and the namespace is the release's."""
        text = re.sub(r"\{\{|\}\}", lambda match: '{{ "' + match.group() + '" }}', text)
        text = re.sub(r"\bnamespace: model-operator\b(?!-)", f"namespace: {_NAMESPACE}", text)
        return cls(text, name)

    def replaced(self, pattern: str, by: str, *, count: int = 1) -> Source:
        """Give it with `count` places that match a pattern replaced."""
        text, found = re.subn(pattern, by, self.text, flags=re.MULTILINE)
        if found != count:
            raise FormError(f"{self.name}: expected {count} places like {pattern!r}, found {found}.")
        return Source(text, self.name)

    def under(self, condition: str, pattern: str, *, count: int = 1) -> Source:
        """Give it with whole lines that match a pattern there under a condition only."""
        return self.replaced(pattern, _when(condition, r"\g<0>"), count=count)


def _when(condition: str, text: str) -> str:
    """Give whole lines such that they are there under a condition only."""
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"


def _base(name: str) -> Source:
    return Source.read(MANIFESTS / "base" / name)


def _pods(source: Source, values: str) -> Source:
    """Give a Deployment with what values decide of its pods: those of the operator, or of the gateway."""
    return (
        source.replaced(r"replicas: \d+", f"replicas: {{{{ {values}.replicas }}}}")
        .replaced(
            r"^( *)image: model-operator:.*\n",
            r'\1image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"'
            "\n"
            r"\1{{- with .Values.image.pullPolicy }}"
            "\n"
            r"\1imagePullPolicy: {{ . }}"
            "\n"
            r"\1{{- end }}"
            "\n",
        )
        .replaced(
            r"^( *)resources:\n(\1  .*\n)+",
            f"\\g<1>resources: {{{{- toYaml {values}.resources | nindent 12 }}}}\n",
        )
        .replaced(r"^ *- \{name: MODEL_OPERATOR_(GATEWAY_)?LOG_FORMAT.*\n", "")
        .replaced(r"^      serviceAccountName: .*\n", f"{_MORE_OF_THE_POD}\\g<0>")
    )


def _deployment() -> str:
    source = (
        _pods(_base("deployment.yaml"), ".Values")
        .replaced(r"^ *# Built from the Dockerfile.*\n", "")
        .under(_WEBHOOKS, r"^ *- \{name: MODEL_OPERATOR_ADMISSION__PORT.*\n")
        .under(_WEBHOOKS, r"^ *- \{name: webhooks, .*\n")
        .replaced(r"^          ports:\n", f"{_MORE_VARIABLES}\\g<0>")
        .replaced(r"\Z", _VOLUMES)
    )
    return '{{- include "model-operator.checks" . }}\n' + source.text


_MORE_VARIABLES = """\
            {{- if .Values.namespaces }}
            - {name: MODEL_OPERATOR_NAMESPACES, value: {{ join "," .Values.namespaces | quote }}}
            {{- end }}
            {{- if .Values.certManager.enabled }}
            - {name: MODEL_OPERATOR_ADMISSION__CERT_DIR, value: /tls}
            {{- end }}
            {{- range $name, $value := .Values.settings }}
            - {name: MODEL_OPERATOR_{{ $name }}, value: {{ $value | toString | quote }}}
            {{- end }}
"""
_MORE_OF_THE_POD = """\
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
"""
_VOLUMES = """\
          {{- if .Values.certManager.enabled }}
          volumeMounts:
            - {name: tls, mountPath: /tls, readOnly: true}
      volumes:
        - name: tls
          secret: {secretName: model-operator-webhook-cert}
          {{- end }}
"""


_RULE = r"  - apiGroups: {}\n(    .*\n)+"


def _rbac() -> str:
    """Give the rights: in the whole cluster, or by Roles in each of some namespaces."""
    source = (
        _base("rbac.yaml")
        .replaced(
            r", (clustermodeltemplate(?:s(?:/status)?|revisions))\]",
            rf"{{{{ if {_EVERYWHERE} }}}}, \1{{{{ end }}}}]",
            count=3,
        )
        .under(
            _OWN_CERTIFICATE,
            r"^  # The authority of the webhooks.*\n" + _RULE.format(r"\[admissionregistration\.k8s\.io\]"),
        )
        .under(_EVERYWHERE, r"^  # Only while a template selects.*\n  # .*\n" + _RULE.format(r'\[""\]'))
    )
    account, role, binding, *own = re.split(r"^---\n", source.text, flags=re.MULTILINE)
    head, rules = role.split("rules:\n")
    _, subjects = binding.split("roleRef:\n")
    define = f'{{{{- define "model-operator.rules" -}}}}\nrules:\n{rules}{{{{- end }}}}\n'
    cluster = f'---\n{head}{{{{ include "model-operator.rules" . }}}}\n---\n{binding}'
    namespaced = (
        f"{_NAMESPACED_HEAD.format(kind='Role')}"
        '{{ include "model-operator.rules" $ }}\n---\n'
        f"{_NAMESPACED_HEAD.format(kind='RoleBinding')}roleRef:\n{subjects}"
    )
    namespaced = namespaced.replace(
        "kind: ClusterRole\n  name: model-operator\n", "kind: Role\n  name: model-operator-models\n"
    ).replace("{{ .Release", "{{ $.Release")
    # Of the two Roles in the operator's namespace, the one of its own name is for the certificate.
    in_its_namespace = "".join(
        _when(_OWN_CERTIFICATE, f"---\n{part}") if "  name: model-operator\n  n" in part else f"---\n{part}"
        for part in own
    )
    return (
        f"{define}{account}"
        f"{_when(_EVERYWHERE, cluster)}"
        f"{{{{- range .Values.namespaces }}}}\n---\n{namespaced}{{{{- end }}}}\n{in_its_namespace}"
    )


_NAMESPACED_HEAD = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata:
  name: model-operator-models
  namespace: {{{{ . }}}}
"""


def _webhooks() -> str:
    injected = f"  annotations: {{cert-manager.io/inject-ca-from: {_NAMESPACE}/model-operator-webhook}}\n"
    source = _base("webhooks.yaml").replaced(
        r"^kind: (Validating|Mutating)WebhookConfiguration\nmetadata:\n(  .*\n)+",
        f"\\g<0>{_when(_CERT_MANAGER, injected)}",
        count=2,
    )
    # The operator writes the paths, unless cert-manager keeps the certificate.
    for webhook in Webhook:
        (name,) = [name for name in _names_of_webhooks() if webhook_named(name) is webhook]
        source = source.replaced(
            rf"^  - name: {re.escape(name)}\n    clientConfig:\n      service: {{.*(?=}}\n)",
            rf"\g<0>{{{{ if {_CERT_MANAGER} }}}}, path: {webhook}{{{{ end }}}}",
        )
    return _when(_WEBHOOKS, source.text)


def _names_of_webhooks() -> list[str]:
    objects = yaml.safe_load_all((MANIFESTS / "base" / "webhooks.yaml").read_text())
    return [webhook["name"] for obj in objects for webhook in obj.get("webhooks", [])]


def _network_policy() -> str:
    source = _base("network-policy.yaml").under(_WEBHOOKS, r"^ *- \{port: webhooks, .*\n")
    return _when(".Values.networkPolicy.enabled", source.text)


def _certificates() -> str:
    source = Source.read(MANIFESTS / "overlays" / "cert-manager" / "certificates.yaml").replaced(
        r"model-operator-webhook\.model-operator\.svc", f"model-operator-webhook.{_NAMESPACE}.svc"
    )
    return _when(_CERT_MANAGER, source.text)


def _crds() -> dict[str, str]:
    """Give the CRDs, as templates, since Helm changes nothing in ``crds/``; uninstalling keeps them."""
    kept = "metadata:\n  annotations: {helm.sh/resource-policy: keep}\n"
    return {
        f"crds/{path.name}": _when(
            ".Values.crds.install", Source.read(path).replaced(r"^metadata:\n", kept).text
        )
        for path in sorted((REPOSITORY / "crds").glob("*.yaml"))
    }


def _cluster_wide(name: str) -> str:
    return _when(_EVERYWHERE, _base(name).text)


def _confinement() -> str:
    """Give the policy on the operator's requests; each Kubernetes that Chart.yaml takes has such policies."""
    return _when(f"and ({_EVERYWHERE}) .Values.confinement.enabled", _base("confinement.yaml").text)


def _prometheus() -> dict[str, str]:
    """Give what the overlay for Prometheus adds, about the gateway only if that is on."""
    enabled, folder = ".Values.prometheus.enabled", MANIFESTS / "overlays" / "prometheus"
    return {
        f"{under}/{name}": _when(condition, text)
        for under, path, condition in (
            ("prometheus", folder, enabled),
            ("prometheus/models", folder / "models", enabled),
            ("prometheus/gateway", folder / "gateway", f"and {enabled} .Values.gateway.enabled"),
        )
        for name, text in _monitoring(path).items()
    }


def _gateway() -> dict[str, str]:
    """Give the gateway, and the policy that leaves workers to it in each of some namespaces."""
    enabled, folder = ".Values.gateway.enabled", MANIFESTS / "gateway"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    sources = {name: Source.read(folder / name) for name in names}
    sources["deployment.yaml"] = (
        _pods(sources["deployment.yaml"], ".Values.gateway")
        .replaced(r"^          env:\n", f"\\g<0>{_GATEWAY_VARIABLES}")
        .replaced(r"\Z", _GATEWAY_VOLUMES)
    )
    sources["service.yaml"] = sources["service.yaml"].replaced(
        r"^    - \{name: http, port: 80, .*\n",
        "{{- if .Values.gateway.tls.secretName }}\n"
        "    - {name: https, port: 443, protocol: TCP, targetPort: http}\n"
        "{{- else }}\n"
        "\\g<0>"
        "{{- end }}\n",
    )
    policy = sources.pop("network-policy.yaml").replaced(
        r"metadata\.name: monitoring", "metadata.name: {{ .Values.gateway.prometheusNamespace }}"
    )
    only = (
        Source.read(MANIFESTS / "overlays" / "gateway" / "only-through-gateway" / "network-policy.yaml")
        .replaced(r"metadata\.name: model-operator", "metadata.name: {{ $.Release.Namespace }}")
        .replaced(r"^metadata:\n", "\\g<0>  namespace: {{ . }}\n")
    )
    made = {name: _when(enabled, source.text) for name, source in sources.items()}
    made["network-policy.yaml"] = _when(f"and {enabled} .Values.networkPolicy.enabled", policy.text)
    each = f"{{{{- range .Values.gateway.onlyThroughGateway }}}}\n---\n{only.text}{{{{- end }}}}\n"
    made["only-through-gateway.yaml"] = _when(enabled, each)
    return {f"gateway/{name}": text for name, text in made.items()}


_GATEWAY_VARIABLES = """\
            {{- if .Values.gateway.tls.secretName }}
            - {name: MODEL_OPERATOR_GATEWAY_TLS_CERT_FILE, value: /tls/tls.crt}
            - {name: MODEL_OPERATOR_GATEWAY_TLS_KEY_FILE, value: /tls/tls.key}
            {{- end }}
            {{- range $name, $value := .Values.gateway.settings }}
            - {name: MODEL_OPERATOR_GATEWAY_{{ $name }}, value: {{ $value | toString | quote }}}
            {{- end }}
"""
_GATEWAY_VOLUMES = """\
          {{- with .Values.gateway.tls.secretName }}
          volumeMounts:
            - {name: tls, mountPath: /tls, readOnly: true}
      volumes:
        - name: tls
          secret: {secretName: {{ . }}}
          {{- end }}
"""


def _monitoring(folder: Path) -> dict[str, str]:
    """Give the objects of a folder by their templates' names: its files, and the ConfigMaps made of files."""
    if not folder.exists():
        return {}
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    texts = {
        name: Source.read(folder / name).text
        for name in kustomization["resources"]
        if (folder / name).is_file()
    }
    for made in kustomization.get("configMapGenerator", []):
        files = (entry.partition("=") for entry in made["files"])
        config_map = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": made["name"],
                "namespace": "model-operator",
                "labels": made["options"]["labels"],
            },
            "data": {name: (folder / file).read_text() for name, _, file in files},
        }
        texts[f"{made['name']}.yaml"] = Source.of(
            yaml.safe_dump(config_map, sort_keys=False), folder.name
        ).text
    return texts


def templates() -> dict[str, str]:
    """Give the text of each template by its path in the chart's folder of templates."""
    made = {
        "deployment.yaml": _deployment(),
        "rbac.yaml": _rbac(),
        "people.yaml": _cluster_wide("people.yaml"),
        "admission-policy.yaml": _cluster_wide("admission-policy.yaml"),
        "confinement.yaml": _confinement(),
        "certificate.yaml": _when(_OWN_CERTIFICATE, _base("certificate.yaml").text),
        "availability.yaml": _base("availability.yaml").text,
        "network-policy.yaml": _network_policy(),
        "webhooks.yaml": _webhooks(),
        "certificates.yaml": _certificates(),
        **_crds(),
        **_gateway(),
        **_prometheus(),
    }
    header = "{{- /* Made from the manifests: run `make chart`, do not edit. */ -}}\n"
    return {name: header + text for name, text in made.items()}


def main(arguments: list[str]) -> int:
    """Write the templates, or with ``--check`` only tell whether they are up to date."""
    folder = CHART / "templates"
    wanted = {folder / name: text for name, text in templates().items()}
    present = {path for path in folder.rglob("*.yaml") if not path.name.startswith("_")}
    stale = sorted(
        {path for path, text in wanted.items() if path not in present or path.read_text() != text}
        | (present - set(wanted))
    )
    for path in stale:
        if arguments == ["--check"]:
            print(f"{path.relative_to(REPOSITORY)} is out of date: run make chart", file=sys.stderr)
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
