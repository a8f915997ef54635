"""A TCP relay between the proxy and an upstream: a network path that takes time, forgets connections, and remembers who spoke
when."""

import asyncio
import threading


class Link:
    """One connection through the relay. flights: how often the proxy has begun to speak, at first or after the upstream has."""

    def __init__(self):
        self.flights = 0
        self.forgotten = False
        self._last = None

    def note(self, way):
        self.flights += way == "up" != self._last
        self._last = way

    def forget(self):
        """As a firewall that has lost its state and says nothing: from now on no octet and no end gets through. (The octets are
        confirmed all the same: what that hides, a test with a network of its own has to show.)"""
        self.forgotten = True


class Relay:
    """delay: seconds, for each direction; the order stays."""

    def __init__(self, port, host="127.0.0.1", delay=0):
        self._to, self._delay = (host, port), delay
        self.links = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(20)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _listen(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        link = Link()
        self.links.append(link)
        await asyncio.gather(self._forward(link, "up", reader, far_writer), self._forward(link, "down", far_reader, writer))
        if not link.forgotten:
            writer.close()
            far_writer.close()

    async def _forward(self, link, way, reader, writer):
        """Reading and delivering are apart, so that what follows is not late twice."""
        under_way = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(link, under_way, writer))
        octets = b"?"
        while octets:
            try:
                octets = await reader.read(65536)
            except ConnectionError:
                octets = b""
            if link.forgotten:
                continue
            if octets:
                link.note(way)
            under_way.put_nowait((self._loop.time() + self._delay, octets))
        if link.forgotten:
            delivery.cancel()
        else:
            await delivery

    async def _deliver(self, link, under_way, writer):
        try:
            while True:
                due, octets = await under_way.get()
                await asyncio.sleep(due - self._loop.time())
                if link.forgotten:
                    continue
                if not octets:
                    return writer.write_eof()
                writer.write(octets)
                await writer.drain()
        except (OSError, RuntimeError):  # either end has gone
            return writer.transport.abort()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
