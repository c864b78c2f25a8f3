"""A proxy that cuts its connections after a number of bytes, in the middle of anything."""

import asyncio
import contextlib


class CuttingProxy:
    """Forwards to `port`; the n-th connection breaks after `cuts[n]` bytes, both ways together."""

    def __init__(self, port, cuts):
        self._port = port
        self._cuts = list(cuts)
        self._server = None
        self.connections = 0
        self.port = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        budget = [self._cuts[self.connections] if self.connections < len(self._cuts) else None]
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        pipes = [
            asyncio.create_task(_pipe(reader, far_writer, budget)),
            asyncio.create_task(_pipe(far_reader, writer, budget)),
        ]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        if budget[0] == 0:
            # Reset, so that what was on its way is lost as on a broken line.
            writer.transport.abort()
            far_writer.transport.abort()
        else:
            await asyncio.wait(pipes, timeout=1)
            for end in (writer, far_writer):
                with contextlib.suppress(OSError):
                    end.close()
        for pipe in pipes:
            pipe.cancel()


async def _pipe(reader, writer, budget):
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            if budget[0] is not None:
                data = data[: budget[0]]
                budget[0] -= len(data)
            writer.write(data)
            await writer.drain()
            if budget[0] == 0:
                return
        writer.close()
