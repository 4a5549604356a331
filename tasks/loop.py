"""loop: do something at regular intervals until stopped; here, measure how full a disk is.

    pytask start loop --id disk path=/var every=60
    pytask send disk every seconds=5        # a new interval, from now on
    pytask ask disk status                  # {"looks": 12, "used_percent": 71.3, "every": 5.0}
    pytask reload disk --data '{"path": "/home", "every": 60}'      # a new instance takes the run over
    pytask stop disk

Worth learning from: replace `look` with your own work, and you have a service. Its data survives crashes
and deploys; changes made by a message live in memory, and end with the instance.
"""

import shutil

from pytask import Task

LONGEST_S = 24 * 60 * 60


class Loop(Task):
    """Emit `disk` with `path`, `used_percent` and `free_bytes`, `times` times; 0 means forever."""

    NAME = 'loop'
    DEMO = {'every': 0.2, 'times': 3}

    def __init__(self, path: str = '.', every: float = 10, times: int = 0) -> None:
        self.path, self.times = path, times
        self.every_s = self.checked(every)
        self.looks, self.used_percent = 0, None
        self.ticker = None

    def start(self) -> dict[str, object]:
        while not self.stopping.is_set() and not self.is_enough():
            self.ticker = self.spawn(self.tick)
            self.ticker.get()  # waits, and raises the errors of `tick`
        return self.on_status()

    def stop(self) -> None:
        """Do nothing: `every` ends by itself when the run is told to stop.

        Without this method the run would be interrupted wherever it is, and have no output.
        """

    def tick(self) -> None:
        for _ in self.every(self.every_s):  # without drift: the time that `look` takes does not add up
            self.look()
            if self.is_enough():
                return

    def look(self) -> None:
        # At least once: if its worker dies, the run starts again, and may repeat the last call. Here that is
        # harmless; if you write or send something, make a repeated call notice the first one.
        try:
            disk = self.offload(shutil.disk_usage, self.path)  # in a thread: a network disk may be slow
        except OSError as error:
            raise self.Error(f'cannot measure {self.path}: {error.strerror}') from error
        self.looks, self.used_percent = self.looks + 1, round(100 * disk.used / max(disk.total, 1), 1)
        self.emit('disk', {'path': self.path, 'used_percent': self.used_percent, 'free_bytes': disk.free})
        self.progress(self.looks, target=self.times or None)

    def is_enough(self) -> bool:
        return 0 < self.times <= self.looks

    def on_every(self, seconds: float) -> None:
        self.every_s = self.checked(seconds)
        if self.ticker is not None:
            self.ticker.kill(block=False)  # `start` continues with a new one

    def on_status(self) -> dict[str, object]:
        return {'looks': self.looks, 'used_percent': self.used_percent, 'every': self.every_s}

    def checked(self, seconds: float) -> float:
        if not 0.01 <= seconds <= LONGEST_S:
            raise self.Error(f'every must be from 10 ms to one day, not {seconds:g} s')
        return seconds
