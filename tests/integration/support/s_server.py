"""`openssl s_server` as an upstream, played by hand: what Python's ssl cannot do, such as KeyUpdate."""

import subprocess
import threading

from .certificates import NAME
from .net import free_port, listening, wait_until
from .servers import PASSWORD, USER


class SServer:
    """One connection at a time; type() sends lines to the proxy, expect() waits for what it says."""

    def __init__(self, authority, certificate, *options):
        self.port, self.host, self.tls = free_port(), "127.0.0.1", "implicit"
        self.server_name, self.ca_file = NAME, authority.ca_file
        self.username, self.password = USER, PASSWORD
        self._process = subprocess.Popen(
            ["stdbuf", "-o0", "openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", certificate.chain, "-key", certificate.key,
             "-crlf", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = b""
        self._read = 0
        threading.Thread(target=self._collect, daemon=True).start()
        wait_until(lambda: listening(self.port), 10, "s_server to listen")

    def _collect(self):
        while octets := self._process.stdout.read1(65536):
            self.output += octets

    def type(self, *lines):
        self._process.stdin.write(b"".join(line.encode() + b"\n" for line in lines))
        self._process.stdin.flush()

    def expect(self, text, timeout=15):
        """Until that text has come since the last one expected."""

        def there():
            at = self.output.find(text, self._read)
            if at >= 0:
                self._read = at + len(text)
            return at >= 0

        wait_until(there, timeout, f"{text} from the proxy; got {self.output[self._read:]!r}")

    def update_keys(self, kind):
        """K asks the peer to do the same, k does not."""
        self.type(kind)  # alone: s_server drops what stands behind it
        self.expect(b"SSL_do_handshake ->")

    def log_in(self):
        """The start of a connection, up to the accepted login."""
        self.type("220 mail ESMTP")
        self.expect(b"EHLO ")
        self.type("250-mail", "250-8BITMIME", "250 AUTH PLAIN")
        self.expect(b"AUTH PLAIN ")
        self.type("235 2.7.0 ok")

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
