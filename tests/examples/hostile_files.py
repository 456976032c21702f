"""Files that are made to keep the command line busy, or to end it; each has as many lines as wanted."""

from __future__ import annotations

from collections.abc import Callable

HEAD = "apiVersion: modeloperator.dev/v1alpha1\n"
INSTANCE = f"{HEAD}kind: ModelInstance\nmetadata: {{name: a}}\nspec:\n  model_template_id: encoder\n"
TEMPLATE = (
    f"{HEAD}kind: ModelTemplate\nmetadata: {{name: encoder}}\nspec:\n  model_type: EMBEDDING\n"
    "  vendor_configuration:\n    bundle_config: {registry: registry.test, image: encoder, tag: v1}\n"
)


def lines(form: str) -> Callable[[int], str]:
    return lambda count: "".join(form.replace("#", str(number)) for number in range(count))


def after(beginning: str, form: str) -> Callable[[int], str]:
    return lambda count: beginning + lines(form)(count)


SHAPES: dict[str, Callable[[int], str]] = {
    "unknown fields of the spec": after(INSTANCE, "  f#: 1\n"),
    "unknown fields of the object": after(INSTANCE, "f#: 1\n"),
    "unknown fields that are nearly known ones": after(INSTANCE, "  model_template_i#: 1\n"),
    "unknown fields of metadata": after(
        f"{HEAD}kind: ModelInstance\nspec: {{}}\nmetadata:\n  name: a\n", "  f#: 1\n"
    ),
    "wrong labels": after(f"{HEAD}kind: ModelInstance\nmetadata:\n  name: a\n  labels:\n", "    f#: [1]\n"),
    "a key again and again": after(INSTANCE, "  f: 1\n"),
    "unknown fields of a pod": after(f"{TEMPLATE}  pod_template:\n    spec:\n", "      f#: 1\n"),
    "wrong containers": after(
        f"{TEMPLATE}  pod_template:\n    spec:\n      containers:\n", "      - {name: c#, imag: x}\n"
    ),
    "wrong deployments": after(f"{INSTANCE}  deployments:\n", "  - {nam: a#}\n"),
    "parameters that nothing declares": after(
        f"{TEMPLATE}---\n{INSTANCE}  model_creation_parameters:\n", "    F#: 1\n"
    ),
    "instances": lines(f"---\n{INSTANCE.replace('name: a', 'name: a#')}"),
    "the same instance": lines(f"---\n{INSTANCE}"),
    "templates": lines(f"---\n{TEMPLATE.replace('name: encoder', 'name: e#')}"),
    "objects of no kind": lines("---\napiVersion: modeloperator.dev/v1alpha1\nkind: ModelInstanc\n"),
    "anchors": after("", "k#: &a# x\nl#: *a#\n"),
    "merges": after("a:\n", "  <<: {k#: 1}\n"),
    "fields that come by merges": after(f"{INSTANCE}  <<:\n", "  - {f#: 1}\n"),
}
