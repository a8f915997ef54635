"""The real submission servers, each with its own configuration, queue and user database in a directory of its own.

Started once for all tests. They run as the users that their Debian packages made for them, which takes root.
"""

import os
import pwd
import re
import shutil
import stat
import subprocess

from . import oauth
from .certificates import NAME
from .mailbox import Mailbox
from .net import free_port, listening
from .process import Process, read_text

USER = "scanner@example.test"
PASSWORD = "correct horse=battery+staple"
MESSAGE_LIMIT = 100 * 1024 * 1024
BY_PASSWORD = frozenset({"plain", "login", "cram-md5", "scram-sha-256"})
BY_TOKEN = frozenset({"xoauth2", "oauthbearer"})
BY_EXIM = (BY_PASSWORD | BY_TOKEN) - {"scram-sha-256"}


def _mode(path):
    """0 when it is gone."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return 0


class Endpoint:
    """One way in: a port, and how TLS begins there."""

    def __init__(self, server, port, tls, mechanisms):
        self.server, self.port, self.tls, self.mechanisms = server, port, tls, mechanisms
        self.host, self.server_name, self.ca_file = "127.0.0.1", NAME, server.ca_file
        self.username, self.password = USER, PASSWORD

    @property
    def mailbox(self):
        return self.server.mailbox


class Server:
    """What the three have in common: a directory, files in it, a process, a mailbox."""

    LOGS = ("log",)

    def __init__(self, directory, authority, certificate):
        self.directory = directory
        self.ca_file = authority.ca_file
        self.certificate = certificate
        os.makedirs(directory)
        os.chmod(directory, 0o755)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def folder(self, name, owner="root", mode=0o755):
        os.makedirs(self.path(name))
        os.chmod(self.path(name), mode)
        shutil.chown(self.path(name), owner)
        return self.path(name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def start(self, argv, ports, name):
        self.process = Process(argv, self.directory, name)
        self.process.log_paths += [self.path(name) for name in self.LOGS]
        self.process.wait_ready(lambda: all(listening(port) for port in ports))

    def stop(self):
        self.process.stop()


class Dovecot(Server):
    """Two things in one: the SASL server that Postfix asks, and a submission server that relays to Postfix."""

    def __init__(self, directory, authority, certificate, relay_port):
        super().__init__(directory, authority, certificate)
        self.auth_socket = self.path("postfix-auth")
        self.port, self.implicit_port = free_port(), free_port()
        self.folder("home", "mail")
        oauth.store_key(self.folder("keys"))
        self.write("oauth2.conf", self._oauth2())
        self.write("users", f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        self.write("dovecot.conf", self._configuration(relay_port))
        self.mailbox = None  # Postfix's: given by the fixture

    def _oauth2(self):
        return f"""
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={self.path("keys")}/
username_attribute = sub
"""

    def _configuration(self, relay_port):
        return f"""
base_dir = {self.path("run")}
state_dir = {self.path("state")}
instance_name = waxseal-test
log_path = {self.path("log")}
protocols = submission
listen = 127.0.0.1
hostname = {NAME}
ssl = required
ssl_cert = <{self.certificate.chain}
ssl_key = <{self.certificate.key}
auth_mechanisms = {" ".join(sorted(BY_PASSWORD | BY_TOKEN))}
disable_plaintext_auth = yes
auth_failure_delay = 0
mail_location = maildir:~/mail
mail_max_userip_connections = 1000
passdb {{
  driver = oauth2
  mechanisms = {" ".join(sorted(BY_TOKEN))}
  args = {self.path("oauth2.conf")}
}}
passdb {{
  driver = passwd-file
  mechanisms = {" ".join(sorted(BY_PASSWORD))}
  args = {self.path("users")}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={self.path("home")}
}}
first_valid_uid = 1
first_valid_gid = 1
service auth {{
  unix_listener {self.auth_socket} {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{  # which delays every login after a failed one
    mode = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {self.port}
  }}
  inet_listener submissions {{
    port = {self.implicit_port}
    ssl = yes
  }}
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_ssl = no
submission_max_mail_size = {MESSAGE_LIMIT}
"""

    def launch(self):
        self.start(["dovecot", "-F", "-c", self.path("dovecot.conf")], [self.port, self.implicit_port], "dovecot")
        return self

    def endpoints(self):
        return {
            "dovecot-starttls": Endpoint(self, self.port, "starttls", BY_PASSWORD | BY_TOKEN),
            "dovecot-implicit": Endpoint(self, self.implicit_port, "implicit", BY_PASSWORD | BY_TOKEN),
        }


class Postfix(Server):
    """submission (STARTTLS required), smtps and port 25 (STARTTLS offered), SASL through Dovecot, delivering to one Maildir."""

    def __init__(self, directory, authority, certificate, auth_socket, relay_port):
        super().__init__(directory, authority, certificate)
        self.port, self.smtps_port, self.mx_port, self.relay_port = free_port(), free_port(), free_port(), relay_port
        self.folder("etc")
        self.folder("queue")
        self.folder("data", "postfix")
        self.folder("mail", "mail")
        self.mailbox = Mailbox(self.path("mail", "all"))
        self.write("etc/main.cf", self._main(auth_socket))
        self.write("etc/master.cf", self._master())

    def _main(self, auth_socket):
        mail = pwd.getpwnam("mail")
        return f"""
compatibility_level = 3.6
queue_directory = {self.path("queue")}
data_directory = {self.path("data")}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {self.path("log")}
maillog_file_prefixes = {self.directory}
myhostname = {NAME}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = static:all
virtual_mailbox_base = {self.path("mail")}
virtual_mailbox_maps = static:all/
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{mail.pw_uid}
virtual_gid_maps = static:{mail.pw_gid}
message_size_limit = {MESSAGE_LIMIT}
smtpd_tls_chain_files = {self.certificate.key} {self.certificate.chain}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth_socket}
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{{{refused@example.test = 550 5.1.1 no such user here}}}}, permit
smtpd_sender_restrictions = check_sender_access inline:{{{{refused@example.test = 553 5.7.1 not your address}}}}
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_delay_reject = no
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions =
smtpd_forbid_unauth_pipelining = yes
strict_rfc821_envelopes = yes
strict_mime_encoding_domain = yes
smtpd_authorized_xclient_hosts = 127.0.0.1
smtputf8_enable = yes
"""

    def _master(self):
        service = "smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes"
        return f"""
127.0.0.1:{self.port} inet n - n - 200 {service} -o smtpd_tls_security_level=encrypt
127.0.0.1:{self.smtps_port} inet n - n - 200 {service} -o smtpd_tls_wrappermode=yes
127.0.0.1:{self.mx_port} inet n - n - 200 {service} -o smtpd_tls_security_level=may
127.0.0.1:{self.relay_port} inet n - n - 200 smtpd -o smtpd_relay_restrictions=permit_mynetworks,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

    def launch(self):
        self.start(["postfix", "-c", self.path("etc"), "start-fg"], [self.port, self.smtps_port, self.mx_port, self.relay_port],
                   "postfix")
        return self

    def stop(self):
        subprocess.run(["postfix", "-c", self.path("etc"), "stop"], capture_output=True, check=False, timeout=30)
        super().stop()

    def kill(self):
        """Without a word, master and all that it started; what it accepted stays in its queue until launch()."""
        self.process.kill_all()

    def unfinished(self):
        """Messages in its queue that are whole (only those have a mode that says so) and not delivered yet."""
        paths = [os.path.join(folder, name) for queue in ("maildrop", "incoming", "active", "deferred")
                 for folder, _, names in os.walk(self.path("queue", queue)) for name in names]
        return [path for path in paths if _mode(path) & stat.S_IXUSR]

    def client_of(self, token):
        """The client, as name[address], that brought the message with that token in its Message-ID."""
        log = read_text(self.path("log"))
        queue_id = re.search(rf"(\w+): message-id=<{token}@", log)
        client = queue_id and re.search(rf"{queue_id[1]}: client=([^,\s]+)", log)
        return client and client[1]

    def endpoints(self):
        return {
            "postfix-starttls": Endpoint(self, self.port, "starttls", BY_PASSWORD | BY_TOKEN),
            "postfix-smtps": Endpoint(self, self.smtps_port, "implicit", BY_PASSWORD | BY_TOKEN),
            "postfix-mx": Endpoint(self, self.mx_port, "starttls", BY_PASSWORD | BY_TOKEN),
        }


# What an acceptable message has, as strict receivers see it.
STRICT_DATA = """
check_data:
  deny message = syntax of the header
       !verify = header_syntax
  deny message = no From
       condition = ${if !def:h_From:}
  deny message = no Date
       condition = ${if !def:h_Date:}
  deny message = no Message-ID
       condition = ${if !def:h_Message-ID:}
  deny message = 8-bit octets in the header
       condition = ${if match{$message_headers_raw}{[\x80-\xff]}}
  deny message = line too long
       condition = ${if >{$max_received_linelength}{998}}
  accept
"""


class Exim(Server):
    """Runs as user mail throughout. Its package conflicts with Postfix's: scripts/setup unpacks it into the cache."""

    PACKAGE_USER = b"Debian-exim\0"  # made by the package's installation, so it does not exist here
    USER = "mail"
    LOGS = ("logs/main", "logs/reject", "logs/panic")

    def __init__(self, directory, authority, certificate, strict=False):
        super().__init__(directory, authority, certificate)
        self.strict = strict
        self.port, self.smtps_port = free_port(), free_port()
        self.folder("spool", self.USER)
        self.folder("mail", self.USER)
        self.folder("bin")
        self.mailbox = Mailbox(self.path("mail"))
        self.binary = self._private_binary()
        shutil.chown(self.write("exim.conf", self._configuration(), 0o640), "root", self.USER)
        self.folder("logs", self.USER)

    def _private_binary(self):
        """A copy in reach of its user, with the name of a user that exists in place of the package's own."""
        cache = os.environ.get("WAXSEAL_PREFIX") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or "/root", ".cache"), "waxseal")
        unpacked = os.path.join(os.environ.get("WAXSEAL_EXIM") or os.path.join(cache, "exim4"), "usr/sbin/exim4")
        with open(unpacked if os.path.exists(unpacked) else "/usr/sbin/exim4", "rb") as file:
            octets = file.read()
        assert octets.count(self.PACKAGE_USER) == 1
        name = self.USER.encode().ljust(len(self.PACKAGE_USER), b"\0")
        with open(self.path("bin/exim"), "wb") as file:
            file.write(octets.replace(self.PACKAGE_USER, name))
        os.chmod(self.path("bin/exim"), 0o755)
        return self.path("bin/exim")

    def _configuration(self):
        accept = f'{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}'
        accept_login = f'{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}'
        by_token = self._by_token("xoauth2", f"user={USER}") + self._by_token("oauthbearer", rf"n,a={USER},(\x01host=[^\x01]*\x01port=\d+)?")
        return f"""
primary_hostname = {NAME}
spool_directory = {self.path("spool")}
log_file_path = {self.path("logs/%s")}
pid_file_path = {self.path("spool/pid")}
exim_path = {self.path("bin/exim")}
exim_user = {self.USER}
exim_group = {self.USER}
deliver_drop_privilege
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port} : {self.smtps_port}
tls_on_connect_ports = {self.smtps_port}
tls_advertise_hosts = *
tls_certificate = {self.certificate.chain}
tls_privatekey = {self.certificate.key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
message_size_limit = {MESSAGE_LIMIT}
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
never_users =
domainlist local_domains = *
acl_smtp_rcpt = check_rcpt
{"acl_smtp_data = check_data" if self.strict else ""}
begin acl
{STRICT_DATA if self.strict else ""}
check_rcpt:
  deny local_parts = refused
       message = no such user here
  accept authenticated = *
  deny message = authenticate first
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {self.path("mail")}
  maildir_format
  user = {self.USER}
  group = {self.USER}
  delivery_date_add
  envelope_to_add
  return_path_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{accept}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{accept_login}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
{by_token}
"""

    @staticmethod
    def _by_token(name, begins):
        """It cannot verify a signature, but knows the one token that there is."""
        return rf"""
{name}:
  driver = plaintext
  public_name = {name.upper()}
  server_prompts = :
  server_condition = ${{if match{{$auth1}}{{\N^{begins}\x01auth=Bearer {re.escape(oauth.token(USER))}\x01\x01$\N}}}}
  server_set_id = {USER}
"""

    def launch(self):
        user = pwd.getpwnam(self.USER)
        argv = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                self.binary, "-C", self.path("exim.conf"), "-bdf", "-q10s"]
        self.start(argv, [self.port, self.smtps_port], "exim")
        return self

    def endpoints(self):
        return {
            "exim-starttls": Endpoint(self, self.port, "starttls", BY_EXIM),
            "exim-implicit": Endpoint(self, self.smtps_port, "implicit", BY_EXIM),
        }

