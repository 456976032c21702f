"""Keeps the generated parts of documents in step with the code: ``python -m hack.documents [--check]``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from benchmarks import peers as peers_performance
from benchmarks import report as performance
from benchmarks.gateway import report as gateway_performance
from benchmarks.neighbour import report as neighbour_performance
from benchmarks.rollouts import report as rollouts_performance
from benchmarks.simulation import report as simulated_performance
from hack.api_reference import instance_reference, revision_reference, template_reference
from hack.charts.charts import charts
from model_operator.api.descriptions import field_descriptions
from model_operator.controller.metrics import catalog as operator_metrics
from model_operator.core.reasons.reasons import reasons_table, troubleshooting_table
from model_operator.core.status.events import event_reasons_table
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.gateway.metrics import declared as gateway_metrics
from model_operator.gateway.proxy_settings import ProxySettings
from model_operator.gateway.settings import GatewaySettings
from model_operator.metrics.declaration import metrics_table
from model_operator.settings import AdmissionSettings, LeaseSettings, OperatorSettings
from tests.gitops.argocd import CONFIG_MAP, config_map
from tests.gitops.verdicts import instance_verdicts, roll_out_verdicts, template_verdicts

REPOSITORY = Path(__file__).parent.parent
API = REPOSITORY / "docs" / "api.md"
EVENTS = REPOSITORY / "docs" / "events.md"
GATEWAY = REPOSITORY / "docs" / "gateway.md"
OPERATIONS = REPOSITORY / "docs" / "operations.md"
GITOPS = REPOSITORY / "docs" / "gitops.md"
METRICS = REPOSITORY / "docs" / "metrics.md"
PERFORMANCE = REPOSITORY / "docs" / "performance.md"
SETTINGS = REPOSITORY / "docs" / "settings.md"
STATUS = REPOSITORY / "docs" / "status.md"
TROUBLESHOOTING = REPOSITORY / "docs" / "troubleshooting.md"


def settings_table() -> str:
    """Give the table of the operator's settings, but for the nested ones, as Markdown."""
    nested = ("admission", "lease", "rendering")
    names = [name for name in OperatorSettings.model_fields if name not in nested]
    return _table("MODEL_OPERATOR_", OperatorSettings, names)


def lease_table() -> str:
    """Give the table of the Lease's settings as Markdown."""
    return _table("MODEL_OPERATOR_LEASE__", LeaseSettings)


def gateway_table() -> str:
    """Give the table of the gateway's settings, the nested ones included, as Markdown."""
    prefix = "MODEL_OPERATOR_GATEWAY_"
    nested: dict[str, type[BaseModel]] = {"identity": IdentitySettings, "proxy": ProxySettings}
    own = [name for name in GatewaySettings.model_fields if name not in nested]
    rows = [_table(prefix, GatewaySettings, own)]
    for name, model in nested.items():
        rows += _table(f"{prefix}{name.upper()}__", model).splitlines()[2:]
    return "\n".join(rows)


def limits_table() -> str:
    """Give the table of the settings that bound the webhooks' port as Markdown."""
    names = [name for name in AdmissionSettings.model_fields if name.startswith("max_")]
    return _table("MODEL_OPERATOR_ADMISSION__", AdmissionSettings, names)


def _table(prefix: str, settings: type[BaseModel], names: Iterable[str] | None = None) -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    descriptions = field_descriptions(settings)
    for name in settings.model_fields if names is None else names:
        field = settings.model_fields[name]
        default = (
            ""
            if field.default is None or field.is_required()
            else field.get_default(call_default_factory=True)
        )
        shown = f"`{default}`" if default not in ("", []) else ""
        # A description that is a wrapped docstring has line breaks, which would end the row.
        meaning = " ".join(descriptions.get(name, "").split())
        rows.append(f"| `{prefix}{name.upper()}` | {shown} | {meaning} |")
    return "\n".join(rows)


PARTS = {
    API: {
        "template": template_reference,
        "instance": instance_reference,
        "revision": revision_reference,
    },
    EVENTS: {"events": event_reasons_table},
    GATEWAY: {"settings": gateway_table, "metrics": lambda: metrics_table(gateway_metrics.METRICS)},
    METRICS: {"metrics": lambda: metrics_table(operator_metrics.METRICS)},
    PERFORMANCE: {
        "figures": performance.document,
        "neighbour": neighbour_performance.document,
        "roll-outs": rollouts_performance.document,
        "gateway": gateway_performance.document,
        "peers": peers_performance.document,
        "simulation": simulated_performance.document,
    },
    SETTINGS: {"settings": settings_table},
    STATUS: {"reasons": reasons_table},
    TROUBLESHOOTING: {"troubleshooting": troubleshooting_table},
    OPERATIONS: {"lease": lease_table, "limits": limits_table},
    GITOPS: {
        "instances": instance_verdicts,
        "templates": template_verdicts,
        "roll-outs": roll_out_verdicts,
    },
}
WHOLE = {CONFIG_MAP: config_map, **charts()}


def with_generated_parts(path: Path) -> str:
    """Give the text of a document with what stands between its markers made anew."""
    text = path.read_text()
    for name, make in PARTS[path].items():
        pattern = rf"(<!-- {name}: begin [^\n]*-->\n).*?(<!-- {name}: end -->)"
        text, count = re.subn(pattern, rf"\g<1>{make()}\n\g<2>", text, flags=re.DOTALL)
        if count != 1:
            raise LookupError(f"{path.name}: expected one pair of markers {name!r}, found {count}.")
    return text


def generated() -> dict[Path, str]:
    """Give the text of every document that has generated parts, and of every file made as a whole."""
    return {path: with_generated_parts(path) for path in PARTS} | {
        path: make() for path, make in WHOLE.items()
    }


def main(arguments: list[str]) -> int:
    """Write the documents, or with ``--check`` only tell whether they are up to date."""
    stale = {
        path: text for path, text in generated().items() if not path.exists() or path.read_text() != text
    }
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.name} is out of date: run make docs", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
