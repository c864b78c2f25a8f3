"""A proxy whose connections can all be broken at any moment."""

import asyncio
import contextlib
import threading


class Breakable:
    """Forwards to `port`; `cut()` resets every connection that has carried a web socket."""

    def __init__(self, port):
        self._far = port
        self._loop = asyncio.new_event_loop()
        self._ends = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.broken = 0
        self.port = 0

    def __enter__(self):
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._server.close)
        self.cut()
        self._run(asyncio.sleep(0.1))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def cut(self):
        async def cut():
            for end in list(self._ends):
                end.transport.abort()
                self.broken += 1

        self._run(cut())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        pipes = [
            asyncio.create_task(self._pipe(reader, far_writer, (writer, far_writer))),
            asyncio.create_task(self._pipe(far_reader, writer, ())),
        ]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        for end in (writer, far_writer):
            self._ends.discard(end)
            with contextlib.suppress(OSError):
                end.close()

    async def _pipe(self, reader, writer, ends):
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                if ends and b"Upgrade: websocket" in data:
                    self._ends.update(ends)
                writer.write(data)
                await writer.drain()
