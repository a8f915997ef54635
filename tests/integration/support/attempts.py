"""One attempt to send through a proxy whose upstream misbehaves, and what must be true afterwards."""

from .messages import message


def attempt(proxy, expected, content=message("first"), retry=True):
    """One transaction that must end with that status (or one of those); then, on the same session, one that must
    succeed when the script has run out."""
    with proxy.client(timeout=60) as client:
        client.ehlo()
        reply = client.transaction(content)
        assert reply.status in ((expected,) if isinstance(expected, str) else expected), reply
        assert client.command("RSET").status == "250 2.0.0"
        if retry:
            assert client.transaction(message("second")).code == 250
        client.quit()
    return reply


def nothing_leaked(upstream):
    for secret in (b"AUTH", b"MAIL", b"RCPT", b"DATA", b"Subject"):
        assert secret not in upstream.in_clear


def not_completed(upstream, text=b"first"):
    """No connection brought an end mark behind that content."""
    for peer in upstream.peers:
        at = peer.wire.inside.find(text)
        assert at < 0 or b"\r\n.\r\n" not in peer.wire.inside[at:] or b"second" in peer.wire.inside[at:]
    assert not any(text in sent.content for sent in upstream.messages)
