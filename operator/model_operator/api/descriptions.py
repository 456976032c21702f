"""The descriptions of the fields of models: the docstrings below them.

They are read from the source when a schema or a document is made. pydantic's ``use_attribute_docstrings``
would read them whenever a class is defined, at each start of a program: a tenth of its processor time.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the descriptions of the fields of a model that have one, also of those of its bases, by name."""
    bases = [
        base for base in reversed(model.__mro__) if issubclass(base, BaseModel) and base is not BaseModel
    ]
    return {
        name: text for base in bases for name, text in _docstrings(base).items() if name in model.model_fields
    }


class DescribedSchema(GenerateJsonSchema):
    """Generates the JSON Schema of a model with the descriptions of its fields."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model."""
        generated = super().model_schema(schema)
        model = cast(type[BaseModel], schema["cls"])
        for name, text in field_descriptions(model).items():
            generated["properties"][model.model_fields[name].alias or name]["description"] = text
        return generated


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(cast(ast.ClassDef, definition).body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
