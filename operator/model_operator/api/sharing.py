"""With which namespaces a template is shared: ``allowed_namespaces`` of both kinds of template."""

# ruff: noqa: N815 -- the names of fields are those on the wire, camelCase where Kubernetes defines them

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from model_operator.api.enums import NamespacesFrom, SelectorOperator
from model_operator.api.meta import ApiModel
from model_operator.api.rules import ATOMIC, Rule
from model_operator.api.service import LABEL_KEYS, LABEL_VALUES, is_child_label_value, is_label_key
from model_operator.api.values import namespace_pattern_rule

_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"

NamespacePatterns = Annotated[
    list[
        Annotated[
            str,
            Field(min_length=1, max_length=63),
            namespace_pattern_rule("team-*"),
        ]
    ],
    Field(min_length=1, max_length=64),
    ATOMIC,
]
"""Names of namespaces, or patterns with ``*`` and ``?``."""


class LabelRequirement(ApiModel):
    """A requirement on one label."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "give values with the operators In and NotIn, and none with Exists and DoesNotExist",
            lambda requirement: requirement.operator.takes_values == bool(requirement.values),
            field="values",
        ),
    )

    key: Annotated[
        str,
        Field(min_length=1, max_length=317),
        Rule(
            f"self.matches('{_KEY}')",
            "must be the key of a label: a name of at most 63 letters, digits, '-', '_' and '.', with an "
            "optional domain and '/' before it",
            is_label_key,
        ),
    ]
    """Key of the label."""
    operator: SelectorOperator
    """In: the label has one of `values`. NotIn: it has none of them, or is missing. Exists: it is there.
    DoesNotExist: it is missing."""
    values: (
        Annotated[
            list[
                Annotated[
                    str,
                    Field(max_length=63),
                    Rule(
                        f"self.matches('{_VALUE}')",
                        "must be empty or have at most 63 letters, digits, '-', '_' and '.', with a letter "
                        "or digit at both ends",
                        is_child_label_value,
                    ),
                ]
            ],
            Field(max_length=64),
            ATOMIC,
        ]
        | None
    ) = None
    """Values of the label; required with In and NotIn, and absent with the other operators."""


class LabelSelector(ApiModel):
    """Kubernetes LabelSelector: labels that an object has; all of its requirements must be met."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
            "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "must have matchLabels or matchExpressions; to select all namespaces, remove the selector and "
            "set from: All",
            lambda selector: bool(selector.matchLabels or selector.matchExpressions),
        ),
    )

    matchLabels: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16), LABEL_KEYS, LABEL_VALUES
        ]
        | None
    ) = None
    """Labels with their values, all of which the namespace has."""
    matchExpressions: Annotated[list[LabelRequirement], Field(max_length=16), ATOMIC] | None = None
    """Requirements on labels, all of which the namespace meets."""


class AllowedNamespaces(ApiModel):
    """Namespaces whose instances may use the template; those of its own namespace always may."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.from != 'Selected' || has(self.names) || has(self.selector)",
            "Selected needs names, selector or both: they say which namespaces are selected",
            lambda allowed: (
                allowed.from_ is not NamespacesFrom.SELECTED
                or allowed.names is not None
                or allowed.selector is not None
            ),
            field="from",
        ),
        Rule(
            "!has(self.names) || self.from == 'Selected'",
            "names have no effect with this value of from; set from: Selected, or remove them",
            lambda allowed: allowed.names is None or allowed.from_ is NamespacesFrom.SELECTED,
            field="names",
        ),
        Rule(
            "!has(self.selector) || self.from == 'Selected'",
            "the selector has no effect with this value of from; set from: Selected, or remove it",
            lambda allowed: allowed.selector is None or allowed.from_ is NamespacesFrom.SELECTED,
            field="selector",
        ),
    )

    from_: Annotated[NamespacesFrom, Field(alias="from")]
    """Same: the template's own namespace only. All: every namespace. Selected: those that `names` or
    `selector` select."""
    names: NamespacePatterns | None = None
    """Names of namespaces, or patterns with `*` and `?`, such as `team-*`. With `selector`, a namespace that
    one of the two selects is allowed."""
    selector: LabelSelector | None = None
    """Labels of namespaces. Needs the permission to list and watch namespaces, without which it selects none;
    the condition `Shared` of the template reports that."""


NOT_SAME = Rule(
    "!has(self.spec.allowed_namespaces) || self.spec.allowed_namespaces.from != 'Same'",
    "must be All or Selected: a ClusterModelTemplate has no namespace of its own",
    lambda template: (
        template.spec.allowed_namespaces is None
        or template.spec.allowed_namespaces.from_ is not NamespacesFrom.SAME
    ),
    field="spec.allowed_namespaces.from",
)
"""A rule on a ClusterModelTemplate."""
