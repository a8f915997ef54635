"""`openssl s_client`: one connection, and what it says about it."""

import os
import re
import subprocess


def s_client(server, way, *options, env=None):
    """The suite that was agreed on, or None, and all output. server: a proxy, or whatever has a port."""
    starttls = ["-starttls", "smtp"] if way == "starttls" else []
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *starttls, *options],
                          input=b"QUIT\r\n", capture_output=True, timeout=30, check=False, env=env and os.environ | env)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    found = re.search(r"New, (\S+), Cipher is (\S+)", output)
    return (found[2] if found and found[2] != "(NONE)" else None), output
