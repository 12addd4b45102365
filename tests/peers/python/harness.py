"""What the checks of every vendor share: how they fail and are counted, and a browser without a screen."""

import contextlib
import html
import http.client
import json
import re
import sys
import traceback
import uuid
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit


class CheckFailed(Exception):
    """The platform answered, but not as the contract has it."""


def require(condition, otherwise):
    # Not `assert`, which `python -O` removes; and no values, which may be secrets.
    if not condition:
        raise CheckFailed(otherwise)


def fresh(word):
    """A name that no other check uses."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def query_of(url):
    return dict(parse_qsl(urlsplit(url).query))


def announced_in(file):
    """What an emulator says on its first line."""
    return json.loads(Path(file).read_text(encoding="utf-8"))


class Tally:
    """Counts the checks."""

    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def check(self, name):
        try:
            yield
        except Exception:  # whatever it is, it is this check's failure and the others still run
            self.failed += 1
            # Whole, for whoever has to find the fault: every secret in it ends with the emulator.
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        else:
            self.passed += 1
            print(f"ok     {name}", flush=True)

    def exit(self):
        """Ends the program with the closing line."""
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(0 if self.failed == 0 and self.passed > 0 else 1)


def fetch(method, url, form=None, headers=None):
    """One exchange, redirects not followed: status, headers, text."""
    parts = urlsplit(url)
    require(parts.hostname == "127.0.0.1", "a URL leads off this machine")
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    headers = dict(headers or {})
    body = None
    if form is not None:
        body = urlencode(form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def userinfo(provider, access_token):
    """What the provider says of this token: proves that it is one."""
    url = urljoin(provider["token_url"], "userinfo")
    status, _, text = fetch("GET", url, headers={"Authorization": f"Bearer {access_token}"})
    require(status == 200, f"the provider does not know the token: {status}")
    return json.loads(text)


def decide(page_url, login, decision):
    """Presses a button on a consent page; where that sends the browser."""
    status, headers, text = fetch("GET", page_url)
    require(status == 200, f"the consent page answers {status}")
    field = re.search(r'name="interaction" value="([^"]+)"', text)
    action = re.search(r'action="([^"]+)"', text)
    require(field and action, "the consent page has no form")
    form = {"interaction": html.unescape(field[1]), "login": login, "decision": decision}
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    status, headers, _ = fetch("POST", urljoin(page_url, html.unescape(action[1])), form, cookie)
    require(status in (302, 303), f"the consent form answers {status}")
    return headers["Location"]
