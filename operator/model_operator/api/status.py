"""The status of templates and instances: what the operator reports."""

# ruff: noqa: N815 -- the names of fields are those on the wire, camelCase where Kubernetes defines them

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from model_operator.api.enums import (
    Actor,
    DeploymentState,
    EndpointProtocol,
    IdentifierType,
    ModelApi,
    ModelType,
    TemplateKind,
)
from model_operator.api.meta import ApiModel, Condition
from model_operator.api.rules import ATOMIC, INT_OR_STRING, Schema, keyed_by
from model_operator.api.template_rollout import RolloutStatus
from model_operator.api.values import JsonObject

Conditions = Annotated[list[Condition], Field(max_length=16), keyed_by("type")]
"""The aspects of an object's state."""

Count = Annotated[int, Field(strict=True, ge=0)]
"""A number of things."""

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time, RFC 3339, UTC."""

UNOBSERVED = -1
"""The observedGeneration of an object that the operator has not seen yet."""


class ModelTemplateStatus(ApiModel):
    """What the operator found out about a template."""

    observedGeneration: int = UNOBSERVED
    """Value of metadata.generation that this status is about; -1 until the operator has seen the object."""
    conditions: Conditions = Field(default_factory=list)
    """Aspects of the state. Ready: instances can be made from the template. RolledOut: all of its instances
    are updated to its latest revision, those that are pinned to another one aside. Shared: the labels are
    known by which it selects namespaces; present where it does."""
    id: str | None = None
    """Identity of the template, its metadata.uid; an instance may name it in `model_template_id`."""
    created_at: Time | None = None
    """Time at which the template was created, RFC 3339, UTC."""
    instance_count: Count | None = None
    """Number of instances that use the template: an edit of it concerns them all. Those in namespaces that it
    is not shared with any more are not among them."""
    updated_instance_count: Count | None = None
    """Number of those that are updated: Ready at the latest revision of the template."""
    stalled_instance_count: Count | None = None
    """Number of those that are stalled: they need an action, which their Ready conditions name."""
    latest_revision: str | None = None
    """Hash of the latest valid revision of the template, which instances without a pin run. Absent until
    there is one; while the template is invalid, its last valid one."""
    stable_revision: str | None = None
    """Hash of the last revision whose roll-out was complete: what instances that follow `stable` run, and new
    ones while a roll-out is halted or paused. Going back to it takes no steps."""
    rollout: RolloutStatus | None = None
    """How far the latest revision has reached the instances; absent until there is one."""


class TemplateRef(ApiModel):
    """The template, in the revision, that an instance runs."""

    kind: TemplateKind
    """Kind of the template."""
    name: str
    """Name of the template."""
    namespace: str | None = None
    """Namespace of the template; absent for a ClusterModelTemplate."""
    uid: str
    """Identity of the template."""
    generation: Count
    """Value of the template's metadata.generation when the instance got this revision."""
    revision: str | None = None
    """Hash of the revision of the template that this status was computed for: the name of the
    ModelTemplateRevision or ClusterModelTemplateRevision ends with it."""
    arrived_at: Time | None = None
    """Time since which the instance has been Ready at this revision, RFC 3339, UTC; absent while it is
    not."""
    arrived_generation: Count | None = None
    """Value of the instance's metadata.generation when it was last Ready at this revision; absent until it
    has been. What fails with a later generation is broken by an edit of the instance, not by the revision."""
    failing_since: Time | None = None
    """Time since which the instance has failed at this revision for a cause that no waiting resolves, such
    as an image that does not exist, RFC 3339, UTC; absent otherwise. After two minutes it is a failure of the
    revision."""


class ValidationErrorEntry(ApiModel):
    """One thing that is wrong with the specification."""

    loc: Annotated[list[Annotated[str | int, Schema({INT_OR_STRING: True})]], Field(max_length=64), ATOMIC]
    """Path of the field from the object's root: names of fields and indices of lists."""
    msg: str
    """What was expected, and what kind of value was found."""
    type: str
    """Code of the error for programs to read, such as `missing`."""


class Problem(ApiModel):
    """Why something is not ready, and who must act; the fields of which a message is made."""

    reason: str
    """Code of the problem for programs to read, one of the reasons of the Ready condition."""
    detail: str
    """What is wrong, and where."""
    actor: Actor | None = None
    """Who must act; absent when no action is needed."""
    next_step: str | None = None
    """What the actor must do; without an actor, what to check if the state lasts."""


class ContestedFieldEntry(ApiModel):
    """A field of a child that another field manager keeps changing."""

    kind: str
    """Kind of the child, such as Deployment or Service."""
    field: str
    """Path of the field; empty when the whole child keeps being deleted."""
    manager: str
    """Field manager that wrote it last, with the subresource by which it did; empty when the object's
    managedFields name none, as for a field that was removed, or that an admission plugin rewrites."""


class ServingEntry(ApiModel):
    """How the workers of a deployment are called over HTTP."""

    protocol: EndpointProtocol
    """Calling convention of the model server."""
    model_type: ModelType
    """What the model does."""
    port: str
    """Name of the Service's port that leads to the server."""
    predict_route: str
    """Path of requests in the platform's own convention."""
    streaming_predict_route: str
    """Path of streaming requests in the platform's own convention."""
    model: str | None = None
    """Name by which the server knows the model; absent if it takes any."""
    apis: Annotated[list[ModelApi], Field(max_length=16), ATOMIC]
    """APIs under which the gateway registers the deployment."""


class DeploymentStatusEntry(ApiModel):
    """The state of one deployment of the model."""

    name: str
    """Name of the Deployment, and of its Service."""
    status: DeploymentState
    """State of the deployment."""
    created_at: Time | None = None
    """Time at which its Deployment was created, RFC 3339, UTC; absent while there is none."""
    replicas: Count | None = None
    """Workers that exist, of any revision."""
    ready_replicas: Count | None = None
    """Workers that serve."""
    url: str | None = None
    """Address in the cluster; absent where the endpoint type has no Service."""
    template_revision: str | None = None
    """Hash of the revision of the template that the deployment names in `model_template_revision`; absent if
    it has that of the instance."""
    pod_revision: str | None = None
    """Hash of the pod template that was applied for this specification and this generation of the template:
    rolled out when `status` is READY. An operator that would render other pods keeps these."""
    serving: ServingEntry | None = None
    """How the workers that run are called: during a roll-out as before it, until no worker of an earlier
    revision is left. Absent if they have no API that the gateway knows, or do not serve plain HTTP."""
    message: str | None = None
    """What is wrong, who must act, and how. For people; programs read `problem`."""
    problem: Problem | None = None
    """Why the deployment, or one of its workers, is not ready; absent when all are."""
    contested: Annotated[list[ContestedFieldEntry], Field(max_length=16), ATOMIC] | None = None
    """The fields of the deployment's children that another field manager keeps changing; absent if none."""


class ModelInstanceStatus(ApiModel):
    """What the operator made of an instance: the platform's response, and the state of the deployments."""

    observedGeneration: int = UNOBSERVED
    """Value of metadata.generation that this status is about; -1 until the operator has seen the object."""
    conditions: Conditions = Field(default_factory=list)
    """Aspects of the state. Ready: this specification is fully rolled out. Available: at least one worker
    serves, of any revision. UpToDate: the instance runs the latest revision of its template; present where
    it has one. Autoscaling: the autoscalers can measure the load; present once one has tried. Reconciling,
    Stalled: present only while true."""
    problem: Problem | None = None
    """Why the instance is not Ready; absent when it is. For programs, which do not read messages."""
    id: str | None = None
    """Identity of the instance, its metadata.uid."""
    created_at: Time | None = None
    """Time at which the instance was created, RFC 3339, UTC."""
    created_by_user_id: str | None = None
    """User who created the instance."""
    created_by_identity_type: IdentifierType | None = None
    """Type of the identity that created the instance."""
    account_id: str | None = None
    """Account that owns the instance: `spec.account_id`, or else the namespace."""
    request_schema: JsonObject | None = None
    """JSON Schema of a request to the model."""
    response_schema: JsonObject | None = None
    """JSON Schema of the model's response."""
    supports_multi_turn: bool | None = None
    """Whether the model holds conversations of several turns natively."""
    deployment_count: Count | None = None
    """Number of deployments of the model."""
    deployments: Annotated[list[DeploymentStatusEntry], Field(max_length=64), keyed_by("name")] = Field(
        default_factory=list
    )
    """The deployments of the model; terminating ones included."""
    template: TemplateRef | None = None
    """The template that the instance is bound to. It stays bound while that template exists and
    `model_template_id` is unchanged."""
    validation_errors: Annotated[list[ValidationErrorEntry], Field(max_length=64), ATOMIC] = Field(
        default_factory=list
    )
    """What is wrong with the specification, sorted by path; empty when nothing is."""
    url: str | None = None
    """Address of the model in the cluster, that of its first deployment; absent where there is no Service."""
    replicas: Count | None = None
    """Workers that exist, of any revision, over all deployments."""
    ready_replicas: Count | None = None
    """Workers that serve, over all deployments."""
    selector: str | None = None
    """Label selector of the workers, as the scale subresource reports it."""
