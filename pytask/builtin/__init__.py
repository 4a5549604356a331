"""pytask's own tasks: every worker runs them as supervised local runs."""

from pytask.builtin.cleanup import Cleanup
from pytask.builtin.monitor import Monitor
from pytask.builtin.scheduler import Scheduler

BUILTINS = (Monitor, Cleanup, Scheduler)

__all__ = ['BUILTINS', 'Cleanup', 'Monitor', 'Scheduler']
