"""Trying a template on the API server: what to send, and what its answers say about the template.

The server validates a Deployment and its Pod, rendered from example parameters, and stores neither
(``dryRun=All``). What is refused there would be refused to every instance, later and to other people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from typing import Any

from model_operator.api import ModelInstance, ModelInstanceSpec, ObjectMeta, TemplateKind
from model_operator.api.values import MAX_WORKERS
from model_operator.core.parameters.examples import example_parameters
from model_operator.core.reasons.refusals import is_malformed, is_quota
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.pod import PodProgram
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import Violation

NAME = "model-operator-dry-run"
"""Name of the instance that stands for all instances of a template, and so of its Deployment and Pod."""

_UID = "00000000-0000-4000-8000-000000000000"
"""Has the form that ``$(instance.id)`` has."""
_MAX_MESSAGE = 1000
_TRANSIENT = frozenset({0, 408, 429})
# As Kubernetes 1.30 to 1.36 word them.
_FORBIDDEN_USER = re.compile(r'User "[^"]*" cannot (create|patch) resource')
_DENIED_BY_ADMISSION = re.compile(r"denied (the )?request")
_NO_DRY_RUN = "does not support dry run"
_UNKNOWN_QUOTA = "status unknown for quota"
_MISSING_IN_CLUSTER = re.compile(r"no PriorityClass with name|RuntimeClass .* not found")
_PREFIXES = re.compile(
    r'^[a-z.]+ "[^"]*" is forbidden: '
    r"|^failed to create typed patch object \([^)]*\): "
    r"|^failed to convert .* Kind=\w+: "
)
_GO_VALUE = re.compile(r"got &?value\.\w+\{.*\}")


class SkipReason(Enum):
    """Why a template was not checked by a dry run."""

    NO_EXAMPLES = "no examples"
    """The template gives no valid example for a required parameter."""
    NAME_TAKEN = "name taken"
    """An object with the name of the dry run exists."""
    UNAVAILABLE = "unavailable"
    """The API server cannot answer at the moment."""
    NO_NAMESPACE = "no namespace"
    """The operator does not know a namespace for the dry run of a cluster template."""


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """The outcome of the dry run of a template.

    Attributes
    ----------
    refusal
        A sentence: what the server rejects and why. Empty when it accepts the template.
    skipped
        Why there was no dry run; None when there was one.
    detail
        What was missing, for a message, where the dry run was skipped.
    is_final
        Whether the result holds while the template stays the same. Otherwise it depends on the cluster, and
        the dry run is repeated.
    """

    refusal: str = ""
    skipped: SkipReason | None = None
    detail: str = ""
    is_final: bool = True

    @property
    def note(self) -> str:
        """A sentence for the template owner about a dry run that was skipped; otherwise empty."""
        return f"Not checked by a dry run: {self.detail}." if self.skipped else ""


def dry_run_deployment(
    template: CompiledTemplate, namespace: str, settings: RenderSettings
) -> dict[str, Any] | DryRunResult:
    """Return the Deployment to try, as it would be applied for an instance.

    Parameters
    ----------
    template
        A template without violations.
    namespace
        Where to try it: the template's, or for a cluster template any that we may use.
    settings
        The cluster's conventions.

    Returns
    -------
    dict or Trial
        The Deployment; or, when there are no example parameters, the trial's outcome, which says so.

    Notes
    -----
    A made-up value is used only where the API server takes any text: in ``command``, ``args`` and the
    values of variables. Elsewhere it might be what is refused, and that would not be the template's fault.
    """
    if template.pod is None:
        raise ValueError("expected a template without violations")
    example = example_parameters(template.parameters, frozenset(_strict_parameters(template, template.pod)))
    if example.values is None:
        return _no_examples(example.missing)
    instance = ModelInstance(
        metadata=ObjectMeta(name=NAME, namespace=namespace, uid=_UID),
        spec=ModelInstanceSpec(model_template_id=NAME, model_creation_parameters=example.values),
    )
    # How many workers an instance may have says nothing about the pods.
    rendering = render(template, instance, replace(settings, max_workers_per_instance=MAX_WORKERS))
    if rendering.violations:
        return _unfit_examples(rendering.violations)
    deployment = rendering.deployments[0].deployment.applied
    # The owner does not exist.
    metadata = {key: value for key, value in deployment["metadata"].items() if key != "ownerReferences"}
    return {**deployment, "metadata": metadata}


def dry_run_pod(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Pod that a Deployment would make.

    Parameters
    ----------
    deployment
        As the server answered it, with its defaults and the changes of admission plugins.
    """
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "name": NAME, "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def interpret(code: int, status: Mapping[str, Any], attempted: str, kind: TemplateKind) -> DryRunResult:
    """Return what a refused trial says about the template.

    Parameters
    ----------
    code
        HTTP status code of the answer; 0 when there was none.
    status
        The body, a ``v1.Status``.
    attempted
        What was tried, ``Deployment`` or ``Pod``.
    kind
        Kind of the template. A cluster template is tried in a namespace that none of its instances may ever
        be in: what only this namespace's rules refuse (Pod Security, a missing ServiceAccount, webhooks) says
        nothing about it. What the whole cluster lacks does.

    Notes
    -----
    The template is not rejected when a quota is full, when the operator lacks the permission, when
    a webhook does not support dry runs, or when the namespace does not exist.
    """
    message = str(status.get("message", ""))
    if code in _TRANSIENT or (code >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_malformed(code, status)):
        answer = f"HTTP {code}" if code else "no answer"
        detail = f"the API server is unavailable ({answer}); retried automatically"
        return DryRunResult(skipped=SkipReason.UNAVAILABLE, detail=detail, is_final=False)
    if code == HTTPStatus.CONFLICT:
        return _conflict(attempted)
    if code == HTTPStatus.NOT_FOUND or is_permission_missing(code, status) or _is_passing(code, status):
        return DryRunResult()
    refusal = f"The API server refuses the rendered {attempted}: {_explain(status, message, code)}."
    if code != HTTPStatus.FORBIDDEN and not _DENIED_BY_ADMISSION.search(message):
        return DryRunResult(refusal)
    if kind is TemplateKind.CLUSTER_MODEL_TEMPLATE and not _MISSING_IN_CLUSTER.search(message):
        return DryRunResult()
    return DryRunResult(refusal, is_final=False)


def is_permission_missing(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether a rejection is about the operator's permissions, not the object."""
    return code == HTTPStatus.FORBIDDEN and bool(_FORBIDDEN_USER.search(str(status.get("message", ""))))


def _conflict(attempted: str) -> DryRunResult:
    if attempted == "Pod":
        return DryRunResult()  # That the name is taken is found out last: all else was fine.
    detail = f"a {attempted} with the name {NAME} exists"
    return DryRunResult(skipped=SkipReason.NAME_TAKEN, detail=detail, is_final=False)


def _is_passing(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether a rejection is temporary or about dry runs, not about the object."""
    message = str(status.get("message", ""))
    return is_quota(code, status) or _UNKNOWN_QUOTA in message or _NO_DRY_RUN in message


def _explain(status: Mapping[str, Any], message: str, code: int) -> str:
    """Return what the server says, without the made-up names of what was tried."""
    causes = (status.get("details") or {}).get("causes") or []
    fields = [f"{cause['field']}: {cause['message']}" for cause in causes if cause.get("field")]
    text = "; ".join(fields) or _PREFIXES.sub("", message, count=1).removeprefix("errors:")
    text = "; ".join(line.strip(" .") for line in text.splitlines() if line.strip())
    return _GO_VALUE.sub("got another type", text)[:_MAX_MESSAGE] or f"HTTP {code}"


def _no_examples(missing: tuple[str, ...]) -> DryRunResult:
    if missing:
        parameters = "parameter" if len(missing) == 1 else "parameters"
        detail = f"no example for {parameters} {', '.join(missing)}; add `examples`"
    else:
        detail = "no example parameters; add `examples` to the schema"
    return DryRunResult(skipped=SkipReason.NO_EXAMPLES, detail=detail)


def _unfit_examples(violations: Iterable[Violation]) -> DryRunResult:
    """Return why the template's own values of parameters do not fit where it inserts them."""
    found = {str(each.loc[2]): each.msg for each in violations if len(each.loc) > 2}  # noqa: PLR2004 -- spec, model_creation_parameters
    if not found:
        return _no_examples(())
    texts = "; ".join(f"{name} {found[name]}" for name in sorted(found))
    detail = f"the examples, defaults or enums of the schema do not fit where the template uses them: {texts}"
    return DryRunResult(skipped=SkipReason.NO_EXAMPLES, detail=detail[:_MAX_MESSAGE])


def _strict_parameters(template: CompiledTemplate, pod: PodProgram) -> Iterator[str]:
    """Yield the parameters that stand where the API server does not take just any text."""
    texts = [text for text in (pod.image.repository, pod.image.tag) if text is not None]
    texts += [*pod.endpoint.texts.values(), *template.metadata.texts]
    texts += [
        position.text
        for position in pod.positions
        if not position.field.kubelet or position.path[-1] == "subPathExpr"
    ]
    for text in texts:
        # No Secret is read before the pod runs.
        yield from (
            reference.name
            for reference in text.references
            if reference.source == "parameters" and reference.member is None
        )
