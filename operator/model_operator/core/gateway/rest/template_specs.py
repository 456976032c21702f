"""Templates that requests create, as objects of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import API_VERSION, ModelTemplate
from model_operator.core.admission.identity import creator
from model_operator.core.gateway.rest.api_refusals import body_loc
from model_operator.core.gateway.rest.entries import ABSENT, BODY, Entry
from model_operator.core.gateway.rest.instance_specs import Object
from model_operator.core.gateway.rest.request_reading import shown_input, value_at
from model_operator.core.gateway.rest.template_requests import NewTemplate
from model_operator.core.objects.ownership import MANAGED_BY, REST_MANAGER
from model_operator.core.templates.parsing import parse_template


def new_template(request: NewTemplate, namespace: str, account: str, username: str) -> Object:
    """Return the ModelTemplate that a request wants.

    Parameters
    ----------
    request
        The request.
    namespace
        Namespace of the account.
    account
        The account as the request names it; kept where it is not the namespace's name.
    username
        The caller, who is its creator.
    """
    name = request.object_name
    spec = request.spec()
    if request.name != name:
        spec["name"] = request.name
    if account != namespace:
        spec["account_id"] = account
    return {
        "apiVersion": API_VERSION,
        "kind": ModelTemplate.__name__,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY: REST_MANAGER},
            "annotations": creator(username),
        },
        "spec": spec,
    }


def template_faults(template: Object, sent: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return what is wrong with a template, as its webhook would find it.

    Parameters
    ----------
    template
        The template as it would be written.
    sent
        The body of the request, from which the entries show the input.
    """
    entries = []
    for each in parse_template(template).violations:
        loc = body_loc(each.loc) or (BODY,)
        value = value_at(sent, loc[1:-1] if each.type == "missing" else loc[1:])
        entries.append(Entry(loc, each.msg, each.type, value if value is ABSENT else shown_input(value)))
    return tuple(entries)
