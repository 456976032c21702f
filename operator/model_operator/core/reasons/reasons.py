"""Every reason that ``status.conditions`` may carry, in order of precedence, and who must act on it.

When several hold, the first one is reported. The tables of the documentation are generated from here.
The detail of a message is made in core/diagnosis, where a finding may also replace the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from model_operator.api import Actor


class Advice(NamedTuple):
    """Who must act, and how.

    Attributes
    ----------
    actor
        Who; None when no action is needed.
    next_step
        What to do, the end of a condition's message. Without an actor: what to do if the state lasts, or
        empty; the message leaves it out.
    """

    actor: Actor | None
    next_step: str

    @property
    def action(self) -> str:
        """The end of a condition's message, ``Action (user): ...``; empty when no action is needed."""
        return f"Action ({self.actor}): {self.next_step}" if self.actor else ""

    def sentence(self, detail: str) -> str:
        """Return a condition's message: what is wrong, then who must act and how."""
        return f"{detail} {self.action}".rstrip(" ") if self.actor else detail


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """What one reason means.

    Attributes
    ----------
    meaning
        One sentence for the documentation.
    actor, next_step
        Who must act, and how; see `Advice`.
    ready
        The status of the Ready condition that goes with it.
    stalled
        Whether it needs a human, so that the Stalled condition is present (kstatus).
    stalls_late
        Whether it does once the roll-out deadline (``startup_timeout_seconds``) has passed.
    depends_on_another
        Whether a change of another object, such as the template, may resolve it. That change may be on its
        way, as the second half of a commit: the object is Reconciling, without a Warning Event, until neither
        object has changed for a grace period (:mod:`model_operator.core.status.grace`).
    """

    meaning: str
    actor: Actor | None
    next_step: str
    ready: bool = False
    stalled: bool = False
    stalls_late: bool = False
    depends_on_another: bool = False

    @property
    def advice(self) -> Advice:
        """Who must act, and how."""
        return Advice(self.actor, self.next_step)

    def sentence(self, detail: str) -> str:
        """Return a condition's message: what is wrong, then who must act and how."""
        return self.advice.sentence(detail)


class Reason(Enum):
    """Reasons of the Ready condition of a ModelInstance, first match first."""

    Terminating = ReasonInfo(
        "The instance is being deleted; Kubernetes deletes its Deployments and Services.",
        None,
        "Wait; if the instance remains, check metadata.finalizers.",
    )
    TemplateNotFound = ReasonInfo(
        "No template that is shared with the namespace has the name or id in model_template_id. Running "
        "workers are left unchanged.",
        Actor.USER,
        "create the template, have it shared, or fix spec.model_template_id or model_template_namespace (an "
        "operator for some namespaces sees no other); retried automatically.",
        stalled=True,
        depends_on_another=True,
    )
    TemplateNotShared = ReasonInfo(
        "The template is no longer shared with the namespace of the instance. Its workers and other objects "
        "stay as they are, and no edit reaches them.",
        Actor.TEMPLATE_OWNER,
        "allow the namespace in spec.allowed_namespaces of the template; retried automatically.",
        stalled=True,
        depends_on_another=True,
    )
    TemplateRevisionNotFound = ReasonInfo(
        "The template has no revision with the hash in model_template_revision. Running workers are left "
        "unchanged.",
        Actor.USER,
        "fix model_template_revision, or apply the revision from where it is kept; retried automatically.",
        stalled=True,
        depends_on_another=True,
    )
    TemplateInvalid = ReasonInfo(
        "The template exists but cannot be rendered, and no valid revision of it is stored. Running workers "
        "are left unchanged.",
        Actor.TEMPLATE_OWNER,
        "fix the template, its status lists the errors; retried automatically.",
        stalled=True,
        depends_on_another=True,
    )
    InvalidParameters = ReasonInfo(
        "The parameters violate the template's schema. Running workers are left unchanged.",
        Actor.USER,
        "fix the listed fields.",
        stalled=True,
        depends_on_another=True,
    )
    ModelTypeMismatch = ReasonInfo(
        "spec.model_type differs from the template's. Running workers are left unchanged.",
        Actor.USER,
        "remove spec.model_type or use a template of that type.",
        stalled=True,
        depends_on_another=True,
    )
    NameConflict = ReasonInfo(
        "An object with the name of a child already exists and is not owned by this instance; it was left "
        "unchanged.",
        Actor.USER,
        "rename or delete that object, or recreate the instance under another name.",
        stalled=True,
        depends_on_another=True,
    )
    DeploymentRejected = ReasonInfo(
        "The API server rejects a rendered object as invalid.",
        Actor.TEMPLATE_OWNER,
        "fix the named field in the template or in the parameters.",
        stalled=True,
        depends_on_another=True,
    )
    OperatorForbidden = ReasonInfo(
        "The operator lacks a permission.",
        Actor.OPERATOR,
        "grant the named permission to the operator's ServiceAccount.",
    )
    QuotaExceeded = ReasonInfo(
        "A ResourceQuota does not admit an object.",
        Actor.CLUSTER,
        "raise the quota or free some of it; retried automatically.",
    )
    Contested = ReasonInfo(
        "Another field manager keeps changing a field of a child, or keeps deleting the child. The operator "
        "corrects it less and less often, so the running workers may differ from the instance's spec.",
        Actor.USER,
        "stop the named field manager from writing the field, and change the instance or its template "
        "instead.",
        stalled=True,
    )
    PodsRejected = ReasonInfo(
        "The cluster rejects the pods: quota, Pod Security, a missing PriorityClass or ServiceAccount.",
        Actor.TEMPLATE_OWNER,
        "fix pod_template, or have the cluster allow it; retried automatically.",
        stalls_late=True,
    )
    ImagePullFailed = ReasonInfo(
        "An image cannot be pulled.",
        Actor.TEMPLATE_OWNER,
        "fix the registry, image, tag, digest or image_pull_secrets; retried automatically.",
        stalls_late=True,
    )
    ContainerConfigError = ReasonInfo(
        "A container cannot be created: a Secret, a ConfigMap or one of their keys is missing, or a setting "
        "is not allowed.",
        Actor.TEMPLATE_OWNER,
        "create the named object or key, or fix the template; retried automatically.",
        stalls_late=True,
    )
    VolumeNotReady = ReasonInfo(
        "A volume cannot be mounted, or its claim is not bound.",
        Actor.TEMPLATE_OWNER,
        "create the named object, or fix the volumes in pod_template; retried automatically.",
        stalls_late=True,
    )
    ResourceClaimNotReady = ReasonInfo(
        "A ResourceClaim of a worker, such as one for an accelerator, cannot be created or prepared.",
        Actor.TEMPLATE_OWNER,
        "create the named object, or fix resourceClaims in pod_template; retried automatically.",
        stalls_late=True,
    )
    Unschedulable = ReasonInfo(
        "No node can run a worker, or an old worker still holds what a new one needs.",
        Actor.CLUSTER,
        "add or free a suitable node, or reduce the requests of the template; retried automatically.",
        stalls_late=True,
    )
    OOMKilled = ReasonInfo(
        "A container was OOM-killed: it exceeded its memory limit, or the node ran out of memory.",
        Actor.TEMPLATE_OWNER,
        "increase endpoint_config.memory or reduce memory usage.",
        stalls_late=True,
    )
    CrashLooping = ReasonInfo(
        "A container cannot be started or keeps exiting, or a pod was evicted.",
        Actor.TEMPLATE_OWNER,
        "check kubectl logs --previous, then fix the image, command, resources or parameters.",
        stalls_late=True,
    )
    ProbeFailing = ReasonInfo(
        "A container runs but fails a probe, or keeps being restarted because of one.",
        Actor.TEMPLATE_OWNER,
        "check the container's logs, then fix healthcheck_route, port or the probes of pod_template.",
        stalls_late=True,
    )
    ProgressDeadlineExceeded = ReasonInfo(
        "The roll-out made no progress within the roll-out deadline (startup_timeout_seconds), and no pod "
        "shows the cause.",
        Actor.TEMPLATE_OWNER,
        "check the Events and logs of the pods, then fix the image, command or startup_timeout_seconds.",
        stalled=True,
    )
    Deploying = ReasonInfo(
        "The roll-out of the current spec and template is in progress.",
        None,
        "Wait; if it takes too long, check the pods with kubectl describe.",
    )
    RolledOut = ReasonInfo(
        "Every deployment runs the current spec at its revision of the template.",
        None,
        "",
        ready=True,
    )
    ScaledToZero = ReasonInfo(
        "Rolled out with zero workers, as specified.",
        None,
        "",
        ready=True,
    )
    Suspended = ReasonInfo(
        "spec.suspend is true: no deployment has workers, and their objects stay.",
        None,
        "",
        ready=True,
    )
    NotDeployed = ReasonInfo(
        "spec.deployments is an empty list: the model has no Deployments.",
        None,
        "",
        ready=True,
    )
    ExternallyHosted = ReasonInfo(
        "The vendor in model_vendor hosts the model: there is no template and no Deployment.",
        None,
        "",
        ready=True,
    )

    @property
    def ready(self) -> bool:
        """Whether the Ready condition is True with this reason."""
        return self.value.ready

    @property
    def stalled(self) -> bool:
        """Whether a human must act before anything can change."""
        return self.value.stalled


AUTOSCALING = "Autoscaling"
"""Type of the condition that says whether autoscalers can measure the load."""
READY_TEXT = "Every deployment runs the current spec at its revision of the template."
"""The message of Ready with `Reason.RolledOut`, when no worker has a problem."""
PRECEDENCE: tuple[Reason, ...] = tuple(Reason)
"""All reasons, the one to report first when several hold first."""


POD_REASONS = frozenset(
    {
        Reason.ImagePullFailed,
        Reason.ContainerConfigError,
        Reason.VolumeNotReady,
        Reason.ResourceClaimNotReady,
        Reason.Unschedulable,
        Reason.OOMKilled,
        Reason.CrashLooping,
        Reason.ProbeFailing,
    }
)
"""The reasons that are found from pods only."""


def reasons_table() -> str:
    """Return the table of reasons for the documentation, as Markdown."""
    rows = ["| reason | Ready | Stalled | meaning | who acts |", "|---|---|---|---|---|"]
    for reason in PRECEDENCE:
        info = reason.value
        actor = info.actor or ""
        stalled = _stalled_cell(info)
        rows.append(f"| `{reason.name}` | {info.ready} | {stalled} | {info.meaning} | {actor} |")
    return "\n".join(rows)


def _stalled_cell(info: ReasonInfo) -> str:
    if info.stalls_late:
        return "after the roll-out deadline"
    if info.stalled:
        return "after the grace period" if info.depends_on_another else "yes"
    return "" if info.actor is None else "never: retried"


def troubleshooting_table() -> str:
    """Return the next step for each reason, for the documentation, as Markdown."""
    rows = ["| reason | meaning | who acts | next step |", "|---|---|---|---|"]
    for reason in PRECEDENCE:
        info = reason.value
        if not info.ready:
            cells = (f"`{reason.name}`", info.meaning, info.actor or "", info.next_step)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
