"""The status of a template: whether instances can be made from it, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from model_operator.core.conditions import kstatus_conditions, merge_conditions
from model_operator.core.plan import summarize
from model_operator.core.reasons import Actor, ReasonInfo
from model_operator.core.templates import CompiledTemplate


class TemplateReason(Enum):
    """Reasons of the Ready condition of a ModelTemplate or ClusterModelTemplate."""

    TemplateValid = ReasonInfo("Instances can be made from the template.", Actor.NOBODY, "", ready=True)
    TemplateInvalid = ReasonInfo(
        "The template breaks a rule; instances keep running as they are, and none is changed or created.",
        Actor.TEMPLATE_OWNER,
        "Correct the listed fields.",
        stalled=True,
    )


def template_status(
    template: CompiledTemplate, current: Mapping[str, Any], instance_count: int, now: str
) -> dict[str, Any]:
    """Return the whole ``status`` of a template.

    Parameters
    ----------
    template
        The compiled template.
    current
        Its ``status`` as the API server has it.
    instance_count
        Number of instances that refer to it.
    now
        RFC 3339 time for conditions that change.
    """
    metadata = template.resource.metadata
    if template.violations:
        info, reason = TemplateReason.TemplateInvalid.value, TemplateReason.TemplateInvalid.name
        message = info.sentence(summarize(template.violations))
    else:
        info, reason = TemplateReason.TemplateValid.value, TemplateReason.TemplateValid.name
        message = info.meaning
    conditions = kstatus_conditions(ready=info.ready, stalled=info.stalled, reason=reason, message=message)
    return {
        "observedGeneration": metadata.generation,
        "conditions": merge_conditions(
            current.get("conditions", []), conditions, generation=metadata.generation, now=now
        ),
        "id": metadata.uid,
        "created_at": metadata.creationTimestamp,
        "instance_count": instance_count,
    }
