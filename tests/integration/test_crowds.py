"""Many sessions at once."""

import asyncio

import pytest

from support.certificates import NAME
from support.crowd import CrowdUpstream, expect, gather
from support.net import wait_until
from support.proxy import sanitized
from support.servers import PASSWORD, USER

pytestmark = pytest.mark.slow


@pytest.fixture
def crowd(authority, certificate):
    made = CrowdUpstream(certificate.server_context(), (NAME, authority.ca_file, USER, PASSWORD))
    yield made
    made.close()


def limits(count):
    return {"max_sessions": count + 100, "max_sessions_per_client": count + 100}


def test_two_thousand_tls13_sessions_at_once(waxseal, crowd):
    """All of them are in their body at the same time; then each message goes through, once."""
    count = 2000
    patience = {"tls_handshake": "3m", "connect": "3m", "queue": "3m"}
    proxy = waxseal(crowd, {"max_connections": count}, limits=limits(count), timeouts=patience, log_level="info")

    async def begin(_number):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await expect(reader, b"220")
        for command, code in [(b"EHLO x", b"250"), (b"MAIL FROM:<a@example.test>", b"250"), (b"RCPT TO:<b@example.test>", b"250"), (b"DATA", b"354")]:
            writer.write(command + b"\r\n")
            await expect(reader, code)
        return reader, writer

    async def everybody():
        pairs = await gather(count, 200, begin)
        wait_until(lambda: crowd.open == count)  # one that was kept may be on its way out, for another worker's place
        for number, (_, writer) in enumerate(pairs):
            writer.write(b"Subject: %d\r\n\r\nHello.\r\n.\r\n" % number)
        for reader, writer in pairs:
            await expect(reader, b"250")
            writer.close()

    asyncio.run(everybody())
    subjects = sorted(int(content.split(b"\r\n")[0].split(b" ")[1]) for content in crowd.messages)
    assert subjects == list(range(count))
    assert crowd.versions == {"TLSv1.3"}
    wait_until(lambda: crowd.open == 0, 60, "all upstream connections to end")


def test_five_thousand_idle_sessions(waxseal, crowd, capsys):
    """What each costs is printed; none leaves a descriptor or memory behind."""
    count = 5000
    proxy = waxseal(crowd, {"idle_timeout": "1s"}, limits=limits(count), log_level="info")
    proxy.wait_event("upstream_ready")
    wait_until(lambda: crowd.open == 0)

    async def begin(_number):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await expect(reader, b"220")
        writer.write(b"EHLO x\r\n")
        await expect(reader, b"250")
        return reader, writer

    async def everybody():
        pairs = await gather(count, 500, begin)
        used = proxy.memory(), proxy.descriptors()
        for reader, writer in pairs[:: count // 10]:  # they live
            writer.write(b"NOOP\r\n")
            await expect(reader, b"250")
        for _, writer in pairs:
            writer.close()
        return used

    descriptors, memory = proxy.descriptors(), proxy.memory()
    used_memory, used_descriptors = asyncio.run(everybody())
    each = (used_memory - memory) / count
    with capsys.disabled():
        print(f"\n{count} idle sessions: {each:.1f} KiB resident each")
    assert used_descriptors >= descriptors + count
    wait_until(lambda: proxy.descriptors() <= descriptors, 60, "descriptors to be closed")
    if not sanitized():
        assert each <= 16

    asyncio.run(everybody())  # a second wave fits into the memory of the first
    wait_until(lambda: proxy.descriptors() <= descriptors, 60, "descriptors to be closed")
    if not sanitized():
        assert proxy.memory() - used_memory < 4096
