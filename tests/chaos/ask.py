"""Plain commands to Redis, directly, that may fail: None then. No retries, so that nothing is asked twice."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class Ask:
    def __init__(self, port, timeout_s):
        self._redis = redis.Redis(
            port=port, decode_responses=True, protocol=2, retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_s, socket_connect_timeout=timeout_s,
        )  # fmt: skip

    def __call__(self, *command):
        try:
            return self._redis.execute_command(*command)
        except redis.RedisError:
            return None

    def hashes(self, run_ids, fields):
        """Return some fields of each run's hash; None where Redis did not answer."""
        pipe = self._redis.pipeline(transaction=False)
        for run_id in run_ids:
            pipe.hmget(f'task-{run_id}', fields)
        try:
            return pipe.execute()
        except redis.RedisError:
            return None

    def pubsub(self):
        return self._redis.pubsub()

    def close(self):
        self._redis.close()
