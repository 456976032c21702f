"""Deleting an instance in the foreground returns when nothing of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.models import instance, template

if TYPE_CHECKING:
    from tests.e2e.models import Models

CHILDREN = "deployments,replicasets,pods,services,horizontalpodautoscalers,poddisruptionbudgets"


def test_foreground_deletion_returns_and_leaves_nothing(models: Models) -> None:
    scaled = template(models.image, "scaled")
    scaled["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 1, "max_workers": 2}
    models.apply(scaled, instance("passing", "scaled"))
    models.wait_until_ready("passing")
    selector = "--selector=modeloperator.dev/instance=passing"
    before = models.kubectl("get", CHILDREN, selector, "--output=name").split()
    kinds = {name.partition("/")[0] for name in before}

    words = ("delete", "modelinstance", "passing", "--cascade=foreground", "--timeout=120s")
    said = models.kubectl(*words, timeout=150)

    assert said.startswith('modelinstance.modeloperator.dev "passing" deleted')
    assert kinds == {
        "deployment.apps",
        "replicaset.apps",
        "pod",
        "service",
        "horizontalpodautoscaler.autoscaling",
        "poddisruptionbudget.policy",
    }
    assert models.kubectl("get", CHILDREN, selector, "--output=name") == ""
    slices = "--selector=kubernetes.io/service-name=passing"
    assert models.kubectl("get", "endpointslices", slices, "--output=name") == ""
    models.kubectl("delete", "modeltemplate", "scaled")
