"""ModelTemplate and ClusterModelTemplate: what all models made from one template have in common."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool

from model_operator.api.enums import (
    EndpointProtocol,
    EndpointType,
    GpuType,
    ImagePullPolicy,
    ModelVendor,
)
from model_operator.api.meta import ApiModel, Resource, name_rule
from model_operator.api.pods import DeploymentStrategy, LocalObjectReference, PodTemplate
from model_operator.api.rules import ATOMIC, INFORMATIONAL, Rule, keyed_by
from model_operator.api.status import ModelTemplateStatus
from model_operator.api.values import (
    FreeObject,
    Quantity,
    Route,
    Seconds,
    UsableModelType,
    Word,
    Workers,
)

_IMAGE = r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$"
_TAG = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
_DIGEST = r"^sha256:[a-f0-9]{64}$"
_ENV_NAME = r"^[-._a-zA-Z][-._a-zA-Z0-9]{0,252}$"

Arguments = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=1024), ATOMIC]
"""A command line, one string for each argument."""


def _matches_or_refers(pattern: str, text: str) -> bool:
    return "$(" in text or re.fullmatch(pattern, text) is not None


class BundleConfig(ApiModel):
    """The container that serves the model: image, command, environment and routes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.tag) != has(self.digest)",
            "give exactly one of tag and digest",
            lambda bundle: (bundle.tag is None) != (bundle.digest is None),
            field="tag",
        ),
    )

    registry: Annotated[
        str,
        Field(min_length=1, max_length=253),
        Rule(
            "!self.contains('://') && !self.endsWith('/')",
            "must be a host and an optional path, such as ghcr.io/huggingface, without https:// and without "
            "a '/' at the end",
            lambda registry: "://" not in registry and not registry.endswith("/"),
        ),
    ]
    """Registry of the image and an optional path in it, such as `ghcr.io/huggingface`."""
    image: Annotated[
        str,
        Field(min_length=1, max_length=512),
        Rule(
            f"self.contains('$(') || self.matches('{_IMAGE}')",
            "must be a repository name in lower case, such as text-embeddings-inference; tag and digest have "
            "fields of their own",
            lambda image: _matches_or_refers(_IMAGE, image),
        ),
    ]
    """Repository of the image in the registry. The container runs `registry/image:tag` or
    `registry/image@digest`."""
    tag: (
        Annotated[
            str,
            Field(min_length=1, max_length=256),
            Rule(
                f"self.contains('$(') || self.matches('{_TAG}')",
                "must be an image tag: a letter, digit or '_', then at most 127 of these, '.' and '-'",
                lambda tag: _matches_or_refers(_TAG, tag),
            ),
        ]
        | None
    ) = None
    """Tag of the image. Exactly one of `tag` and `digest` is given."""
    digest: (
        Annotated[
            str,
            Field(max_length=128),
            Rule(
                f"self.matches('{_DIGEST}')",
                "must be sha256: followed by 64 hexadecimal digits in lower case",
                lambda digest: re.fullmatch(_DIGEST, digest) is not None,
            ),
        ]
        | None
    ) = None
    """Digest of the image, `sha256:` and 64 hexadecimal digits. Exactly one of `tag` and `digest` is
    given."""
    command: Arguments | None = None
    """Command of the container, one string for each argument; no shell reads it. Without it the image's own
    entry point runs."""
    args: Arguments | None = None
    """Arguments of the command, or of the image's entry point. An item that is `$(parameters.LIST[*])` alone
    becomes one argument for each element of the list."""
    env: Annotated[
        dict[str, Annotated[str, Field(max_length=32768)]],
        Field(max_length=256),
        Rule(
            f"self.all(name, name.matches('{_ENV_NAME}'))",
            "each name must be an environment variable's: letters, digits, '_', '-' and '.', not starting "
            "with a digit",
            lambda env: all(re.fullmatch(_ENV_NAME, name) for name in env),
        ),
    ] = Field(default_factory=dict)
    """Environment variables by name; values are strings, so quote numbers and booleans. An entry with the
    name of a parameter is the variable's value while an instance does not set the parameter."""
    streaming_command: Arguments | None = None
    """Command that runs instead of `command` when `endpoint_type` is STREAMING. Without it `command` runs."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    """Port on which the container serves HTTP; the container port is named `http`. Built-in default: 5005."""
    readiness_initial_delay_seconds: Seconds | None = None
    """Seconds from the start of the container to its first readiness probe. Built-in default: 0."""
    healthcheck_route: Route | None = None
    """Path that answers `GET` with 2xx once the model can serve. Built-in default: `/readyz`."""
    predict_route: Route = "/predict"
    """Path that takes requests."""
    streaming_predict_route: Route | None = None
    """Path that takes requests to be answered as a stream, where that is another one than `predict_route`."""
    image_pull_policy: ImagePullPolicy | None = None
    """When the node pulls the image. Built-in default: Kubernetes', which is Always for the tag `latest` and
    IfNotPresent otherwise."""
    image_pull_secrets: Annotated[list[LocalObjectReference], Field(max_length=16), keyed_by("name")] = Field(
        default_factory=list
    )
    """Secrets with credentials for the registry, in the namespace of the instance."""


class EndpointConfig(ApiModel):
    """The resources and the number of a deployment's workers. Requests and limits are equal."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.gpus) && self.gpus > 0) == has(self.gpu_type)",
            "gpus and gpu_type go together: give both, with gpus at least 1, or neither",
            lambda config: bool(config.gpus) == (config.gpu_type is not None),
            field="gpu_type",
        ),
        Rule(
            "!has(self.min_workers) || !has(self.max_workers) || self.min_workers <= self.max_workers",
            "max_workers must be at least min_workers (1 when left out)",
            lambda config: config.max_workers is None or config.min_workers <= config.max_workers,
            field="max_workers",
        ),
        Rule(
            "!has(self.min_workers) || self.min_workers > 0 || "
            "(has(self.max_workers) && self.max_workers == 0)",
            "min_workers 0 needs max_workers 0: the autoscaler cannot start a first worker",
            lambda config: config.min_workers > 0 or config.max_workers == 0,
            field="min_workers",
        ),
    )

    cpus: Quantity | None = None
    """CPU cores of a worker, a number or a quantity such as `500m`. Built-in default: 3."""
    memory: Quantity | None = None
    """Memory of a worker, such as `16Gi`; a number is in bytes. Built-in default: 8Gi."""
    storage: Quantity | None = None
    """Ephemeral storage of a worker, such as `50Gi`; a number is in bytes. Built-in default: 16Gi."""
    gpus: Annotated[int, Field(strict=True, ge=0, le=1024)] | None = None
    """GPUs of a worker; needs `gpu_type`. Built-in default: 0."""
    gpu_type: GpuType | None = None
    """Accelerator of the node that a worker runs on; needs `gpus`."""
    min_workers: Workers = 1
    """Workers kept without load. 0, which turns the deployment off, only with `max_workers` 0."""
    max_workers: Workers | None = None
    """Workers at full load; above `min_workers`, an autoscaler works between the two. Built-in default:
    `min_workers`."""
    per_worker: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 10
    """Load that one worker carries, such as requests in flight: the autoscaler adds workers above it. Counts
    only where `scaling_metric` names a Pods metric."""
    high_priority: StrictBool | None = None
    """Whether workers get the PriorityClass that the operator is set up with for urgent models. Built-in
    default: false."""
    startup_timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=86400)] | None = None
    """Seconds that a worker may take from its start until it serves, loading of the model included. Built-in
    default: 1800."""
    scaling_metric: (
        Annotated[
            str,
            Field(min_length=1, max_length=253),
            Rule(
                "!self.contains('/') && !self.contains('%') && !(self in ['.', '..'])",
                "must be cpu or the name of a Pods metric, without '/' and '%'",
                lambda metric: not {"/", "%"} & set(metric) and metric not in (".", ".."),
            ),
        ]
        | None
    ) = None
    """What the autoscaler measures: `cpu`, of which the container `model` is to use 80 % of its request, or
    the name of a Pods metric, of which each worker is to carry `per_worker`. Built-in default: cpu."""


class TemplateVendorConfiguration(ApiModel):
    """How the vendor runs the models of this template."""

    vendor: Literal[ModelVendor.LAUNCH] = ModelVendor.LAUNCH
    """Who runs the models; LAUNCH is this cluster."""
    bundle_config: BundleConfig
    """The container that serves the model: image, command, environment and routes. `image`, `tag`, `command`,
    `args` and the values of `env` may refer to `$(parameters.NAME)` and `$(instance.name)`,
    `$(instance.namespace)`, `$(instance.id)`, `$(instance.account_id)`."""
    endpoint_config: Annotated[EndpointConfig, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=EndpointConfig
    )
    """Resources of a worker, and how many of them."""


class ModelTemplateSpec(ApiModel):
    """What all models of this template have in common, and which parameters each may set."""

    name: Annotated[Word | None, INFORMATIONAL] = None
    """Name for people to read; informational."""
    account_id: Annotated[Word | None, INFORMATIONAL] = None
    """Account that owns the template; informational."""
    endpoint_type: EndpointType = EndpointType.SYNC
    """How models get their work. SYNC and STREAMING serve HTTP behind a Service; ASYNC and BATCH pull their
    own work and have neither Service nor URL."""
    model_type: UsableModelType
    """What the models do; decides `request_schema`, `response_schema` and `supports_multi_turn` in the status
    of an instance."""
    endpoint_protocol: EndpointProtocol | None = None
    """Calling convention of the server in the image; informational."""
    vendor_configuration: TemplateVendorConfiguration
    """Image, command, environment, resources and workers."""
    model_creation_parameters_schema: FreeObject | None = None
    """The parameters that an instance sets in `model_creation_parameters`: a JSON Schema of type object, or
    `{"parameters": [{"name", "type", "description", "required"}]}` with the types str, int, float and bool.
    Without it instances have no parameters."""
    model_request_parameters_schema: FreeObject | None = None
    """The parameters that a request may set in `model_request_parameters.bindings`, in the same two forms;
    becomes part of an instance's `status.request_schema`."""
    pod_template: PodTemplate | None = None
    """A Kubernetes PodTemplateSpec over which everything else here is laid: volumes, sidecars, service
    account, affinity, security context. Containers and environment variables merge by name; the container
    that serves the model is named `model`."""
    strategy: DeploymentStrategy | None = None
    """Kubernetes' DeploymentStrategy. Built-in default: RollingUpdate with maxSurge 1 and maxUnavailable 0.
    When a GPU is free only once the old worker has gone, use Recreate."""


_NAME_RULE = name_rule(
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    63,
    "the name of a template must have at most 63 lower-case letters, digits and '-', and start and end with "
    "a letter or digit",
)


class ModelTemplate(Resource):
    """A template of models in one namespace: container, resources and the parameters that a model may set."""

    plural: ClassVar[str] = "modeltemplates"
    singular: ClassVar[str] = "modeltemplate"
    short_name: ClassVar[str] = "mt"
    rules: ClassVar[tuple[Rule, ...]] = (_NAME_RULE,)

    kind: Literal["ModelTemplate"] = "ModelTemplate"
    """Kind of the object."""
    spec: ModelTemplateSpec
    """What all models of this template have in common, and which parameters each may set."""
    status: Annotated[ModelTemplateStatus, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=ModelTemplateStatus
    )
    """What the operator found out about the template."""


class ClusterModelTemplate(Resource):
    """A template of models for all namespaces: container, resources and parameters that a model may set."""

    plural: ClassVar[str] = "clustermodeltemplates"
    singular: ClassVar[str] = "clustermodeltemplate"
    short_name: ClassVar[str] = "cmt"
    namespaced: ClassVar[bool] = False
    rules: ClassVar[tuple[Rule, ...]] = (_NAME_RULE,)

    kind: Literal["ClusterModelTemplate"] = "ClusterModelTemplate"
    """Kind of the object."""
    spec: ModelTemplateSpec
    """What all models of this template have in common, and which parameters each may set."""
    status: Annotated[ModelTemplateStatus, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=ModelTemplateStatus
    )
    """What the operator found out about the template."""
