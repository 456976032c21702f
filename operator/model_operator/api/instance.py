"""ModelInstance: one model, created from a template and parameters."""

# ruff: noqa: N815 -- the names of fields are those on the wire; the platform spells modelDetails in camelCase

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool

from model_operator.api.enums import Autoscaler, ModelVendor, TemplateKind, UiModelSectionType
from model_operator.api.meta import CHARACTERS, ApiModel, Resource, name_rule
from model_operator.api.revision import RevisionPin
from model_operator.api.rules import ATOMIC, INFORMATIONAL, Rule
from model_operator.api.status import ModelInstanceStatus
from model_operator.api.values import FreeObject, Text, UsableModelType, Word, Workers

_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_NAMESPACE = _LABEL

Amount = Annotated[int, Field(strict=True, ge=0, le=2**53, json_schema_extra={"format": "int64"})]
"""A count of at most 2^53, up to which every JSON parser is exact."""


class BaseModelDetails(ApiModel):
    """Figures about a base model."""

    number_of_parameters: Amount | None = None
    """Number of parameters (weights) of the base model."""
    token_context_window: Amount | None = None
    """Size of the context window, in tokens."""
    languages: Amount | None = None
    """Number of languages."""
    alignments: Amount | None = None
    """Number of alignments."""


class BaseModelMetadata(ApiModel):
    """Catalogue entry of the base model; informational."""

    ui_model_section_type: UiModelSectionType | None = None
    """Section of the catalogue that lists the base model."""
    model_developer: Word | None = None
    """Developer of the base model."""
    model_license_url: Annotated[str, Field(max_length=2048)] | None = None
    """URL of the base model's licence."""
    delivery_date: Word | None = None
    """Delivery date of the base model, in the catalogue's own format."""
    modelDetails: BaseModelDetails | None = None
    """Figures about the base model."""


class DeploymentVendorConfiguration(ApiModel):
    """Worker settings of one deployment, or of all of an instance; override those of the template."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.min_workers) || !has(self.max_workers) || self.min_workers <= self.max_workers",
            "max_workers must be at least min_workers",
            lambda workers: (
                workers.min_workers is None
                or workers.max_workers is None
                or workers.min_workers <= workers.max_workers
            ),
            field="max_workers",
        ),
    )

    min_workers: Workers | None = None
    """Minimum number of workers; overrides the template's."""
    max_workers: Workers | None = None
    """Maximum number of workers; overrides the template's."""
    per_worker: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Target load of one worker; overrides the template's."""
    autoscaler: Autoscaler | None = None
    """Who sets the number of workers, HPA or EXTERNAL; overrides the template's."""


class InstanceDeployment(ApiModel):
    """One deployment of the model."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=22),
        Rule(
            f"self.matches('{_LABEL}')",
            "must have lower-case letters, digits and '-' only, and start and end with a letter or digit",
            lambda name: re.fullmatch(_LABEL, name) is not None,
            details=CHARACTERS,
        ),
    ]
    """Name of the deployment, unique in the list. Its Deployment and Service are named
    `<instance>-<name>`."""
    model_creation_parameters: FreeObject | None = None
    """Parameters of this deployment; each key overrides that of the instance."""
    vendor_configuration: DeploymentVendorConfiguration | None = None
    """Worker settings of this deployment; override those of the instance and of the template."""
    deployment_metadata: Annotated[FreeObject | None, INFORMATIONAL] = None
    """Free-form metadata of the deployment; informational."""
    model_template_revision: RevisionPin | None = None
    """As that of the model, for this deployment. Default: the model's. With another revision and a
    `traffic_weight`, the deployment is a canary of an edited template."""
    traffic_weight: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    """Share of the requests that the gateway sends to this deployment when they name the model alone, as a
    weight among the deployments with a ready worker. 0: only requests that name the deployment, unless all
    have 0. Changes no pods. Built-in default: 100."""


Deployments = Annotated[
    list[InstanceDeployment],
    Field(max_length=20),
    ATOMIC,
    Rule(
        "self.all(a, self.exists_one(b, b.name == a.name))",
        "names of deployments must be unique; rename or remove the repeated one",
        lambda deployments: len({entry.name for entry in deployments}) == len(deployments),
    ),
]
"""The deployments of a model; server-side apply replaces the list as a whole, so that it can stay empty."""


class ModelInstanceSpec(ApiModel):
    """Desired state of the model: the platform's request to create one, and how to deploy it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        # A rule of the whole specification: one of the field alone would not see it removed and added again.
        Rule(
            "has(self.account_id) == has(oldSelf.account_id) && "
            "(!has(self.account_id) || self.account_id == oldSelf.account_id)",
            "account_id cannot be changed, added or removed; create a new instance instead",
            field="account_id",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.model_template_id) || "
            "(has(self.model_vendor) && !(self.model_vendor in ['LAUNCH', 'LLMENGINE']))",
            "model_template_id is required: give the name of a template, or the model_vendor that hosts the "
            "model elsewhere",
            lambda spec: (
                spec.model_template_id is not None
                or (spec.model_vendor is not None and spec.model_vendor.is_external)
            ),
            field="model_template_id",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.model_template_revision) || has(self.model_template_id)",
            "model_template_revision is a revision of the template that model_template_id names; give both",
            lambda spec: spec.model_template_id is not None or spec.model_template_revision is None,
            field="model_template_revision",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.model_template_namespace) || has(self.model_template_id)",
            "model_template_namespace is the namespace of the template that model_template_id names; give "
            "both",
            lambda spec: spec.model_template_id is not None or spec.model_template_namespace is None,
            field="model_template_namespace",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.model_template_namespace) || !has(self.model_template_kind) || "
            "self.model_template_kind == 'ModelTemplate'",
            "model_template_namespace is for a ModelTemplate; remove it, or set model_template_kind to "
            "ModelTemplate",
            lambda spec: (
                spec.model_template_namespace is None
                or spec.model_template_kind in (None, TemplateKind.MODEL_TEMPLATE)
            ),
            field="model_template_namespace",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.deployments) || has(self.model_template_id) || "
            "self.deployments.all(each, !has(each.model_template_revision))",
            "model_template_revision of a deployment is a revision of the template that model_template_id "
            "names; give both",
            lambda spec: (
                spec.model_template_id is not None
                or all(each.model_template_revision is None for each in spec.deployments or ())
            ),
            field="deployments",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.model_template_id) || has(self.model_type)",
            "model_type is required when there is no model_template_id to take it from",
            lambda spec: spec.model_template_id is not None or spec.model_type is not None,
            field="model_type",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.replicas) || !has(self.deployments)",
            "replicas cannot be given together with deployments; set the workers of each deployment in its "
            "vendor_configuration",
            lambda spec: spec.replicas is None or spec.deployments is None,
            field="replicas",
            reason="FieldValueForbidden",
        ),
    )

    name: Word | None = None
    """Name of the model. Default: metadata.name."""
    display_name: Annotated[Word | None, INFORMATIONAL] = None
    """Human-readable name; informational."""
    model_vendor: ModelVendor | None = None
    """Vendor that hosts the model. LAUNCH and LLMENGINE: this cluster, from a template. Any other value: an
    external vendor; `model_template_id` is then optional. Built-in default: LAUNCH."""
    model_type: UsableModelType | None = None
    """What the model does. Must equal the template's `model_type`, which is the default. Required without a
    template."""
    base_model_id: Annotated[Word | None, INFORMATIONAL] = None
    """Identifier of the model that this one is based on; informational."""
    base_model_metadata: Annotated[BaseModelMetadata | None, INFORMATIONAL] = None
    """Catalogue entry of the base model; informational."""
    model_creation_parameters: FreeObject | None = None
    """Values of the parameters that the template declares in `model_creation_parameters_schema`."""
    model_card: Annotated[Text | None, INFORMATIONAL] = None
    """Model card: how the model was built and how to use it, for example in Markdown; informational."""
    training_data_card: Annotated[Text | None, INFORMATIONAL] = None
    """Description of the data that the model was trained on; informational."""
    description: Annotated[Text | None, INFORMATIONAL] = None
    """Purpose of the model; informational."""
    model_template_id: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Template of the model: the name of a ModelTemplate in this namespace, else the name of a
    ClusterModelTemplate, else the `status.id` of either. Required unless `model_vendor` is an external
    vendor. When set, the model is deployed in this cluster."""
    model_template_kind: TemplateKind | None = None
    """Kind of the template. Without it, a ModelTemplate takes precedence over a ClusterModelTemplate of the
    same name."""
    model_template_namespace: (
        Annotated[
            str,
            Field(min_length=1, max_length=63),
            Rule(
                f"self.matches('{_NAMESPACE}')",
                "must be the name of a namespace: lower-case letters, digits and '-' only, with a letter or "
                "digit at both ends",
                lambda namespace: re.fullmatch(_NAMESPACE, namespace) is not None,
            ),
        ]
        | None
    ) = None
    """Namespace of the template, which is then a ModelTemplate there that is shared with this namespace by
    its `allowed_namespaces`; no other namespace is searched. Its owner decides on later edits:
    `model_template_revision` pins the model to one revision. Default: this namespace, then the
    ClusterModelTemplates."""
    model_template_revision: RevisionPin | None = None
    """Revision of the template that the model runs. `latest`: the latest valid one, so that each edit of the
    template reaches the model. `stable`: the last one whose roll-out was complete, so that an edit reaches
    the model after all models that follow `latest`. The hash of a revision, in quotes, such as
    "3f9a1c0b7d42": the model stays at that one. Built-in default: latest."""
    model_group_id: Annotated[Word | None, INFORMATIONAL] = None
    """Group that the model belongs to; informational."""
    account_id: Word | None = None
    """Account that owns the model. Immutable: it cannot be changed, added or removed. Default: the namespace,
    reported in `status.account_id`."""
    vendor_configuration: DeploymentVendorConfiguration | None = None
    """Worker settings of the model; override those of the template. With `deployments`, they apply to each
    entry that does not set them. They change no names: without `deployments`, Deployment, Service and URL
    keep the name of the instance."""
    deployments: Deployments | None = None
    """Deployments of the model. Without this field there is one, named after the instance. With `[]` the
    model is not deployed. Adding or removing this field renames Deployments, Services and URLs."""
    replicas: Workers | None = None
    """Fixed number of workers; overrides `min_workers` and `max_workers` and turns autoscaling off.
    `kubectl scale` sets it. Cannot be combined with `deployments`."""
    suspend: StrictBool | None = None
    """Whether the model is suspended: no deployment has workers, whatever the other fields say. Deployments,
    Services and URLs stay; autoscalers and disruption budgets are deleted. Without it, or with `false`, the
    workers return."""


class ModelInstance(Resource):
    """A model, deployed from a template and parameters."""

    plural: ClassVar[str] = "modelinstances"
    singular: ClassVar[str] = "modelinstance"
    short_name: ClassVar[str] = "mi"
    rules: ClassVar[tuple[Rule, ...]] = (
        # A Service's name is an RFC 1035 label of at most 63, and 40 leaves room for `-<deployment>`. The
        # Service `kubernetes` in the namespace `default` is the API server's.
        name_rule(
            "^[a-z]([-a-z0-9]*[a-z0-9])?$",
            40,
            "the name of an instance, which its Deployment and Service get, must have at most 40 lower-case "
            "letters, digits and '-', start with a letter and end with a letter or digit; "
            "'kubernetes' is taken",
            reserved="kubernetes",
        ),
    )

    kind: Literal["ModelInstance"] = "ModelInstance"
    """Kind of the object."""
    spec: ModelInstanceSpec
    """Desired state of the model."""
    status: Annotated[ModelInstanceStatus, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=ModelInstanceStatus
    )
    """Observed state of the model."""
