"""The header editor, judged by Python's email package: what is made of a message that can be repaired parses without a
defect, says what the device meant, has the body it had, and is left alone the second time.

The messages are random; a failing test prints its seed, and WAXSEAL_SEED=… makes the same ones again, WAXSEAL_DRAFTS=… more of them.
"""

import contextlib
import email
import email.policy
import hashlib
import os
import random
import subprocess

import pytest

from support.proxy import beside

SEED = int(os.environ.get("WAXSEAL_SEED", random.SystemRandom().randrange(1 << 32)))
DRAFTS = int(os.environ.get("WAXSEAL_DRAFTS", "40"))

PLAIN = "a scan from the second floor printer status OK page 1/2 (final) alert: 100% \\ \"quoted\" x=y ?= =? a_b".split()
LATIN = "Grüße Übersicht Störung café naïve Größe £5 señor".split()
ABROAD = ["Принтер", "отчёт", "プリンタ", "スキャン", "打印机", "😀", "€", "Ελλάδα", "é😀é" * 20]
NAMES = ["Doe, John", "scanner@device", "J. P. Printer", "Printer: 2nd floor", "DOMAIN\\user", "[Alert] UPS", "Smith; Jane",
         "Plain Name", "O'Neil", "a.b", "a, b, c"]


def edit(message, *options):
    """What came of the message, and what was done to it."""
    result = subprocess.run([beside("edit_message"), *options], input=message, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    line = result.stderr.decode().strip()
    return result.stdout, set(line.split(",")) if line else set()


def edited(message, *options):
    """edit(), with what always holds."""
    result, repairs = edit(message, *options)
    for size in (1, 7, 1000):
        assert edit(message, *options, "--chunk", str(size)) == (result, repairs), f"pieces of {size}"
    later = [*options, "--date", "Sun, 29 Nov 2026 08:00:00 +0000", "--message-id", "<2@waxseal.example>"]
    assert edit(result, *later) == (result, set()), "a second time"
    assert result.count(b"\r") == result.count(b"\n") == result.count(b"\r\n")
    return result, repairs


def parsed(message):
    """The message, after a look for defects in all of it."""
    found = email.message_from_bytes(message, policy=email.policy.SMTP)
    for part in found.walk():
        assert not part.defects, part.defects
        for name, value in part.items():
            assert not value.defects, (name, value.defects, message)
    head = message[:message.index(b"\r\n\r\n") + 2]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 998
    return found


@pytest.fixture(params=range(8))
def chance(request):
    seed = SEED + request.param
    print(f"WAXSEAL_SEED={seed}")
    return random.Random(seed)


class Draft:
    """A message as a bad device writes it, and what it means by it."""

    def __init__(self, chance):
        self.chance = chance
        self.fields, self.subject, self.mailboxes, self.filename = [], None, {}, None
        self.repairs = set()
        self.charset = chance.choice(["utf-8", "windows-1252"])
        self.add_subject()
        self.add_addresses("To", chance.randint(1, 4))
        if chance.random() < 0.7:
            self.add_addresses("From", 1)
        else:
            self.repairs.add("no_from")
        self.add_rest()
        chance.shuffle(self.fields)
        self.body = self.some_body()

    def words(self, count, more=()):
        foreign = LATIN if self.charset == "windows-1252" else LATIN + ABROAD
        return [self.chance.choice([*PLAIN, *more, self.chance.choice(foreign)]) for _ in range(count)]

    def encoded(self, text):
        """Each text on its own, as the editor judges it: what is valid UTF-8 by accident would be taken for that."""
        octets = text.encode(self.charset)
        if self.charset != "utf-8" and not octets.isascii():
            with pytest.raises(UnicodeDecodeError):
                octets.decode("utf-8")
        return octets

    def field(self, name, body):
        """With faults of form."""
        colon = ":"
        if self.chance.random() < 0.2:
            colon = self.chance.choice([" :", "\t :"])
            self.repairs.add("space_before_colon")
        head = f"{name}{colon} ".encode()
        if self.chance.random() < 0.2:
            body += b"\r\n" + self.chance.choice([b" ", b"\t  "])
            self.repairs.add("blank_fold")
        self.fields.append(head + body + b"\r\n")

    def add_subject(self):
        words = self.words(self.chance.choice([1, 3, 10, 40, 400]))
        self.subject = " ".join(words)
        octets = self.encoded(self.subject)
        if not octets.isascii():
            self.repairs.add("eight_bit_header")
        elif len(octets) > 990:
            self.repairs.add("header_folded")
        self.field("Subject", octets)

    def add_addresses(self, name, count):
        texts, self.mailboxes[name] = [], []
        for number in range(count):
            address = f"user{number}@example.test"
            display = self.chance.choice(NAMES + [address, " ".join(self.words(2, ["J."]))])
            style = self.chance.choice(["bare", "angle", "name", "quoted", "comment", "open"])
            if style in ("name", "quoted", "open") and any(c in display for c in "\"()<>=?"):
                style = "bare"
            if style == "open" and "@" in display:
                style = "name"
            if style in ("name", "open") and ";" in display:
                style = "quoted" if any(b":" in text for text in texts) else style  # that would be a group
            texts.append(self.mailbox(style, display, address))
            self.mailboxes[name].append((display if style in ("name", "quoted", "open") else "", address))
        self.field(name, b", ".join(texts))

    def mailbox(self, style, display, address):
        if style == "bare":
            return address.encode()
        if style == "angle":
            return f"<{address}>".encode()
        if style == "comment":
            comment = self.chance.choice(["scanner", *LATIN])
            self.note(comment)
            return self.encoded(f"{address} ({comment})")
        self.note(display)
        if style == "quoted":
            quoted = display.replace("\\", "\\\\")
            return self.encoded(f'"{quoted}" <{address}>')
        if style == "open":
            self.repairs.add("name_quoted")
            return self.encoded(f"{display} {address}")
        if display.isascii() and any(c in display for c in ",@.:;\\[]"):
            self.repairs.add("name_quoted")
        return self.encoded(f"{display} <{address}>")

    def note(self, text):
        if not text.isascii():
            self.repairs.add("eight_bit_header")

    def add_rest(self):
        if self.chance.random() < 0.5:
            self.field("Date", b"Thu, 01 Jan 2026 10:00:00 +0100")
        else:
            self.repairs.add("no_date")
        if self.chance.random() < 0.5:
            self.field("Message-ID", b"<x@device.example>")
        else:
            self.repairs.add("no_message_id")
        if self.chance.random() < 0.6:
            words = self.chance.choice([1, 3, 12])
            self.filename = " ".join(word for word in self.words(words) if not set(word) & set("\"\\")) + "ü.pdf"
            self.note(self.filename)
            self.field("MIME-Version", b"1.0")
            self.field("Content-Type", self.encoded(f'application/pdf; name="{self.filename}"'))
            self.field("Content-Disposition", self.encoded(f'attachment; filename="{self.filename}"; size=1'))

    def some_body(self):
        lines = [bytes(self.chance.choice(b"abc .:\xfc\xc3") for _ in range(self.chance.choice([0, 1, 70, 1200])))
                 for _ in range(self.chance.randint(0, 6))]
        return b"".join(line + b"\r\n" for line in lines)

    def octets(self):
        start = b""
        if self.chance.random() < 0.2:
            start = b"From scanner@device Mon Jan  1 00:00:00 2026\r\n"
            self.repairs.add("mbox_from")
        separator = b"\r\n"
        if self.chance.random() < 0.3:
            separator = b""
            self.body = b"no field\r\n" + self.body if self.body else b""
            self.repairs.add("no_separator")
        return start + b"".join(self.fields) + separator + self.body


@contextlib.contextmanager
def told(draft, result):
    """Who fails shows the headers."""
    try:
        yield
    except Exception:
        print(b"".join(draft.fields), result[:result.index(b"\r\n\r\n")], sep="\n")
        raise


def comparable(mailboxes):
    """Python puts a space between two encoded words of a display name, where RFC 2047 has none: so names that are not ASCII
    are compared without spaces."""
    return [(name if name.isascii() else name.replace(" ", ""), address) for name, address in mailboxes]


def mailboxes_of(field):
    return comparable((one.display_name, one.addr_spec) for one in field.addresses)


def check_meaning(draft, message):
    assert str(message["Subject"]) == draft.subject
    for name, mailboxes in draft.mailboxes.items():
        assert mailboxes_of(message[name]) == comparable(mailboxes)
    if draft.filename:
        assert message.get_filename() == draft.filename
        assert message["Content-Type"].params["name"] == draft.filename
    for name in ("Date", "Message-ID", "From"):
        assert len(message.get_all(name)) == 1


def test_what_can_be_repaired_is_good_afterwards(chance):
    for _ in range(DRAFTS // 8 or 1):
        draft = Draft(chance)
        result, repairs = edited(draft.octets(), "--from", "device@waxseal.example")
        with told(draft, result):
            check_meaning(draft, parsed(result))
        assert repairs == draft.repairs
        assert hashlib.sha256(result[result.index(b"\r\n\r\n") + 4:]).digest() == hashlib.sha256(draft.body).digest()


def test_a_rewritten_sender_is_the_senders_and_replies_go_to_the_device(chance):
    for _ in range(DRAFTS // 8 or 1):
        draft = Draft(chance)
        result, repairs = edited(draft.octets(), "--sender", "me@own.example", "--own-domain", "own.example")
        message = parsed(result)
        ((name, sender),) = mailboxes_of(message["From"])
        assert sender == "me@own.example"
        if "From" not in draft.mailboxes:
            assert "from_rewritten" not in repairs and message["Reply-To"] is None
            continue
        assert {"from_rewritten", "reply_to_added"} <= repairs
        device = comparable(draft.mailboxes["From"])
        assert [(name, "user0@example.test")] == device == mailboxes_of(message["Reply-To"])


def test_noise_comes_out_clean_and_with_its_body(chance):
    """Nothing is meant by it, so nothing is known but what always holds."""
    pieces = [b"\r\n", b"\r\n ", b":", b" :", b"From", b"To: ", b"Subject: ", b"Content-Type: ", b";name=", b"<", b">", b"a@b", b",",
              b"(", b")", b'"', b"\\", b"[", b"]", b"=?x?q?a.b?=", b" ", b"x", b"\xfc", b"\xc3\xa9", b"x" * 990, b" " * 990,
              b"<a@b>", b". ", b"\\\"" * 500]
    for _ in range(DRAFTS):
        head = b"X: y\r\nTo: " + b"".join(chance.choice(pieces) for _ in range(chance.choice([3, 10, 40])))
        body = b"a\r\n.\r\n\xfc"
        options = chance.choice([[], ["--utf8"], ["--charset", "shift_jis"], ["--sender", "a@b"], ["--no-repair", "--sender", "a@c"]])
        result, _ = edited(head + b"\r\n\r\n" + body, *options)
        assert result.endswith(b"\r\n\r\n" + body)


def test_openings_without_an_end_cost_no_more_than_others():
    """Quadratic code would need minutes for it."""
    lines = b"(" * 900 + b"\r\n "
    for name in (b"To", b"From"):
        head = name + b": <" + lines * 280 + b"a@b>\r\n"
        result, _ = edit(head + b"\r\nbody\r\n", "--sender", "me@own.example")
        assert result.endswith(b"\r\n\r\nbody\r\n")


def test_a_body_is_folded_in_no_character():
    for unit in ("é".encode(), "€".encode(), b"=C3=BC"):
        long = b"x" * 5 + unit * 500
        result, _ = edit(b"Date: x\r\n\r\n" + long + b"\r\n", "--fold-body", "--no-repair")
        lines = result.partition(b"\r\n\r\n")[2].split(b"\r\n")[:-1]
        assert all(990 < len(line) <= 998 for line in lines[:-1])
        for line in lines:
            line.decode("utf-8")
            assert line.lstrip(b"x ").replace(b"=C3", b"").replace(b"=BC", b"").replace(unit, b"") == b""
        assert b"".join(line.removeprefix(b" ") for line in lines) == long


def test_a_body_is_folded_at_998_octets():
    long = b"x" * 2500
    result, repairs = edited(b"Date: x\r\n\r\n" + long + b"\r\n" + long, "--fold-body", "--no-repair")
    assert repairs == {"body_folded"}
    body = result.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) == 998
    assert body.replace(b"\r\n ", b"") == long + b"\r\n" + long


def test_a_signed_message_is_not_touched():
    message = b"Subject : \xfc\r\nDKIM-Signature: v=1\r\nFrom: a@b <a@b>\r\n\r\n" + b"x" * 2000 + b"\r\n"
    assert edit(message, "--sender", "a@b", "--received", "from x", "--fold-body") == (message, {"untouched=dkim"})
