"""Every reason that ``status.conditions`` may carry, in order of precedence, and who must act on it.

The order decides which one is reported when several hold. The documentation's table is made from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple


class Actor(StrEnum):
    """Who can change what a condition reports."""

    USER = "user"
    TEMPLATE_OWNER = "template owner"
    CLUSTER = "cluster administrator"
    OPERATOR = "operator administrator"
    NOBODY = "nobody"


class Advice(NamedTuple):
    """Who must act, and how.

    Attributes
    ----------
    actor
        Who.
    next_step
        What to do, as the end of a condition's message; empty when there is nothing to do.
    """

    actor: Actor
    next_step: str

    def sentence(self, detail: str) -> str:
        """Return a condition's message: what is the case, then who must act and how."""
        if not self.next_step:
            return detail
        if self.actor is Actor.NOBODY:
            return f"{detail} {self.next_step}"
        return f"{detail} For the {self.actor}: {self.next_step}"


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """What one reason means.

    Attributes
    ----------
    meaning
        One sentence for the documentation.
    actor
        Who must act.
    next_step
        What to do, as the end of the condition's message; empty when there is nothing to do.
    ready
        The status of the Ready condition that goes with it.
    stalled
        Whether it needs a human, so that the Stalled condition is present (kstatus).
    stalls_late
        Whether it does once the roll-out's deadline has passed.
    """

    meaning: str
    actor: Actor
    next_step: str
    ready: bool = False
    stalled: bool = False
    stalls_late: bool = False

    @property
    def advice(self) -> Advice:
        """Who must act, and how."""
        return Advice(self.actor, self.next_step)

    def sentence(self, detail: str) -> str:
        """Return a condition's message: what is the case, then who must act and how."""
        return self.advice.sentence(detail)


class Reason(Enum):
    """Reasons of the Ready condition of a ModelInstance, first match first."""

    Terminating = ReasonInfo(
        "The instance is being deleted; Kubernetes removes its Deployments and Services.",
        Actor.NOBODY,
        "Nothing to do; if it does not go, look at metadata.finalizers.",
    )
    TemplateNotFound = ReasonInfo(
        "No template has the name or id in model_template_id. What already runs is left as it is.",
        Actor.USER,
        "Create the template or correct spec.model_template_id; this heals by itself.",
    )
    TemplateInvalid = ReasonInfo(
        "The template exists but cannot be rendered. What already runs is left as it is.",
        Actor.TEMPLATE_OWNER,
        "Correct the template, its own status lists what is wrong; this heals by itself.",
    )
    InvalidParameters = ReasonInfo(
        "The parameters break the template's schema. What already runs is left as it is.",
        Actor.USER,
        "Correct the listed fields.",
        stalled=True,
    )
    ModelTypeMismatch = ReasonInfo(
        "spec.model_type differs from the template's. What already runs is left as it is.",
        Actor.USER,
        "Remove spec.model_type or refer to a template of that type.",
        stalled=True,
    )
    NameConflict = ReasonInfo(
        "An object that belongs to somebody else has the name of a child. It is left untouched.",
        Actor.USER,
        "Rename or delete that object, or recreate the instance under another name.",
        stalled=True,
    )
    DeploymentRejected = ReasonInfo(
        "The API server refuses a rendered object as invalid.",
        Actor.TEMPLATE_OWNER,
        "Correct the field named here in the template or in the parameters.",
        stalled=True,
    )
    OperatorForbidden = ReasonInfo(
        "The operator lacks a permission.",
        Actor.OPERATOR,
        "Grant the operator's ServiceAccount the permission named here.",
    )
    QuotaExceeded = ReasonInfo(
        "A ResourceQuota refuses an object.",
        Actor.CLUSTER,
        "Raise the quota or free some of it; it is tried again.",
    )
    Contested = ReasonInfo(
        "Somebody else keeps changing a field of a child back, or deletes the child. It is corrected ever "
        "more rarely, so what runs may not be what the instance asks for.",
        Actor.USER,
        "Have the field manager named here leave the field alone, and change the instance or its template "
        "instead.",
        stalled=True,
    )
    PodsRejected = ReasonInfo(
        "The cluster refuses the pods: quota, Pod Security, a missing PriorityClass or ServiceAccount.",
        Actor.TEMPLATE_OWNER,
        "Correct pod_template or have the cluster allow it; it is tried again.",
        stalls_late=True,
    )
    ImagePullFailed = ReasonInfo(
        "An image cannot be pulled.",
        Actor.TEMPLATE_OWNER,
        "Correct registry, image, tag, digest or image_pull_secrets; it is tried again.",
        stalls_late=True,
    )
    ContainerConfigError = ReasonInfo(
        "A container cannot be created: a Secret or ConfigMap, or a key of it, is missing, or what it asks "
        "for is not allowed.",
        Actor.TEMPLATE_OWNER,
        "Create what is named here or correct the template; it is tried again.",
        stalls_late=True,
    )
    VolumeNotReady = ReasonInfo(
        "A volume cannot be mounted, or its claim is not bound.",
        Actor.TEMPLATE_OWNER,
        "Create what is named here or correct the volumes in pod_template; it is tried again.",
        stalls_late=True,
    )
    Unschedulable = ReasonInfo(
        "No node takes a worker; or an old worker holds the accelerator that the new one waits for.",
        Actor.CLUSTER,
        "Add or free a node of that kind, or have the template ask for less; it is tried again.",
        stalls_late=True,
    )
    OOMKilled = ReasonInfo(
        "A container was killed as it used more memory than it may.",
        Actor.TEMPLATE_OWNER,
        "Raise memory in endpoint_config, or have the model use less.",
        stalls_late=True,
    )
    CrashLooping = ReasonInfo(
        "A container cannot be started, or ends again and again; or a pod was evicted.",
        Actor.TEMPLATE_OWNER,
        "Read its last words with kubectl logs --previous; correct image, command, resources or parameters.",
        stalls_late=True,
    )
    ProbeFailing = ReasonInfo(
        "A container runs, but fails its readiness probe, or is restarted for another probe.",
        Actor.TEMPLATE_OWNER,
        "Look at the container's logs; correct healthcheck_route, port or the probes of pod_template.",
        stalls_late=True,
    )
    ProgressDeadlineExceeded = ReasonInfo(
        "The roll-out made no progress within startup_timeout_seconds, and no pod says why.",
        Actor.TEMPLATE_OWNER,
        "Look at the pods' events and logs; correct image, command or startup_timeout_seconds.",
        stalled=True,
    )
    Deploying = ReasonInfo(
        "The roll-out of the current spec and template is under way.",
        Actor.NOBODY,
        "Nothing to do; if it lasts, describe its pods.",
    )
    RolledOut = ReasonInfo(
        "Every deployment runs the current spec and template.",
        Actor.NOBODY,
        "",
        ready=True,
    )
    ScaledToZero = ReasonInfo(
        "Rolled out with zero workers, as asked for.",
        Actor.NOBODY,
        "",
        ready=True,
    )
    NotDeployed = ReasonInfo(
        "spec.deployments is an empty list: nothing is to run.",
        Actor.NOBODY,
        "",
        ready=True,
    )
    ExternallyHosted = ReasonInfo(
        "The vendor in model_vendor hosts the model: there is no template and nothing to run.",
        Actor.NOBODY,
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

    def message(self, detail: str) -> str:
        """Return a condition's message: what is the case, then who must act and how."""
        return self.value.sentence(detail)


PRECEDENCE: tuple[Reason, ...] = tuple(Reason)
"""All reasons, the one to report first when several hold first."""


POD_REASONS = frozenset(
    {
        Reason.ImagePullFailed,
        Reason.ContainerConfigError,
        Reason.VolumeNotReady,
        Reason.Unschedulable,
        Reason.OOMKilled,
        Reason.CrashLooping,
        Reason.ProbeFailing,
    }
)
"""The reasons that only pods can tell."""


_ADDRESSED = re.compile(rf"^(.*) For the ({'|'.join(Actor)}): (.*)$", re.DOTALL)


def read_message(message: str) -> tuple[str, Advice | None]:
    """Return what a message that :meth:`Advice.sentence` made says is the case, and the advice at its end."""
    addressed = _ADDRESSED.match(message)
    if addressed:
        detail, actor, next_step = addressed.groups()
        return detail, Advice(Actor(actor), next_step)
    for advice in (reason.value.advice for reason in Reason):
        if advice.actor is Actor.NOBODY and advice.next_step and message.endswith(f" {advice.next_step}"):
            return message.removesuffix(f" {advice.next_step}"), advice
    return message, None


def reasons_table() -> str:
    """Return the table of reasons for the documentation, as Markdown."""
    rows = ["| reason | Ready | Stalled | meaning | who acts |", "|---|---|---|---|---|"]
    for reason in PRECEDENCE:
        info = reason.value
        actor = "" if info.actor is Actor.NOBODY else info.actor.value
        stalled = "yes" if info.stalled else "after the deadline" if info.stalls_late else ""
        rows.append(f"| `{reason.name}` | {info.ready} | {stalled} | {info.meaning} | {actor} |")
    return "\n".join(rows)


def troubleshooting_table() -> str:
    """Return what to do by reason, for the documentation, as Markdown."""
    rows = ["| reason | meaning | who acts | next step |", "|---|---|---|---|"]
    for reason in PRECEDENCE:
        info = reason.value
        if not info.ready:
            cells = (f"`{reason.name}`", info.meaning, info.actor.value, info.next_step)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
