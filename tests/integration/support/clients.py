"""Five mail clients as people use them: swaks, curl, smtplib, msmtp, and `openssl s_client` typed by hand.

Each sends one message, however the connection is secured ("clear", "starttls", "implicit") and whichever login it is told
to use. It verifies the certificate that it is shown. Refused is raised when it reports that the mail was not sent.
"""

import base64
import os
import smtplib
import ssl
import subprocess
import threading

from . import sasl

SENDER, RECIPIENT = "device@example.test", "inbox@example.test"
TIMEOUT = 60


class Refused(Exception):
    pass


class Job:
    """What to send where. mechanism: None does not log in."""

    def __init__(self, directory, port, ca_file, way, content, mechanism=None, username=None, password=None, sender=SENDER):
        self.port, self.ca_file, self.way, self.content, self.sender = port, ca_file, way, content, sender
        self.mechanism, self.username, self.password = mechanism, username, password
        self.directory = directory

    def file(self, name, octets):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(octets)
        return path

    def run(self, *argv, stdin=b""):
        done = subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, timeout=TIMEOUT, check=False,
                              env=os.environ | {"HOME": self.directory})  # no settings of whoever runs the tests
        if done.returncode != 0:
            raise Refused(f"{argv[0]} ended with {done.returncode}: {(done.stdout + done.stderr).decode('utf-8', 'replace')}")
        return done.stdout.decode("utf-8", "replace")


def swaks(job):
    content = job.file("swaks", job.content.replace(b"\r\n", b"\n")[:-1])  # it ends the last line itself
    secure = {"clear": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[job.way]
    verify = [] if job.way == "clear" else ["--tls-verify", "--tls-ca-path", job.ca_file]
    login = []
    if job.mechanism:
        login = ["--auth", job.mechanism, "--auth-user", job.username, "--auth-password", job.password]
    job.run("swaks", "--server", f"127.0.0.1:{job.port}", "--from", job.sender, "--to", RECIPIENT, "--data", f"@{content}",
            *secure, *verify, *login)


def curl(job):
    content = job.file("curl", job.content)
    scheme = "smtps" if job.way == "implicit" else "smtp"
    secure = [] if job.way == "clear" else ["--ssl-reqd", "--cacert", job.ca_file]
    login = []
    if job.mechanism:
        login = ["--user", f"{job.username}:{job.password}", "--login-options", f"AUTH={job.mechanism}"]
    job.run("curl", "--silent", "--show-error", f"{scheme}://127.0.0.1:{job.port}", *secure, *login,
            "--mail-from", job.sender, "--mail-rcpt", RECIPIENT, "--upload-file", content)


def msmtp(job):
    secure = {"clear": ["--tls=off"], "starttls": ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={job.ca_file}"],
              "implicit": ["--tls=on", "--tls-starttls=off", f"--tls-trust-file={job.ca_file}"]}[job.way]
    login = ["--auth=off"]
    if job.mechanism:
        password = job.file("msmtp-password", job.password.encode() + b"\n")
        login = [f"--auth={job.mechanism.lower()}", f"--user={job.username}", f"--passwordeval=cat {password}"]
    job.run("msmtp", "--host=127.0.0.1", f"--port={job.port}", *secure, *login, f"--from={job.sender}", RECIPIENT,
            stdin=job.content.replace(b"\r\n", b"\n"))


def python(job):
    context = ssl.create_default_context(cafile=job.ca_file)
    try:
        if job.way == "implicit":
            smtp = smtplib.SMTP_SSL("127.0.0.1", job.port, context=context, timeout=TIMEOUT)
        else:
            smtp = smtplib.SMTP("127.0.0.1", job.port, timeout=TIMEOUT)
        with smtp:
            if job.way == "starttls":
                smtp.starttls(context=context)
            if job.mechanism:
                _smtplib_login(smtp, job)
            smtp.sendmail(job.sender, [RECIPIENT], job.content)
    except smtplib.SMTPException as error:
        raise Refused(repr(error)) from error


def _smtplib_login(smtp, job):
    smtp.ehlo()
    if job.mechanism not in smtp.esmtp_features.get("auth", "").split():
        raise Refused(f"{job.mechanism} is not offered")
    smtp.user, smtp.password = job.username, job.password
    if job.mechanism == "SCRAM-SHA-256":
        smtp.auth(job.mechanism, sasl.scram_sha_256(job.username, job.password))
    else:
        smtp.auth(job.mechanism, getattr(smtp, "auth_" + job.mechanism.lower().replace("-", "_")),
                  initial_response_ok=job.mechanism == "PLAIN")


class Typed:
    """`openssl s_client`, a line at a time."""

    def __init__(self, port, *options):
        self._process = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._limit = threading.Timer(TIMEOUT, self._process.kill)
        self._limit.start()

    def reply(self):
        """The last line of the next reply."""
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise Refused(f"s_client ended: {self.last_words()}")
            if line[3:4] != b"-":
                return line.decode().rstrip()

    def type(self, octets):
        self._process.stdin.write(octets)
        self._process.stdin.flush()

    def say(self, line, code):
        self.type(line.encode() + b"\r\n")
        reply = self.reply()
        if not reply.startswith(code):
            raise Refused(f"{line.split(' ')[0]}: {reply}")

    def last_words(self):
        """Why s_client ended; waits until it has."""
        return self._process.stderr.read().decode("utf-8", "replace")

    def close(self):
        self._limit.cancel()
        self._process.kill()
        self._process.communicate()


def s_client(job):
    starttls = ["-starttls", "smtp", "-name", "device.example"] if job.way == "starttls" else []
    typed = Typed(job.port, "-verify_return_error", "-CAfile", job.ca_file, *starttls)
    try:
        if job.way == "implicit":
            typed.reply()  # the greeting; -starttls has swallowed it
        typed.say("EHLO device.example", "250")
        if job.mechanism:
            _type_login(typed, job)
        typed.say(f"MAIL FROM:<{job.sender}>", "250")
        typed.say(f"RCPT TO:<{RECIPIENT}>", "250")
        typed.say("DATA", "354")
        typed.say(job.content.replace(b"\r\n.", b"\r\n..").decode() + ".", "250")
        typed.say("QUIT", "221")
    finally:
        typed.close()


def _type_login(typed, job):
    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    if job.mechanism == "PLAIN":
        typed.say("AUTH PLAIN " + encoded(f"\0{job.username}\0{job.password}"), "235")
    else:
        typed.say("AUTH LOGIN", "334 VXNlcm5hbWU6")
        typed.say(encoded(job.username), "334 UGFzc3dvcmQ6")
        typed.say(encoded(job.password), "235")


CLIENTS = {"swaks": swaks, "curl": curl, "smtplib": python, "msmtp": msmtp, "s_client": s_client}
