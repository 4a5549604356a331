"""The schedules that an app declares in code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.app.tasks import AppTasks
from pytask.authoring.decorator import as_task_class, task
from pytask.core.codec import encode
from pytask.core.names import RESERVED
from pytask.errors import ConfigError
from pytask.schedules.schedule import Declared, check_name
from pytask.schedules.triggers import Date, Every

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.schedules.triggers import Trigger


class AppSchedules(AppTasks):
    """The schedules of an app, and the decorators that declare them."""

    def __init__(self) -> None:
        super().__init__()
        self.schedules: dict[str, Declared] = {}

    def cron(
        self,
        crontab: str | None = None,
        /,
        *,
        tz: Any = None,
        data: dict[str, Any] | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        **fields: Any,
    ) -> Callable[[Any], Any]:
        """Decorate a task that starts by the clock: `@app.cron('*/5 * * * *', tz='Europe/Berlin')`.

        Crontab text has minute, hour, day, month and weekday (0 is Sunday); the day or the weekday must match.
        Fields, as in `@app.cron(month='6-8,11-12', day='3rd fri', hour='0-3')`, are `year`, `month`, `day`,
        `week`, `day_of_week` (0 is Monday), `hour`, `minute` and `second`; all must match. They need the extra
        `pytaskd[cron]`. Both forms take `start_date`, `end_date` and `jitter`, the most seconds a start may lag.

        `tz` (or `timezone`) is the name of a time zone, by default this machine's. `data` is the data of its runs,
        `args` gives the first inputs by position. `name` is the name of the schedule, by default the task's. Raises
        ConfigError, InputError.
        """
        from pytask.schedules.cron import Crontab, Fields

        zone = fields.pop('timezone', None) if tz is None else tz
        options = {key: fields.pop(key, None) for key in ('start_date', 'end_date', 'jitter')}
        if crontab is not None and fields:
            raise ConfigError(f'cron({crontab!r}) takes no fields besides: {", ".join(fields)}')
        trigger = Fields(fields, tz=zone, **options) if crontab is None else Crontab(crontab, tz=zone, **options)
        return lambda target: self._scheduled(target, trigger, data, name, args)

    def date(
        self,
        run_date: Any = None,
        tz: Any = None,
        args: Sequence[Any] = (),
        data: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> Callable[[Any], Any]:
        """Decorate a task that starts once: at a date (its midnight), a datetime, or ISO 8601 text of either.

        Without `run_date` it starts when a worker first declares it. If the date is past by then, it never starts
        and is shown as `missed`. The other arguments are as in `cron`.
        """
        trigger = Date(run_date, tz)
        return lambda target: self._scheduled(target, trigger, data, name, args)

    def every(
        self, seconds: float, data: dict[str, Any] | None = None, name: str | None = None, args: Sequence[Any] = ()
    ) -> Callable[[Any], Any]:
        """Decorate a task that starts every `seconds` seconds; the other arguments are as in `cron`."""
        trigger = Every(seconds)
        return lambda target: self._scheduled(target, trigger, data, name, args)

    def add_schedule(
        self,
        task: Any,
        trigger: Trigger,
        data: dict[str, Any] | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
    ) -> None:
        """Add a task to the app with a schedule, without a decorator.

        Repeating the call changes nothing. Raises ConfigError if another schedule has the name, and InputError for
        data that the task does not take.
        """
        task_class = self.add_task(task)
        name = task_class.NAME if name is None else name
        wrong = check_name(name)
        if wrong:
            raise ConfigError(wrong)
        if task_class.NAME.startswith(RESERVED):
            raise ConfigError(f"{task_class.NAME} is one of pytask's own tasks; every worker runs it already")
        inputs = self.registry.inputs(task_class)
        given = inputs.named(args, data)
        inputs.bind(given)
        declared = Declared(name, task_class.NAME, task_class.QUEUE, encode(given), trigger)
        known = self.schedules.setdefault(name, declared)
        if known[:4] != declared[:4] or known.trigger_text != declared.trigger_text:
            raise ConfigError(f'two schedules are named {name!r}; give one of them another name with name=…')

    def _scheduled(
        self, target: Any, trigger: Trigger, data: dict[str, Any] | None, name: str | None, args: Sequence[Any]
    ) -> Any:
        made = task(target) if as_task_class(target) is None else target
        self.add_schedule(made, trigger, data, name, args)
        return made
