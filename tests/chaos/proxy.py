"""A TCP proxy whose network can be cut, stalled or slowed: what stands between the workers and Redis or Kafka in the chaos runs.

It needs no privilege and no kernel module, so that the runs are the same on every machine.
"""
import asyncio
import threading


class Proxy:
    """127.0.0.1:port → 127.0.0.1:target, in a thread of its own. mode is "open", "cut" or "stalled"; delay is in seconds each way."""

    def __init__(self, target, port=0):
        self.target, self.port = target, port
        self.mode, self.delay, self.connections = "open", 0.0, 0
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        self.go_on = None
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        assert ready.wait(10), "the proxy does not listen"

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.go_on = asyncio.Event()
        self.go_on.set()
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        self.connections += 1
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self.writers |= pair
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer), return_exceptions=True)
        self.writers -= pair
        for one in pair:
            one.transport.abort()

    async def _pump(self, reader, writer):
        while True:
            data = await reader.read(65536)
            if not data:
                writer.close()
                return
            await self.go_on.wait()
            if self.delay > 0:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()

    def _set(self, mode):
        self.mode = mode
        if mode == "stalled":
            self.go_on.clear()
        else:
            self.go_on.set()
        if mode == "cut":
            for writer in list(self.writers):
                writer.transport.abort()

    def cut(self):
        """Break every connection, refuse new ones."""
        self.loop.call_soon_threadsafe(self._set, "cut")

    def stall(self):
        """Keep the connections, let nothing through."""
        self.loop.call_soon_threadsafe(self._set, "stalled")

    def open(self):
        self.delay = 0.0
        self.loop.call_soon_threadsafe(self._set, "open")

    def close(self):
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
