"""Many at once, on one event loop: a light upstream and light devices."""

import asyncio
import threading

OFFER = b"250-mail.example.test\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"
REPLIES = {b"EHLO": OFFER, b"AUTH": b"235 2.7.0 ok\r\n", b"MAIL": b"250 2.1.0 ok\r\n", b"RCPT": b"250 2.1.5 ok\r\n", b"DATA": b"354 go\r\n",
           b"RSET": b"250 2.0.0 ok\r\n", b"QUIT": b"221 2.0.0 bye\r\n"}


class CrowdUpstream:
    """Takes everything from everybody, and counts."""

    def __init__(self, context, describe):
        self.host, self.tls = "127.0.0.1", "implicit"
        self.server_name, self.ca_file, self.username, self.password = describe
        self.messages = []
        self.open = self.most_open = 0
        self.versions = set()
        self._context = context
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)

        async def listen():
            server = await asyncio.start_server(self._serve, self.host, 0, ssl=self._context, backlog=4096,
                                                ssl_handshake_timeout=120)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        self._loop.run_until_complete(listen())
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        self.versions.add(writer.get_extra_info("ssl_object").version())
        try:
            writer.write(b"220 mail ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                writer.write(REPLIES[verb])
                if verb == b"DATA":
                    self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 2.0.0 queued\r\n")
                if verb == b"QUIT":
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)


async def expect(reader, code):
    """One reply, of that code."""
    line = await reader.readline()
    while line[3:4] == b"-":
        line = await reader.readline()
    assert line.startswith(code), line


async def gather(count, at_once, make):
    """make(n) for each n < count, some of them at a time; all must succeed."""
    gate = asyncio.Semaphore(at_once)

    async def one(number):
        async with gate:
            return await make(number)

    return await asyncio.gather(*(one(number) for number in range(count)))
