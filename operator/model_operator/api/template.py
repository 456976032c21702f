"""ModelTemplate and ClusterModelTemplate: the common configuration of all models of a template."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool

from model_operator.api.enums import (
    Autoscaler,
    EndpointProtocol,
    EndpointType,
    ImagePullPolicy,
    MetricType,
)
from model_operator.api.meta import ApiModel, Resource, name_rule
from model_operator.api.pods import DeploymentStrategy, LocalObjectReference, PodTemplate
from model_operator.api.rules import ATOMIC, INFORMATIONAL, Rule, keyed_by
from model_operator.api.scaling import ScalingBehavior, ScalingMetric
from model_operator.api.service import ChildMetadata, ServiceConfig
from model_operator.api.sharing import NOT_SAME, AllowedNamespaces
from model_operator.api.status import ModelTemplateStatus
from model_operator.api.template_rollout import Rollout
from model_operator.api.values import (
    AcceleratorType,
    FreeObject,
    GpuCount,
    Quantity,
    Route,
    Seconds,
    UsableModelType,
    Word,
    Workers,
)

ZERO_WORKERS = (
    "min_workers 0 needs max_workers 0, a metric of the type EXTERNAL in scaling_metrics, or autoscaler "
    "EXTERNAL: from other metrics the autoscaler cannot start a first worker"
)
"""What a minimum of no workers requires."""

_IMAGE = r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$"
_TAG = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
_DIGEST = r"^sha256:[a-f0-9]{64}$"
_ENV_NAME = r"^[-._a-zA-Z][-._a-zA-Z0-9]{0,252}$"

Arguments = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=1024), ATOMIC]
"""A command line, one string for each argument."""


def _matches_or_refers(pattern: str, text: str) -> bool:
    return "$(" in text or re.fullmatch(pattern, text) is not None


class BundleConfig(ApiModel):
    """Container that serves the model: image, command, environment and routes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.tag) || has(self.digest)",
            "give tag, digest or both; with both, the digest decides which image runs",
            lambda bundle: bundle.tag is not None or bundle.digest is not None,
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
    """Registry of the image with an optional path, such as `ghcr.io/huggingface`."""
    image: Annotated[
        str,
        Field(min_length=1, max_length=512),
        Rule(
            f"self.contains('$(') || self.matches('{_IMAGE}')",
            "must be a repository name in lower case, such as text-embeddings-inference; tag and digest have "
            "fields of their own",
            lambda image: _matches_or_refers(_IMAGE, image),
            details=(
                ("://", "; leave out https://"),
                ("@", "; move what follows '@' to digest"),
                (":[^/]*$", "; move what follows ':' to tag"),
                ("[A-Z]", "; it has an upper-case letter"),
            ),
        ),
    ]
    """Repository of the image in the registry. The container runs `registry/image:tag`,
    `registry/image@digest` or `registry/image:tag@digest`."""
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
    """Tag of the image. Set `tag`, `digest` or both."""
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
    """Digest of the image: `sha256:` and 64 hexadecimal digits. It decides which image runs; a `tag` beside
    it is for people."""
    command: Arguments | None = None
    """Command of the container, one string for each argument; it does not run in a shell. Default: the
    entrypoint of the image."""
    args: Arguments | None = None
    """Arguments of `command`, or of the entrypoint of the image. An item that consists of
    `$(parameters.LIST[*])` alone expands to one argument for each element of the list."""
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
    """Environment variables by name. Values are strings, so quote numbers and booleans. If a variable has the
    name of a parameter, its value applies when an instance does not set the parameter."""
    streaming_command: Arguments | None = None
    """Command that replaces `command` when `endpoint_type` is STREAMING. Default: `command`."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    """HTTP port of the container. Default: the port of the container `model` in `pod_template`, else 5005."""
    readiness_initial_delay_seconds: Seconds | None = None
    """Delay from the start of the container to its first readiness probe, in seconds. Built-in default: 0."""
    healthcheck_route: Route | None = None
    """Path of the health check: `GET` returns 2xx once the model can serve. Built-in default: `/readyz`."""
    predict_route: Route = "/predict"
    """Path of requests to the model."""
    streaming_predict_route: Route | None = None
    """Path of streaming requests, if it differs from `predict_route`."""
    served_model_name: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Name by which the server knows the model: the gateway puts it into the field `model` of a request. May
    contain references. Built-in default, for servers that speak OpenAI's or Cohere's API: what `command` and
    `args` give by `--served-model-name`, `--alias`, `--model`, `--model-path` or `vllm serve`; else the name
    in the request stays."""
    image_pull_policy: ImagePullPolicy | None = None
    """When the node pulls the image. Built-in default: that of Kubernetes, which is Always for the tag
    `latest` and IfNotPresent otherwise."""
    image_pull_secrets: Annotated[list[LocalObjectReference], Field(max_length=16), keyed_by("name")] = Field(
        default_factory=list
    )
    """Secrets with registry credentials, in the namespace of the instance."""


class EndpointConfig(ApiModel):
    """Resources of a worker, and the number of workers. Resource requests and limits are equal."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.gpu_type) || (has(self.gpus) && (type(self.gpus) != int || self.gpus > 0))",
            "gpu_type needs gpus of at least 1: give both, or only gpus, or neither",
            lambda config: config.gpu_type is None or bool(config.gpus),
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
            "(has(self.autoscaler) && self.autoscaler == 'EXTERNAL') || "
            "(has(self.max_workers) && (self.max_workers == 0 || "
            "(has(self.scaling_metrics) && self.scaling_metrics.exists(m, m.type == 'EXTERNAL'))))",
            f"{ZERO_WORKERS}; set max_workers, too",
            lambda config: config.min_workers > 0 or config.can_be_zero(config.max_workers),
            field="min_workers",
        ),
        Rule(
            "!has(self.drain_seconds) || !has(self.termination_grace_period_seconds) || "
            "self.drain_seconds < self.termination_grace_period_seconds || self.drain_seconds == 0",
            "must be less than termination_grace_period_seconds, after which the worker is killed",
            lambda config: (
                not config.drain_seconds
                or config.termination_grace_period_seconds is None
                or config.drain_seconds < config.termination_grace_period_seconds
            ),
            field="drain_seconds",
        ),
        Rule(
            "!has(self.scaling_metric) || !has(self.scaling_metrics)",
            "give scaling_metrics alone: scaling_metric is its short form for one metric",
            lambda config: config.scaling_metric is None or config.scaling_metrics is None,
            field="scaling_metric",
        ),
    )

    cpus: Quantity | None = None
    """CPU cores of a worker: a number, a quantity such as `500m`, or a reference. The operator's settings
    change or switch off the default. Built-in default: 3."""
    memory: Quantity | None = None
    """Memory of a worker, such as `16Gi`; a number is in bytes. May contain references. The operator's
    settings change or switch off the default. Built-in default: 8Gi."""
    storage: Quantity | None = None
    """Ephemeral storage of a worker, such as `50Gi`; a number is in bytes. May contain references. The
    operator's settings change or switch off the default. Built-in default: 16Gi."""
    gpus: GpuCount | None = None
    """GPUs of a worker, or a reference to an integer parameter. Without `gpu_type`, any GPU of the cluster.
    Built-in default: 0."""
    gpu_type: AcceleratorType | None = None
    """Accelerator type of the node that a worker runs on, such as `nvidia-tesla-t4`; requires `gpus`. The
    operator's settings map types to node labels, resources and tolerations; the label of a type without a
    mapping has the type as its value. A reference needs a parameter with `enum`."""
    min_workers: Workers = 1
    """Minimum number of workers. 0 turns the deployment off if `max_workers` is 0. With a greater
    `max_workers` it requires a metric of the type EXTERNAL and Kubernetes 1.37 (or the feature gate
    HPAScaleToZero), or `autoscaler` EXTERNAL."""
    max_workers: Workers | None = None
    """Maximum number of workers. If it exceeds `min_workers`, an autoscaler sets the number between the two.
    Built-in default: `min_workers`."""
    per_worker: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 10
    """Target load of one worker, such as requests in flight; above it the autoscaler adds workers. Used only
    if `scaling_metric` names a Pods metric."""
    high_priority: StrictBool | None = None
    """Whether workers get the high-priority PriorityClass of the operator's configuration. Built-in default:
    false."""
    startup_timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=86400)] | None = None
    """Seconds within which a worker must become ready after its start, including the time to load the model.
    Built-in default: 1800."""
    drain_seconds: Annotated[int, Field(strict=True, ge=0, le=3600)] | None = None
    """Seconds that each container of a worker sleeps before it gets SIGTERM, unless it has its own `preStop`.
    Meanwhile no more requests are sent to it. 0 for none. The operator's settings change the
    default, which is for models with a Service. Built-in default: 5."""
    termination_grace_period_seconds: Seconds | None = None
    """Seconds after which a worker that stops is killed, `drain_seconds` included; more than the time of the
    longest request. The operator's settings change the default. Built-in default: 35."""
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
    """Metric of the autoscaler: `cpu`, with a target of 80 % of the CPU request of the container `model`, or
    the name of a Pods metric, with a target of `per_worker` for each worker. Built-in default: cpu. For other
    targets, other sources and several metrics, use `scaling_metrics`."""
    scaling_metrics: Annotated[list[ScalingMetric], Field(min_length=1, max_length=10), ATOMIC] | None = None
    """Metrics of the autoscaler. The one that needs the most workers decides."""
    behavior: ScalingBehavior | None = None
    """Kubernetes HorizontalPodAutoscalerBehavior (autoscaling/v2): how fast the autoscaler adds and removes
    workers. Without it, values that others set on the HorizontalPodAutoscaler are kept."""
    autoscaler: Autoscaler | None = None
    """Who sets the number of workers. HPA: a HorizontalPodAutoscaler, if `max_workers` exceeds `min_workers`.
    EXTERNAL: another autoscaler, such as KEDA, that targets the Deployment; the operator creates the
    Deployment with `min_workers`, which may be 0, and then leaves the number alone. Built-in default: HPA."""

    def can_be_zero(self, max_workers: int | None, autoscaler: Autoscaler | None = None) -> bool:
        """Return whether these settings allow 0 as minimum number of workers.

        Parameters
        ----------
        max_workers
            The maximum number; None if it is not set.
        autoscaler
            Overrides the template's.
        """
        if (autoscaler or self.autoscaler) is Autoscaler.EXTERNAL or max_workers == 0:
            return True
        metrics = self.scaling_metrics or ()
        return max_workers is not None and any(each.type is MetricType.EXTERNAL for each in metrics)


class TemplateVendorConfiguration(ApiModel):
    """How the models of this template run."""

    vendor: Literal["LAUNCH"] = "LAUNCH"
    """Vendor that runs the models; LAUNCH is this cluster."""
    bundle_config: BundleConfig
    """Container that serves the model: image, command, environment and routes. `image`, `tag`, `command`,
    `args`, `served_model_name` and the values of `env` may contain the references `$(parameters.NAME)`,
    `$(instance.name)`, `$(instance.namespace)`, `$(instance.id)` and `$(instance.account_id)`."""
    endpoint_config: Annotated[EndpointConfig, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=EndpointConfig
    )
    """Resources of a worker, and the number of workers."""


class ModelTemplateSpec(ApiModel):
    """Common configuration of all models of this template, and the parameters that each model may set."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.service) || !has(self.endpoint_type) || self.endpoint_type in ['SYNC', 'STREAMING']",
            "ASYNC and BATCH have no Service; remove service, or use SYNC or STREAMING",
            lambda spec: spec.service is None or spec.endpoint_type.serves_http,
            field="service",
        ),
    )

    name: Annotated[Word | None, INFORMATIONAL] = None
    """Human-readable name; informational."""
    account_id: Annotated[Word | None, INFORMATIONAL] = None
    """Account that owns the template; informational."""
    endpoint_type: EndpointType = EndpointType.SYNC
    """How models receive work. SYNC and STREAMING serve HTTP behind a Service. ASYNC and BATCH pull work and
    have neither Service nor URL."""
    model_type: UsableModelType
    """What the models do; determines `request_schema`, `response_schema` and `supports_multi_turn` in the
    status of an instance."""
    endpoint_protocol: EndpointProtocol | None = None
    """Calling convention of the model server, by which the gateway calls it. SGP: JSON at `predict_route`.
    OPENAI, and VLLM, its name on the platform: OpenAI's API. COHERE: Cohere's API. TEI: the API of Text
    Embeddings Inference. Changes no pods. Built-in default: SGP."""
    vendor_configuration: TemplateVendorConfiguration
    """Image, command, environment, resources and workers."""
    model_creation_parameters_schema: FreeObject | None = None
    """Parameters that an instance sets in `model_creation_parameters`: a JSON Schema of type object, or
    `{"parameters": [{"name", "type", "description", "required"}]}` with the types str, int, float and bool.
    Without it, instances have no parameters."""
    model_request_parameters_schema: FreeObject | None = None
    """Parameters that a request may set in `model_request_parameters.bindings`, in the same two forms; part
    of `status.request_schema` of an instance."""
    pod_template: PodTemplate | None = None
    """Kubernetes PodTemplateSpec, the base of the pod: volumes, sidecars, service account, affinity, security
    context. The other fields of the template override it; containers and environment variables merge by name.
    The container that serves the model is named `model`."""
    strategy: DeploymentStrategy | None = None
    """Kubernetes DeploymentStrategy. Built-in default: RollingUpdate with maxSurge 1 and maxUnavailable 0.
    Use Recreate if a new worker needs the GPU of an old one."""
    service: ServiceConfig | None = None
    """The Service of each deployment: its type, ports, metadata and scheme. Built-in default: a ClusterIP
    Service with port 80."""
    metadata: ChildMetadata | None = None
    """Labels and annotations of the Deployment and the other objects of a model; those of the pods are in
    `pod_template`. Values may contain references."""
    revision_history_limit: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    """Number of revisions that are kept of those that no instance runs or names. Changes nothing else.
    Built-in default: 10."""
    rollout: Rollout | None = None
    """How an edit of this template reaches the instances. With this field in steps that stop by themselves;
    without it all at once. An edit of this field makes no new revision."""
    allowed_namespaces: AllowedNamespaces | None = None
    """Namespaces whose instances may use the template. When one is removed, what its instances run stays as
    it is, and they get no edit any more. An edit of this field makes no new revision. Built-in default: the
    template's own namespace (Same); of a ClusterModelTemplate, every namespace (All)."""


_NAME_RULE = name_rule(
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    63,
    "the name of a template must have at most 63 lower-case letters, digits and '-', and start and end with "
    "a letter or digit",
)


class ModelTemplate(Resource):
    """A template for models in its namespace: container, resources, and parameters that a model may set."""

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
    """A template for models in all namespaces: container, resources, and parameters that a model may set."""

    plural: ClassVar[str] = "clustermodeltemplates"
    singular: ClassVar[str] = "clustermodeltemplate"
    short_name: ClassVar[str] = "cmt"
    namespaced: ClassVar[bool] = False
    rules: ClassVar[tuple[Rule, ...]] = (_NAME_RULE, NOT_SAME)

    kind: Literal["ClusterModelTemplate"] = "ClusterModelTemplate"
    """Kind of the object."""
    spec: ModelTemplateSpec
    """What all models of this template have in common, and which parameters each may set."""
    status: Annotated[ModelTemplateStatus, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=ModelTemplateStatus
    )
    """What the operator found out about the template."""
