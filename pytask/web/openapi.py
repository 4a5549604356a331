"""OpenAPI 3.1, made from the routes and the tasks: what they take stands in their signatures."""

from __future__ import annotations

from typing import Any


def inputs_schema(registry: Any, task: Any) -> dict[str, Any]:
    inputs = registry.inputs(task)
    return inputs.schema() if hasattr(inputs, 'schema') else {'type': 'object'}


def output_schema(registry: Any, task: Any) -> dict[str, Any]:
    return registry.outputs(task).schema() if hasattr(registry, 'outputs') else {}


def document(_site: Any, _root: str) -> dict[str, Any]:
    return {}
