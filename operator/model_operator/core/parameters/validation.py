"""Check the parameters of an instance against its template's schema.

Webhook, reconciler and command line all use this one function. Codes and messages never hold the value of a
parameter. If pydantic has a code for the violation, it is pydantic's, as on the platform.

============================================ ===================================================
``missing``                                  a required parameter or field is missing
``extra_forbidden``                          a parameter or field is not declared
``string_type`` ``int_type`` ``float_type``  the value has another type; ``type`` if several types are
``bool_type`` ``list_type`` ``dict_type``    allowed
``none_required`` ``type``
``enum``                                     the value is not in the list of allowed values
``greater_than_equal`` ``less_than_equal``   a number is out of bounds
``greater_than`` ``less_than``
``multiple_of``                              a number is not a multiple of ``multipleOf``
``string_too_short`` ``string_too_long``     a string's length in characters is out of bounds
``string_pattern_mismatch``                  a string does not match ``pattern``
``string_format``                            a string does not have the ``format``
``too_short`` ``too_long``                   a list or an object has too few or too many members
``not_unique``                               a list's item repeats an earlier one
``any_of`` ``one_of``                        no alternative fits, or more than one of ``oneOf``
``not_allowed``                              ``not`` excludes the value
``too_many_elements`` ``too_large``          the limits of `model_operator.core.values.limits`
``too_deep`` ``string_too_large``
``key_too_long`` ``int_out_of_range``
``finite_number`` ``invalid_string``
``json_type``
``too_complex`` ``not_checkable``            the check would take too long, or failed
============================================ ===================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.parameters.schemas.defaults import with_defaults
from model_operator.core.parameters.schemas.evaluation import Evaluation
from model_operator.core.values.limits import MAX_VIOLATIONS, check_limits
from model_operator.core.values.violations import Loc, Violation, sort_violations
from model_operator.core.values.words import noun


def validate_parameters(
    schema: ParameterSchema,
    given: Mapping[str, Any] | None,
    loc: Loc,
    evaluation: Evaluation | None = None,
    most: int = MAX_VIOLATIONS,
) -> tuple[dict[str, Any], tuple[Violation, ...]]:
    """Apply the defaults and check the values. Never raises; takes less than 50 ms, whatever the input.

    Parameters
    ----------
    schema
        The template's parameters.
    given
        The instance's parameters by name. A parameter that is null counts as set.
    loc
        Path of the parameters, such as ``("spec", "model_creation_parameters")``.
    evaluation
        An evaluation of this schema, whose budget several checks share. Default: a new one.
    most
        Maximum number of violations of the schema.

    Returns
    -------
    values : dict
        A canonical copy of the parameters with defaults applied: keys sorted, ``1.0`` as ``1``. Empty if they
        exceed the limits. Returned also if they are invalid, so that a caller can show them.
    violations : tuple of Violation
        The first `most` violations, sorted by path; empty if the values are valid.
    """
    if given is not None and not isinstance(given, Mapping):
        return {}, (Violation(loc, f"must be an object, got {noun(given)}", "dict_type"),)
    given = {} if given is None else given
    too_large = check_limits(given, loc)
    if too_large:
        return {}, sort_violations(too_large)
    values: dict[str, Any] = with_defaults(schema.schema, given)
    too_large = check_limits(values, loc) if values != given else ()
    if too_large:
        return {}, sort_violations(too_large)
    violations = islice(schema.evaluator.violations(values, loc, evaluation=evaluation), most)
    return values, sort_violations(violations)
