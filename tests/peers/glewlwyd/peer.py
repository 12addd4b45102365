#!/usr/bin/env python3
"""Glewlwyd, an OpenID provider in C, on a loopback port of its own.

    python3 peer.py [MAX_SECONDS]

Debian packages: glewlwyd, sqlite3, openssl. Prints one line of JSON when ready. Then each line `rotate` on standard input makes it
sign with a new key and keep publishing the old ones, which is answered with one line, too. Ends it when standard input closes, and
after MAX_SECONDS (600) at the latest. Everything in here is a test value.
"""
import base64
import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

DOCUMENTS = Path("/usr/share/doc/glewlwyd")
# Which audience tokens of the scope `read` may be asked for (RFC 8707).
AGENT = "https://agent.example.com"
CLIENTS = {"portal": "portal-test-secret", "stranger": "stranger-test-secret"}
CURVES = [("prime256v1", "P-256", "ES256", 32), ("secp384r1", "P-384", "ES384", 48)]


def key(generation):
    """A private key as JWK, each generation on the other curve."""
    name, curve, algorithm, length = CURVES[generation % 2]
    der = subprocess.run(
        ["openssl", "ecparam", "-name", name, "-genkey", "-noout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    # SEC 1: version 1, then the number as an octet string; the point stands at the end.
    at = der.index(bytes([2, 1, 1, 4, length])) + 5
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    x, y, d = der[-2 * length : -length], der[-length:], der[at : at + length]
    return {"kty": "EC", "crv": curve, "alg": algorithm, "use": "sig", "kid": f"{algorithm.lower()}-g{generation + 1}",
            "x": part(x), "y": part(y), "d": part(d)}


class Administrator:
    def __init__(self, base):
        self.base, self.cookie, self.keys = base, None, [key(0)]

    def call(self, method, path, body=None):
        headers = {"content-type": "application/json"} | ({"cookie": self.cookie} if self.cookie else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api{path}", method=method, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            if self.cookie is None:
                self.cookie = answer.headers["set-cookie"].split(";")[0]

    def plugin(self):
        on = ["allow-non-oidc", "auth-type-code-enabled", "auth-type-id-token-enabled", "auth-type-client-enabled",
              "auth-type-refresh-enabled", "jwks-show", "resource-allowed"]
        parameters = dict.fromkeys(on, True) | {
            "iss": f"{self.base}/api/oidc", "jwks-private": json.dumps({"keys": self.keys}), "subject-type": "public",
            "access-token-duration": 300, "refresh-token-duration": 3600, "code-duration": 60,
            "refresh-token-one-use": "always", "resource-scope": {"read": [AGENT]},
        }
        return {"module": "oidc", "name": "oidc", "display_name": "OIDC", "parameters": parameters}

    def set_up(self):
        # The account of the sample database.
        self.call("POST", "/auth/", {"username": "admin", "password": "password"})
        self.call("POST", "/mod/plugin/", self.plugin())
        for scope in ["read", "write"]:
            self.call("POST", "/scope/", {"name": scope, "display_name": scope, "description": scope,
                                          "password_required": False, "scheme": {}})
        for client, secret in CLIENTS.items():
            self.call("POST", "/client/?source=database", {
                "client_id": client, "name": client, "confidential": True, "enabled": True, "password": secret,
                "redirect_uri": ["http://127.0.0.1:65000/callback"], "authorization_type": ["client_credentials"],
                "scope": ["read", "write"], "token_endpoint_auth_method": ["client_secret_basic"]})

    def rotate(self):
        # The first key signs; all are published.
        self.keys.insert(0, key(len(self.keys)))
        self.call("PUT", "/mod/plugin/oidc", self.plugin())
        self.call("PUT", "/mod/plugin/oidc/reset")


def configure(folder, port):
    database = gzip.decompress((DOCUMENTS / "database/init.sqlite3.sql.gz").read_bytes())
    (folder / "db").unlink(missing_ok=True)
    subprocess.run(["sqlite3", folder / "db"], input=database, check=True, stdout=subprocess.DEVNULL)
    text = gzip.decompress((DOCUMENTS / "glewlwyd.conf.sample.gz").read_bytes()).decode()
    for old, new in [
        (r"^port=.*", f"port={port}"),
        (r"^external_url=.*", f'external_url="http://127.0.0.1:{port}"'),
        (r"^#?bind_address=.*", 'bind_address="127.0.0.1"'),
        (r"^cookie_secure=1", "cookie_secure=0"),
        (r'path = "[^"]*glewlwyd.db"', f'path = "{folder}/db"'),
        (r"^log_level=.*", 'log_level="ERROR"'),
        # The package has no such folder, and the program an error for that.
        (r"^user_middleware_module_path=.*", f'user_middleware_module_path="{folder}/none"'),
    ]:
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"the sample configuration has no line {old}")
    (folder / "conf").write_text(text)
    (folder / "none").mkdir(exist_ok=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder, base):
    """Glewlwyd, once it answers; `None` if it ended before, as it does if somebody has taken its port meanwhile."""
    # Should this program be killed, that one ends as well.
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "glewlwyd", f"--config-file={folder}/conf"],
                               stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        for _ in range(400):
            if process.poll() is not None:
                return None
            try:
                urllib.request.urlopen(f"{base}/config", timeout=10).close()
                return process
            except OSError:
                time.sleep(0.05)
        raise SystemExit("glewlwyd does not answer")
    except BaseException:
        process.kill()
        raise


def serve(process, base):
    administrator = Administrator(base)
    administrator.set_up()
    ready = {"ready": True, "pid": process.pid, "issuer": f"{base}/api/oidc", "audience": AGENT, "clients": CLIENTS}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        if line.strip() != "rotate":
            raise SystemExit("the only command is `rotate`")
        administrator.rotate()
        print(json.dumps({"kids": [key["kid"] for key in administrator.keys]}), flush=True)


def main():
    for number in [signal.SIGTERM, signal.SIGALRM]:
        signal.signal(number, lambda *_: sys.exit(0))
    signal.alarm(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
    with tempfile.TemporaryDirectory() as name:
        for _ in range(3):
            port = free_port()
            base = f"http://127.0.0.1:{port}"
            configure(Path(name), port)
            if process := start(name, base):
                break
        else:
            raise SystemExit("glewlwyd ended at once, three times")
        try:
            serve(process, base)
        finally:
            process.kill()
            process.wait()


main()
