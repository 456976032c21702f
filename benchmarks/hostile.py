"""Shows how long hostile schemas, values, templates and instances hold the event loop.

``make bench-hostile`` runs it.

The cases are those of the unit tests. Each is timed several times and the quickest is shown, since other
processes only ever add time; the exit status is 1 when one takes longer than is promised.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from model_operator.cli.inputs import kubernetes_schemas
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.reports import Report, ReportFormat, written
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import compile_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import InvalidObjectError
from tests.examples.hostile_files import SHAPES
from tests.examples.hostile_models import INSTANCES, TEMPLATES
from tests.examples.hostile_parameters import REFUSED_SCHEMAS, VALUES

PROMISED_MS = 50
REPEATS = 5
FILE_BYTES = 99_000
"""Size of the files that are validated; that takes longer, but holds no event loop."""


def cases() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Give for each case what it is, its name, and the call that handles it."""
    for name, (schema, _) in REFUSED_SCHEMAS.items():
        yield "schema", name, partial(_parse, schema)
    for name, (schema, given, _) in VALUES.items():
        parsed = parse_parameter_schema(schema, ())
        # What is compiled is kept for all instances of a template.
        validate_parameters(parsed, {}, ())
        yield "value", name, partial(validate_parameters, parsed, given, ())
    for name, (template, _) in TEMPLATES.items():
        yield "template", name, partial(compile_template, template)
    for name, (compiled, instance, _) in INSTANCES.items():
        yield "instance", name, partial(render, compiled, instance)


def _parse(schema: Any) -> None:
    with suppress(InvalidObjectError):
        parse_parameter_schema(schema, ())


def processor_seconds(call: Callable[[], Any]) -> float:
    """Give the processor's time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def milliseconds(call: Callable[[], Any]) -> float:
    """Give the time of the quickest of some calls."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def validated(text: str) -> None:
    """Check a file as `model-operator validate` does."""
    collection = collect(read_documents(text, "hostile.yaml"))
    written(
        Report(Checker(collection, RenderSettings(), kubernetes_schemas()).findings(), 1, 1, 0, "", ""),
        ReportFormat.TEXT,
    )


def print_files() -> None:
    """Print how long each shape of a hostile file takes, at one size and at twice that."""
    print(f"\n{'file':54} {'s':>7} {'twice':>7}")
    for name, shape in SHAPES.items():
        count = FILE_BYTES * 100 // len(shape(100))
        once, twice = (processor_seconds(partial(validated, shape(n * count))) for n in (1, 2))
        print(f"{name:54} {once:7.2f} {twice:7.2f}", flush=True)


def main() -> int:
    """Print the table; give the exit status."""
    late = 0
    print(f"{'':9} {'case':44} {'ms':>7}   promised: {PROMISED_MS} ms")
    for kind, name, call in cases():
        taken = milliseconds(call)
        late += taken > PROMISED_MS
        print(f"{kind:9} {name:44} {taken:7.2f}{'   too long' * (taken > PROMISED_MS)}", flush=True)
    print_files()
    print(f"{late} too long." if late else "All within what is promised.")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
