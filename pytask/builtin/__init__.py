"""pytask's own tasks: every worker runs them, supervised, as local runs."""

from pytask.builtin.cleanup import Cleanup
from pytask.builtin.monitor import Monitor

BUILTINS = (Monitor, Cleanup)

__all__ = ['BUILTINS', 'Cleanup', 'Monitor']
