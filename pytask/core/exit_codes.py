"""The exit codes of every command. 69, 70, 75 and 78 are those of sysexits.h; 130 is a shell's for Ctrl-C."""

EXIT_OK = 0
EXIT_FAILED = 1  # the run ended ERROR or EXCEPTION, or the command was refused
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_TIMED_OUT = 4
EXIT_STOPPED = 5
EXIT_UNAVAILABLE = 69  # Redis is unreachable, or does not serve
EXIT_BROKEN = 70  # a worker hung, or one of its services keeps crashing
EXIT_RESTART = 75  # start me again
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
