"""End-of-data variants over the wire (SMTP smuggling). Only CRLF "." CRLF ends a message; whatever comes in, every kind of
lenient server must find in what went upstream the number of messages that the proxy confirmed."""

import pytest

from support.messages import messages_seen

FIRST = b"Subject: first\r\n\r\nfirst message"
SMUGGLED = b"MAIL FROM:<evil@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n"

REPAIRED, BAD_LINES, NUL = "250 2.0.0", "550 5.6.11", "550 5.6.0"
# name, octets, reply with line_endings = repair, with reject
VARIANTS = [
    ("E1", b"\n.\n", REPAIRED, BAD_LINES),
    ("E2", b"\n.\r\n", REPAIRED, BAD_LINES),
    ("E3", b"\r.\r", REPAIRED, BAD_LINES),
    ("E4", b"\r.\r\n", REPAIRED, BAD_LINES),
    ("E5", b"\r\n.\n", REPAIRED, BAD_LINES),
    ("E6", b"\r\n.\r", REPAIRED, BAD_LINES),
    ("E7", b"\n.\r", REPAIRED, BAD_LINES),
    ("E8", b"\r.\n", REPAIRED, BAD_LINES),
    ("E9", b"\r\n.\r\r\n", REPAIRED, BAD_LINES),
    ("E10", b"\r\r\n.\r\r\n", REPAIRED, BAD_LINES),
    ("E11", b"\r\n\0.\r\n", NUL, NUL),
    ("E12", b"\r\n.\0\r\n", NUL, NUL),
    ("E13", b"\r\0\n.\r\n", NUL, NUL),
    ("E14", b"\r\n.\r\0\n", NUL, NUL),
    ("E19a", b"\n..\r\n", REPAIRED, BAD_LINES),
    ("E19b", b"\r\n..\n", REPAIRED, BAD_LINES),
    ("E20a", b"\x0b.\r\n", REPAIRED, REPAIRED),
    ("E20b", b"\x0c.\r\n", REPAIRED, REPAIRED),
    ("E20c", b"\x85.\r\n", REPAIRED, REPAIRED),
    ("E20d", "\u2028.\r\n".encode(), REPAIRED, REPAIRED),
    ("E20e", b"\r\n.\x0b\r\n", REPAIRED, REPAIRED),
    ("E20f", b"\r\n. \r\n", REPAIRED, REPAIRED),
]




def lenient_views_agree(upstream, confirmed):
    upstream.wait_settled()
    sums = {}
    for peer in upstream.peers:
        for view, count in messages_seen(bytes(peer.wire.inside)).items():
            sums[view] = sums.get(view, 0) + count
    assert all(count == confirmed for count in sums.values()), (sums, confirmed)


@pytest.mark.parametrize("pause", [False, True], ids=["one-segment", "octet-by-octet"])
@pytest.mark.parametrize("line_endings", ["repair", "reject"])
@pytest.mark.parametrize("name, octets, repaired, rejected", VARIANTS, ids=[variant[0] for variant in VARIANTS])
def test_no_variant_ends_the_message(waxseal, scripted, name, octets, repaired, rejected, line_endings, pause):
    upstream = scripted()
    with waxseal(upstream, listen={"line_endings": line_endings}).client() as client:
        client.ehlo()
        client.open_data()
        if pause:
            client.send(FIRST)
            client.send_slowly([octets[i : i + 1] for i in range(len(octets))])
            client.send(SMUGGLED + b".\r\n")
        else:
            client.send(FIRST + octets + SMUGGLED + b".\r\n")
        expected = repaired if line_endings == "repair" else rejected
        assert client.reply().status == expected
        assert client.command("NOOP").code == 250  # one reply, and the stream is in step
        client.quit()
    confirmed = 1 if expected == REPAIRED else 0
    assert len(upstream.messages) == confirmed
    if confirmed:
        assert SMUGGLED in upstream.messages[0].content
        assert upstream.messages[0].mail.startswith(b"FROM:<device@example.test>")
    assert not any(b"evil" in line for line in upstream.commands("MAIL"))
    lenient_views_agree(upstream, confirmed)


@pytest.mark.parametrize("line_endings", ["repair", "reject"])
def test_nul_before_the_real_end(waxseal, scripted, line_endings):
    """E15: the message ends here and is refused; what follows are commands, out of step at their DATA."""
    upstream = scripted()
    with waxseal(upstream, listen={"line_endings": line_endings}).client() as client:
        client.ehlo()
        client.open_data()
        client.send(FIRST + b"\0\r\n.\r\n" + SMUGGLED + b".\r\n")
        assert [reply.status for reply in client.replies(4)] == [NUL, "250 2.1.0", "250 2.1.5", "554 5.5.0"]
        assert client.closed()
    assert upstream.messages == []
    lenient_views_agree(upstream, 0)


@pytest.mark.parametrize("line_endings", ["repair", "reject"])
def test_nul_behind_the_real_end(waxseal, scripted, line_endings):
    """E16: the message stands; the command that begins with NUL is refused, and nothing of it is done."""
    upstream = scripted()
    with waxseal(upstream, listen={"line_endings": line_endings}).client() as client:
        client.ehlo()
        client.open_data()
        client.send(FIRST + b"\r\n.\r\n\0" + SMUGGLED + b".\r\n")
        assert [reply.status for reply in client.replies(2)] == ["250 2.0.0", "500 5.5.2"]
        assert client.closed()
    assert len(upstream.messages) == 1
    lenient_views_agree(upstream, 1)


@pytest.mark.parametrize("end", [b"\r\n.\r\n", b".\r\n"], ids=["after-a-line", "first-line"])
def test_real_end_in_pieces(waxseal, scripted, end):
    """E17, E18: at every split it is the end."""
    upstream = scripted()
    first = FIRST if end.startswith(b"\r") else b""
    with waxseal(upstream).client() as client:
        client.ehlo()
        for split in range(len(end) + 1):
            client.open_data()
            client.send_slowly([first + end[:split], end[split:]], 0.05)
            assert client.reply().status == "250 2.0.0"
        client.quit()
    assert len(upstream.messages) == len(end) + 1
    lenient_views_agree(upstream, len(end) + 1)


@pytest.mark.parametrize("line_endings", ["repair", "reject"])
@pytest.mark.parametrize("octets", [b"\n.\n", b"\r\n.\n", b"\n.\r\n"])
def test_variant_behind_an_oversized_body(waxseal, scripted, octets, line_endings):
    """E21: input is read up to the real end before anything is answered."""
    upstream = scripted()
    proxy = waxseal(upstream, listen={"line_endings": line_endings}, limits={"max_message_size": "64KiB"})
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        client.send(FIRST + b"\r\n" + (b"x" * 70 + b"\r\n") * 2000 + b"y" + octets + SMUGGLED)
        assert client.silent()
        client.send(b".\r\n")
        assert client.reply().status in ("552 5.3.4", BAD_LINES if line_endings == "reject" else "552 5.3.4")
        client.quit()
    assert upstream.messages == []
    lenient_views_agree(upstream, 0)
