"""Requests of the platform's API as ModelInstances, and what is wrong with these by their template."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from model_operator.api import API_VERSION, LATEST, STABLE, ModelInstance
from model_operator.core.admission.identity import creator
from model_operator.core.gateway.failures import invalid
from model_operator.core.gateway.rest.api_refusals import LocOf, body_loc
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.core.gateway.rest.model_requests import NewModel, field_value, instance_name
from model_operator.core.gateway.rest.request_reading import shown_input, value_at
from model_operator.core.gateway.rest.shared_templates import may_be_namespace, stated_template
from model_operator.core.objects.ownership import MANAGED_BY, REST_MANAGER
from model_operator.core.planning.plan import model_type_violation
from model_operator.core.rendering.render import instance_faults
from model_operator.core.rollouts.course import is_decided_in_steps
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.templates.revisions.assignment import pinned_revision
from model_operator.core.values.limits import check_limits
from model_operator.core.values.violations import Loc, Violation, format_loc, sort_violations

Object = dict[str, Any]
"""A Kubernetes object as the API server sends it."""

MOST_VIOLATIONS: Final = 1000
"""Violations of one deployment's parameters that are reported: as many as there may be elements."""

_PARAMETERS: Final = "model_creation_parameters"
_TEMPLATE: Final = "model_template_id"
_TEMPLATE_KIND: Final = "model_template_kind"
_TEMPLATE_NAMESPACE: Final = "model_template_namespace"
_REVISION: Final = "model_template_revision"
_READ_TOGETHER: Final = frozenset({_PARAMETERS, "deployments", "model_vendor", _TEMPLATE})
"""Fields without which the others cannot be judged."""
_NIL_UID: Final = "00000000-0000-0000-0000-000000000000"
_NOT_NULL: Final = ("name", "model_type")
_ALIKE: Final = frozenset({"name", "account_id", _TEMPLATE})
"""Fields whose value in the object may differ from that in the request."""


def new_instance(request: NewModel, namespace: str, account: str, username: str) -> Object:
    """Return the ModelInstance for a request.

    Parameters
    ----------
    request
        The body; of a draft, what is valid of it.
    namespace
        Namespace of the account.
    account
        ``account_id`` as the client sent it; stored unless it is the namespace's own name.
    username
        Name of the caller at the API server, as a TokenReview says: the webhook records the same.
    """
    sent = request.model_fields_set
    given = {name: field_value(request, name) for name in NewModel.model_fields if name in sent}
    name = instance_name(given.get("name", "")) or "unnamed"
    spec = {field: value for field, value in given.items() if value is not None and field not in _ALIKE}
    if given.get("name", name) != name:
        spec["name"] = given["name"]
    if account != namespace:
        spec["account_id"] = account
    if given.get(_TEMPLATE) is not None:
        spec |= _template_fields(given[_TEMPLATE], namespace)
    return {
        "apiVersion": API_VERSION,
        "kind": ModelInstance.__name__,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY: REST_MANAGER},
            "annotations": creator(username),
        },
        "spec": spec,
    }


def patched_instance(live: Object, patch: Mapping[str, Any], account: str) -> Object:
    """Return a ModelInstance with the changes of a request, to replace the live one.

    A nested object is replaced as a whole, as on the platform. A new name changes ``spec.name`` alone: names
    of objects never change.

    Parameters
    ----------
    live
        The object as the API server has it; it stays as it is.
    patch
        Result of `model_operator.core.gateway.rest.model_requests.read_model_patch`.
    account
        ``account_id`` of the model in the API's answers.

    Raises
    ------
    Failure
        INVALID for another ``account_id``, and for a null of a required field.
    """
    metadata = live["metadata"]
    namespace = metadata.get("namespace", "")
    entries = [_required(name) for name in _NOT_NULL if name in patch and patch[name] is None]
    if "account_id" in patch and patch["account_id"] not in (account, namespace):
        entries.append(_immutable("account_id", patch["account_id"]))
    if entries:
        raise invalid(*entries)
    changed = copy.deepcopy(live)
    spec = changed.setdefault("spec", {})
    for field, value in patch.items():
        if field == "account_id":
            continue
        if field == _TEMPLATE:
            _set_template(spec, value, namespace)
        elif value is None or (field == "name" and value == metadata["name"]):
            spec.pop(field, None)
        else:
            spec[field] = copy.deepcopy(value)
    return changed


def template_entries(
    instance: Object, template: CompiledTemplate | None, loc_of: LocOf = body_loc
) -> tuple[Entry, ...]:
    """Return all that is wrong with a ModelInstance by itself and by its template, sorted by path.

    The same functions decide as in the webhook, which shows ten of them. What depends on the operator's own
    settings, such as the largest number of workers, is left to the webhook.

    Parameters
    ----------
    instance
        The object that is about to be written.
    template
        Its template; None when it has none. The caller reports one that does not exist. Of a template that is
        not valid itself nothing is checked: the instance will be deployed when it is mended. Nor is what runs
        another revision of the template, which the webhook knows.
    loc_of
        Where the request has a field of the object.
    """
    shown: dict[Loc, Any] = {}
    violations = sort_violations(_violations(instance, template))
    return tuple(_entry(violation, instance, loc_of, shown) for violation in violations)


def _violations(instance: Object, template: CompiledTemplate | None) -> Iterator[Violation]:
    metadata = {**instance["metadata"], "uid": instance["metadata"].get("uid") or _NIL_UID}
    spec = instance.get("spec")
    parsed, faults = parse_instance({**instance, "metadata": metadata})
    yield from faults
    if not isinstance(spec, dict):
        return
    yield from _beyond_limits(spec)
    left_out: set[str] = set()
    while faults:
        # What is wrong with one field is no reason to keep back what is wrong with the others.
        wrong = {str(fault.loc[1]) for fault in faults if fault.loc[:1] == ("spec",) and len(fault.loc) > 1}
        if not wrong - left_out or wrong & _READ_TOGETHER:
            return
        left_out |= wrong
        kept = {name: value for name, value in spec.items() if name not in left_out}
        parsed, faults = parse_instance({**instance, "metadata": metadata, "spec": kept})
        yield from (fault for fault in faults if fault.loc[1:2] and fault.loc[1] not in left_out)
    if template is None or template.violations:
        return
    entries = _entries_at(template, parsed)
    if not entries:
        return
    mismatch = model_type_violation(parsed, template)
    if mismatch is not None:
        yield mismatch
    yield from instance_faults(template, parsed, MOST_VIOLATIONS, entries)


def _entries_at(template: CompiledTemplate, instance: ModelInstance) -> set[str]:
    """Return the names of the entries of ``spec.deployments`` that run what the template is now.

    The others run another revision, or may: the webhook, which knows the revisions, judges them. The implied
    entry has an empty name, which also stands for an empty list.
    """
    bound = instance.status.template
    runs = None if bound is None else bound.revision
    pin, follows_stable = pinned_revision(instance), instance.spec.model_template_revision == STABLE
    if pin is not None:
        is_current = pin == template.revision
    elif is_decided_in_steps(instance, template):
        # A new one runs the stable revision while the roll-out is halted or paused. The status is that of the
        # last edit, so that after the roll-out the webhook judges more than it has to.
        has_other = template.resource.status.stable_revision not in (None, template.revision)
        is_new = runs is None and not follows_stable and not has_other
        is_current = runs == template.revision or is_new
    else:
        is_current = True
    entries = instance.spec.deployments or ()
    found = {
        each.name
        for each in entries
        if (each.model_template_revision in (LATEST, template.revision))
        or (is_current and each.model_template_revision is None)
    }
    return found if entries else {""} if is_current else set()


def _beyond_limits(spec: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield violations of limits that hold for every template."""
    yield from _limits(spec, ("spec",))
    entries = spec.get("deployments")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        yield from _limits(entry, ("spec", "deployments", index))


def _limits(holder: Any, loc: Loc) -> Iterable[Violation]:
    parameters = holder.get(_PARAMETERS) if isinstance(holder, Mapping) else None
    return check_limits(parameters, (*loc, _PARAMETERS)) if isinstance(parameters, Mapping) else ()


def _entry(violation: Violation, instance: Object, loc_of: LocOf, shown: dict[Loc, Any]) -> Entry:
    """Return a violation as an entry; `shown` has the inputs of earlier ones, since many may share one."""
    path = violation.loc
    loc = loc_of(path)
    if loc is None:
        return Entry((BODY,), f"{format_loc(path)}: {violation.msg}", violation.type)
    # As the platform has it, the input of a field that is missing is the object that lacks it.
    at = path[:-1] if violation.type == "missing" else path
    if at not in shown:
        shown[at] = shown_input(value_at(instance, at))
    return Entry(loc, violation.msg, violation.type, shown[at])


def _template_fields(template_id: str, namespace: str) -> dict[str, str]:
    """Return the fields of a specification that name a template, as the REST API names it."""
    home, slash, name = template_id.partition("/")
    if not slash or not name or not may_be_namespace(home):
        return {_TEMPLATE: template_id}
    named = {_TEMPLATE: name, _TEMPLATE_KIND: "ModelTemplate"}
    return named if home == namespace else {**named, _TEMPLATE_NAMESPACE: home}


def _set_template(spec: dict[str, Any], template_id: str | None, namespace: str) -> None:
    if template_id is not None and template_id == stated_template(spec):
        return
    # Kind and namespace are those of the template so far, and the REST API has no fields for them.
    for field in (_TEMPLATE, _TEMPLATE_KIND, _TEMPLATE_NAMESPACE):
        spec.pop(field, None)
    _drop_pins(spec, () if template_id is None else (LATEST, STABLE))
    if template_id is not None:
        spec |= _template_fields(template_id, namespace)


def _drop_pins(spec: dict[str, Any], kept: Collection[str]) -> None:
    """Remove the revisions that a model and its deployments name: they are those of another template."""
    entries = spec.get("deployments")
    for each in (spec, *(entries if isinstance(entries, list) else ())):
        if isinstance(each, dict) and each.get(_REVISION) not in (None, *kept):
            del each[_REVISION]


def _required(name: str) -> Entry:
    return Entry(
        (BODY, name),
        "must not be null: the field is required. Action (user): give a value, or leave the field out",
        "none_not_allowed",
        None,
    )


def _immutable(name: str, value: Any) -> Entry:
    message = (
        "cannot be changed, got another value. Action (user): leave the field out, or create a new model in "
        "the other account"
    )
    return Entry((BODY, name), message, "immutable", shown_input(value))
