"""A certificate authority made for one run of the tests, with every kind of good and bad server certificate."""

import base64
import functools
import hashlib
import os
import shutil
import ssl
import subprocess
import time

NAME = "mail.example.test"  # what the test servers are called
OTHER_NAME = "mail.example.org"


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout


def pin(key_file):
    """SHA-256 of its public key (SubjectPublicKeyInfo), in base64."""
    return base64.b64encode(hashlib.sha256(_openssl("pkey", "-in", key_file, "-pubout", "-outform", "DER")).digest()).decode()


def _moment(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))


class Certificate:
    def __init__(self, chain, key):
        self.chain = chain
        self.key = key

    def server_context(self, **options):
        """A Python TLS server context; minimum, maximum and ciphers may be given, and client_ca: who signs the certificates
        that clients must have."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if "ciphers" in options:
            context.set_ciphers(options["ciphers"])
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a truncation is to be told from an orderly end
        context.load_cert_chain(self.chain, self.key)
        context.minimum_version = options.get("minimum", ssl.TLSVersion.TLSv1_2)
        context.maximum_version = options.get("maximum", ssl.TLSVersion.TLSv1_3)
        if "client_ca" in options:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(options["client_ca"])
        return context

    def fingerprint(self):
        """SHA-256 of the leaf, in lower-case hexadecimal."""
        with open(self.chain, encoding="ascii") as file:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


class Replaceable:
    """A certificate in files of its own, as a renewing program writes them."""

    def __init__(self, directory, certificate):
        self.chain, self.key = os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key")
        self.put(certificate)

    def put(self, certificate):
        shutil.copy(certificate.chain, self.chain)
        shutil.copy(certificate.key, self.key)


class Authority:
    """Signs leaf certificates; each kind is made once, when first asked for."""

    def __init__(self, directory, name="Test CA"):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.ca_file, self.key = self._path("ca.crt"), self._path("ca.key")
        self._key("ca.key")
        self._write("ca.cnf", self._ca_configuration())
        self._write("index.txt", "")
        _openssl("req", "-x509", "-new", "-key", self._path("ca.key"), "-sha256", "-days", "3650",
                 "-subj", f"/CN={name}", "-out", self.ca_file,
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="ascii") as file:
            file.write(text)

    def _key(self, name, kind="ec"):
        options = (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec"
                   else ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}"])
        _openssl("genpkey", *options, "-out", self._path(name))
        os.chmod(self._path(name), 0o644)  # servers run as users of their own, and the key lives for minutes

    def _ca_configuration(self):
        return (f"[ca]\ndefault_ca=the\n[the]\ndatabase={self._path('index.txt')}\nnew_certs_dir={self.directory}\n"
                f"certificate={self._path('ca.crt')}\nprivate_key={self._path('ca.key')}\nrand_serial=yes\n"
                "unique_subject=no\ndefault_md=sha256\npolicy=any\ncopy_extensions=none\n"
                "[any]\ncommonName=supplied\n")

    def client_context(self, own=None, **options):
        """A Python TLS client context that trusts this authority; own: the client's certificate."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if "ciphers" in options:
            context.set_ciphers(options["ciphers"])
        context.minimum_version = options.get("minimum", ssl.TLSVersion.TLSv1_2)
        context.maximum_version = options.get("maximum", ssl.TLSVersion.TLSv1_3)
        if own:
            context.load_cert_chain(own.chain, own.key)
        return context

    @functools.lru_cache(maxsize=None)
    def leaf(self, dns=(NAME,), ip=("127.0.0.1",), cn="test server", key="ec", start=-1, end=30,
             usage="serverAuth", digest="sha256"):
        """A leaf certificate; start and end are days from now."""
        stem = f"leaf{self.leaf.cache_info().currsize}"
        self._key(stem + ".key", key)
        names = [f"DNS:{name}" for name in dns] + [f"IP:{address}" for address in ip]
        extensions = f"extendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
        if names:
            extensions += "subjectAltName=" + ",".join(names) + "\n"
        self._write(stem + ".ext", extensions)
        _openssl("req", "-new", "-key", self._path(stem + ".key"), "-subj", f"/CN={cn}", "-out", self._path(stem + ".csr"))
        _openssl("ca", "-batch", "-notext", "-config", self._path("ca.cnf"), "-extfile", self._path(stem + ".ext"),
                 "-md", digest, "-startdate", _moment(start), "-enddate", _moment(end),
                 "-in", self._path(stem + ".csr"), "-out", self._path(stem + ".crt"))
        return Certificate(self._path(stem + ".crt"), self._path(stem + ".key"))

    @functools.lru_cache(maxsize=None)
    def self_signed(self, dns=(NAME,)):
        self._key("self.key")
        _openssl("req", "-x509", "-new", "-key", self._path("self.key"), "-days", "30", "-subj", "/CN=self",
                 "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in dns), "-out", self._path("self.crt"))
        return Certificate(self._path("self.crt"), self._path("self.key"))
