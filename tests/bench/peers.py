"""waxseal and the proxies it is measured beside, each as its manual has it for this purpose.

Each is made with (stage, sink): it listens on .port in clear and delivers to the sink, over what the
sink speaks, checking its certificate. .label names it, .share says how many of waxseal's messages
it gets (those that cost much more need fewer for a figure), .auth whether its clients log in. One
that cannot be had here raises LeftOut.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess

from processes import (Failure, LeftOut, Program, accepts, environment, free_port, program,
                       root_only)

WAYS = {"implicit": "smtps", "starttls": "STARTTLS", "none": "no TLS"}


class Proxy(Program):
    """A peer: configuration in a file of its own, its port awaited."""

    NAME = ""
    share = 1.0
    auth = False

    def __init__(self, stage, sink, name, command, **options):
        self.label = f"{self.NAME or name}, {WAYS[sink.tls]}"
        super().__init__(stage, name, command, **options)
        self.await_port()

    def await_port(self):
        # One that does not come up here is a peer less, and no failure of what is measured.
        try:
            self.wait_until("listening", lambda: accepts(self.port))
        except Failure as failure:
            self.end()
            raise LeftOut(str(failure).replace("\n", " ")[:300]) from None


class Waxseal(Proxy):
    """As a user runs it: everything not named is at its default."""

    CONFIGURATION = """
[[listen]]
address = "127.0.0.1:{port}"
kind = "{kind}"
line_endings = "{line_endings}"
[[upstream]]
address = "127.0.0.1:{upstream}"
tls = "{tls}"
{more}
[server]
{server}
[limits]
{limits}
"""

    def __init__(self, stage, sink, line_endings="repair", kind="device", limits="", workers=None, wait=True,
                 connections=None):
        self.port, self.wait = free_port(), wait
        more = "allow_cleartext = true" if sink.tls == "none" else f'ca_file = "{sink.ca}"'
        if connections:
            more += f"\nmax_connections = {connections}"
        workers = workers or os.environ.get("WAXSEAL_WORKERS")
        self.configuration = stage.write("waxseal.toml", self.CONFIGURATION.format(
            port=self.port, upstream=sink.port, tls=sink.tls, more=more, limits=limits,
            server=f"workers = {workers}" if workers else "", line_endings=line_endings,
            kind=kind))
        self.check(stage)
        super().__init__(stage, sink, "waxseal", [stage.binary, "run", "-c", self.configuration],
                         env=environment())

    def await_port(self):
        # One that is not waited for has not been spoken to, either.
        if self.wait:
            self.wait_until("listening", lambda: accepts(self.port))
            # Until it has asked the upstream once; what it offers then is what it measures with.
            self.wait_until("the upstream's offer", lambda: "8BITMIME" in self.hello())

    def check(self, stage):
        """A binary that knows a key not yet is left out, and says so."""
        done = subprocess.run([stage.binary, "check", "-c", self.configuration], check=False,
                              capture_output=True, text=True, env=environment())
        if done.returncode != 0:
            raise LeftOut((done.stderr or done.stdout).strip().splitlines()[0])

    def hello(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(b"EHLO bench.example\r\nQUIT\r\n")
            said = b""
            while part := client.recv(4096):
                said += part
            return said.decode("ascii", "replace")


class Nginx(Proxy):
    """Debian's, as a mail proxy; the yardstick: it takes part in SMTP and encrypts nothing."""

    CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
load_module {module};
worker_processes auto;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
mail {{
    server_name proxy.bench.example;
    auth_http 127.0.0.1:{auth}/;
    proxy_smtp_auth off;
    xclient off;
    timeout 10m;
    smtp_capabilities PIPELINING 8BITMIME ENHANCEDSTATUSCODES "SIZE 52428800";
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        protocol smtp;
        smtp_auth none;
    }}
}}
"""
    MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so"

    def __init__(self, stage, sink):
        self.port = free_port()
        nginx = program("nginx")
        if not os.path.exists(self.MODULE):
            raise LeftOut("libnginx-mod-mail is not installed: scripts/setup bench")
        folder = stage.directory("nginx")
        configuration = stage.write("nginx.conf", self.CONFIGURATION.format(
            folder=folder, module=self.MODULE, files=20000, auth=sink.auth_port(), port=self.port))
        super().__init__(stage, sink, "nginx", [nginx, "-p", folder, "-c", configuration])


class Haproxy(Proxy):
    """TCP to a TLS upstream; it keeps the upstream's TLS session by itself."""

    NAME = "HAProxy"
    CONFIGURATION = """
global
    maxconn 9000
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen smtp
    bind 127.0.0.1:{port}
    server provider 127.0.0.1:{upstream} ssl verify required ca-file {ca} sni str(localhost)
"""

    def __init__(self, stage, sink):
        self.port = free_port()
        haproxy = program("haproxy")
        configuration = stage.write("haproxy.cfg", self.CONFIGURATION.format(
            port=self.port, upstream=sink.port, ca=sink.ca))
        super().__init__(stage, sink, "haproxy", [haproxy, "-db", "-f", configuration])


class Stunnel(Proxy):
    """As its manual has it for SMTP; resumption as it comes."""

    CONFIGURATION = """
foreground = yes
pid =
syslog = no
[smtp]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{upstream}
verifyChain = yes
checkIP = 127.0.0.1
CAfile = {ca}
{more}
"""

    def __init__(self, stage, sink):
        self.port = free_port()
        stunnel = program("stunnel4", "stunnel")
        configuration = stage.write("stunnel.conf", self.CONFIGURATION.format(
            port=self.port, upstream=sink.port, ca=sink.ca,
            more="protocol = smtp" if sink.tls == "starttls" else ""))
        super().__init__(stage, sink, "stunnel", [stunnel, configuration])


class Postfix(Proxy):
    """A relay with a queue of its own and connection reuse: it answers before it has delivered."""

    NAME = "Postfix"
    share = 0.4
    MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = proxy.bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
message_size_limit = 104857600
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
in_flow_delay = 0
relayhost = [127.0.0.1]:{upstream}
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = localhost
smtp_tls_CAfile = {ca}
smtp_tls_wrappermode = {wrapper}
smtp_tls_session_cache_database = btree:{folder}/data/sessions
smtp_tls_connection_reuse = yes
smtp_connection_cache_destinations = static:all
"""
    MASTER = """
127.0.0.1:{port} inet n - n - 200 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, stage, sink):
        root_only("Postfix")
        self.port = free_port()
        self.command = program("postfix")
        self.folder = stage.directory("postfix")
        for name, owner in (("etc", "root"), ("queue", "root"), ("data", "postfix")):
            os.makedirs(os.path.join(self.folder, name))
            shutil.chown(os.path.join(self.folder, name), owner)
        self.put("etc/main.cf", self.MAIN.format(
            folder=self.folder, upstream=sink.port, ca=sink.ca,
            wrapper="yes" if sink.tls == "implicit" else "no"))
        self.put("etc/master.cf", self.MASTER.format(port=self.port))
        super().__init__(stage, sink, "postfix",
                         [self.command, "-c", os.path.join(self.folder, "etc"), "start-fg"])

    def put(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def end(self, *_):
        subprocess.run([self.command, "-c", os.path.join(self.folder, "etc"), "stop"],
                       capture_output=True, check=False, timeout=30)
        super().end()


class Dovecot(Proxy):
    """Its submission server, which wants its clients to log in."""

    NAME = "Dovecot"
    share = 0.1
    auth = True
    CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = waxseal-bench
log_path = {folder}/log
protocols = submission
listen = 127.0.0.1
hostname = proxy.bench.example
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:~/mail
mail_max_userip_connections = 1000
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home
}}
first_valid_uid = 1
first_valid_gid = 1
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
ssl_client_ca_file = {ca}
submission_relay_host = localhost
submission_relay_port = {upstream}
submission_relay_ssl = {tls}
submission_relay_ssl_verify = yes
submission_max_mail_size = 100M
"""

    def __init__(self, stage, sink):
        root_only("Dovecot")
        self.port = free_port()
        dovecot = program("dovecot")
        folder = stage.directory("dovecot")
        mail = pwd.getpwnam("mail")
        os.makedirs(os.path.join(folder, "home"))
        shutil.chown(os.path.join(folder, "home"), "mail")
        configuration = stage.write("dovecot.conf", self.CONFIGURATION.format(
            folder=folder, user=mail.pw_uid, group=mail.pw_gid, port=self.port, ca=sink.ca,
            upstream=sink.port, tls="smtps" if sink.tls == "implicit" else "starttls"))
        super().__init__(stage, sink, "dovecot", [dovecot, "-F", "-c", configuration])


def versions(binary):
    """What is compared, as each names itself."""
    asked = {"waxseal": [binary, "--version"], "nginx": ["nginx", "-v"],
             "haproxy": ["haproxy", "-v"], "stunnel": ["stunnel4", "-version"],
             "postfix": ["postconf", "-d", "mail_version"], "dovecot": ["dovecot", "--version"],
             "swaks": ["swaks", "--version"], "openssl": ["openssl", "version"]}
    said = []
    for name, command in asked.items():
        try:
            path = command[0] if name == "waxseal" else program(command[0])
        except LeftOut:
            continue
        done = subprocess.run([path, *command[1:]], capture_output=True, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+\S*", done.stdout + done.stderr)
        said.append(f"{name} {found[0].rstrip(',') if found else '?'}")
    return ", ".join(said)
