"""A TCP proxy per worker, all in this one process: what lies between a worker and its Redis.

    chaos_proxy.py TARGET_PORT HOW_MANY

Prints the ports as one JSON list. Obeys lines on stdin, ends with it: `WHICH pass`, `WHICH cut`,
`WHICH cut_reply N` (the next N answers are lost with their connections, after the server has done what
it was asked), `WHICH hole` (nothing comes through; what was sent meanwhile arrives late, as with lost
packets), `WHICH deaf` (only answers do not come through), `WHICH delay SECONDS` (of every answer).
"""

import asyncio
import json
import sys


class Proxy:
    def __init__(self, target):
        self.target = target
        self.requests, self.replies = asyncio.Event(), asyncio.Event()
        self.writers = set()
        self.obey('pass')

    def obey(self, what, number='0'):
        self.delay_s = float(number) if what == 'delay' else 0.0
        self.cuts = int(number) if what == 'cut_reply' else 0
        _open(self.requests, what != 'hole')
        _open(self.replies, what not in ('hole', 'deaf'))
        if what == 'cut':
            for writer in self.writers:
                writer.transport.abort()

    async def serve(self, reader, writer):
        pair = {writer}
        try:
            server_reader, server_writer = await asyncio.open_connection('127.0.0.1', self.target)
            pair.add(server_writer)
            self.writers |= pair
            await asyncio.gather(
                self._pump(reader, server_writer, self._request), self._pump(server_reader, writer, self._reply)
            )
        except OSError:
            pass
        finally:
            self.writers -= pair
            for end in pair:
                end.transport.abort()

    async def _pump(self, reader, writer, may_pass):
        try:
            while chunk := await reader.read(65536):
                await may_pass()
                writer.write(chunk)
                await writer.drain()
            await may_pass()
        finally:
            writer.close()  # what is in its buffer still leaves

    async def _request(self):
        await self.requests.wait()

    async def _reply(self):
        await self.replies.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.cuts:
            self.cuts -= 1
            raise ConnectionAbortedError


def _open(gate, is_open):
    gate.set() if is_open else gate.clear()


async def main(target, count):
    proxies = [Proxy(target) for _ in range(count)]
    servers = [await asyncio.start_server(proxy.serve, '127.0.0.1', 0) for proxy in proxies]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        which, *order = line.decode().split()
        proxies[int(which)].obey(*order)


if __name__ == '__main__':
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
