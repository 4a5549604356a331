"""Parameter objects, for tasks that declare their inputs one by one: `from pytask.params import String`."""

from __future__ import annotations

from pytask.schema.params import Boolean, Dict, Float, Int, List, Number, Parameter, String

__all__ = ['Boolean', 'Dict', 'Float', 'Int', 'List', 'Number', 'Parameter', 'String']
