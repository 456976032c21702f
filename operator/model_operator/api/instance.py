"""ModelInstance: one model, made from a template and parameters."""

# ruff: noqa: N815 -- the names of fields are those on the wire; the platform spells modelDetails in camelCase

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from model_operator.api.enums import ModelVendor, TemplateKind, UiModelSectionType
from model_operator.api.meta import ApiModel, Resource, name_rule
from model_operator.api.rules import ATOMIC, INFORMATIONAL, Rule
from model_operator.api.status import ModelInstanceStatus
from model_operator.api.values import FreeObject, Text, UsableModelType, Word, Workers

_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

Amount = Annotated[int, Field(strict=True, ge=0, le=2**53, json_schema_extra={"format": "int64"})]
"""A number that may be large, up to where every reader of JSON is exact."""


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
    """What a catalogue says about the base model; informational."""

    ui_model_section_type: UiModelSectionType | None = None
    """Section of the catalogue."""
    model_developer: Word | None = None
    """Who developed the base model."""
    model_license_url: Annotated[str, Field(max_length=2048)] | None = None
    """Address of the base model's licence."""
    delivery_date: Word | None = None
    """Date at which the base model was delivered, in the form that the catalogue uses."""
    modelDetails: BaseModelDetails | None = None
    """Figures about the base model."""


class DeploymentVendorConfiguration(ApiModel):
    """Workers of one deployment, in place of the template's."""

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
        Rule(
            "!has(self.min_workers) || !has(self.max_workers) || self.min_workers > 0 || "
            "self.max_workers == 0",
            "min_workers 0 needs max_workers 0: the autoscaler cannot start a first worker",
            lambda workers: workers.min_workers != 0 or not workers.max_workers,
            field="min_workers",
        ),
    )

    min_workers: Workers | None = None
    """Workers kept without load, in place of the template's."""
    max_workers: Workers | None = None
    """Workers at full load, in place of the template's."""
    per_worker: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Load that one worker carries, in place of the template's."""


class InstanceDeployment(ApiModel):
    """One deployment of the model."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=22),
        Rule(
            f"self.matches('{_LABEL}')",
            "must have lower-case letters, digits and '-' only, and start and end with a letter or digit",
            lambda name: re.fullmatch(_LABEL, name) is not None,
        ),
    ]
    """Name of the deployment, unique in the list. Its Deployment and Service are named
    `<instance>-<name>`."""
    model_creation_parameters: FreeObject | None = None
    """Parameters laid over those of the instance, key by key."""
    vendor_configuration: DeploymentVendorConfiguration | None = None
    """Workers of this deployment, in place of the template's."""
    deployment_metadata: Annotated[FreeObject | None, INFORMATIONAL] = None
    """Anything that the owner wants to note about the deployment; informational."""


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
"""The deployments of a model, replaced as a whole so that an empty list stays one."""


class ModelInstanceSpec(ApiModel):
    """The model that is wanted: the platform's request to create one, and how it is deployed."""

    rules: ClassVar[tuple[Rule, ...]] = (
        # Over the whole specification: on the field itself, removing and adding again would get around it.
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
    """Name for people to read."""
    model_vendor: ModelVendor | None = None
    """Who hosts the model. LAUNCH and LLMENGINE: this cluster, from a template. Any other: somebody else, and
    then `model_template_id` may be left out. Built-in default: LAUNCH."""
    model_type: UsableModelType | None = None
    """What the model does. Default: the template's, from which it must not differ. Required without a
    template."""
    base_model_id: Annotated[Word | None, INFORMATIONAL] = None
    """Identity of the model that this one was made from; informational."""
    base_model_metadata: Annotated[BaseModelMetadata | None, INFORMATIONAL] = None
    """What a catalogue says about the base model; informational."""
    model_creation_parameters: FreeObject | None = None
    """Values of the template's parameters, as its `model_creation_parameters_schema` declares them."""
    model_card: Annotated[Text | None, INFORMATIONAL] = None
    """Description of the model's making and use, such as Markdown; informational."""
    training_data_card: Annotated[Text | None, INFORMATIONAL] = None
    """Description of the data that the model was trained on; informational."""
    description: Annotated[Text | None, INFORMATIONAL] = None
    """What the model is for; informational."""
    model_template_id: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The template: the name of a ModelTemplate in this namespace, else of a ClusterModelTemplate, else the
    `status.id` of one of either. Required unless `model_vendor` is somebody else; when given, the model is
    deployed here."""
    model_template_kind: TemplateKind | None = None
    """Kind of the template, where both kinds have one of that name. Without it a ModelTemplate comes
    first."""
    model_group_id: Annotated[Word | None, INFORMATIONAL] = None
    """Group that the model belongs to; informational."""
    account_id: Word | None = None
    """Account that owns the model; can never be changed, added or removed. Default: the namespace, shown in
    status."""
    deployments: Deployments | None = None
    """The deployments of the model. Left out: one, named after the instance. Given: exactly these. `[]`:
    none, so the model is not deployed."""
    replicas: Workers | None = None
    """Workers of the one deployment, in place of `min_workers` and `max_workers`; turns autoscaling off.
    `kubectl scale` sets it. Not together with `deployments`."""


class ModelInstance(Resource):
    """A model: made from a template and parameters, deployed and kept so."""

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
    """The model that is wanted."""
    status: Annotated[ModelInstanceStatus, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=ModelInstanceStatus
    )
    """What the operator made of the instance."""
