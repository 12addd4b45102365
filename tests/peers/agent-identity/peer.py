"""What the checks share: the vendor's clients pointed at an emulator, and a browser without a screen."""

import html
import http.client
import json
import re
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import front
from agent_identity_python_sdk.core.identity import IdentityClient
from alibabacloud_agentidentity20250901.client import Client as ControlClient
from alibabacloud_agentidentitydata20251127.client import Client as DataClient
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_ims20190815.client import Client as ImsClient
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_tea_openapi.utils_models import Config

RETURN_URL = "https://app.example.com/callback"


class CheckFailed(Exception):
    """The platform answered, but not as the contract has it."""


def require(condition, otherwise):
    # Not `assert`, which `python -O` removes; and no values, which may be secrets.
    if not condition:
        raise CheckFailed(otherwise)


def refused(code, call):
    """The error of a call that must be refused with this code."""
    try:
        call()
    except Exception as error:
        require(getattr(error, "code", None) == code, f"refused, but as {getattr(error, 'code', type(error))}, not {code}")
        return error
    raise CheckFailed(f"not refused with {code}")


def fresh(word):
    """A name that no other check uses."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def query_of(url):
    return dict(parse_qsl(urlsplit(url).query))


@dataclass
class Emulator:
    """What one emulator announced on its first line, and a TLS front for it."""

    endpoint: str
    region: str
    account_id: str
    access_key_id: str
    access_key_secret: str
    object_store: str
    bucket: str
    provider: dict
    host: str = field(init=False)

    def __post_init__(self):
        self.host = front.start(urlsplit(self.endpoint).port)

    def credential(self):
        return CredentialClient(
            CredentialConfig(
                type="access_key", access_key_id=self.access_key_id, access_key_secret=self.access_key_secret
            )
        )

    def temporary(self, sts):
        return CredentialClient(
            CredentialConfig(
                type="sts",
                access_key_id=sts.access_key_id,
                access_key_secret=sts.access_key_secret,
                security_token=sts.security_token,
            )
        )

    def config(self, credential=None):
        return Config(credential=credential or self.credential(), region_id=self.region, endpoint=self.host)

    def data(self, credential=None):
        return DataClient(self.config(credential))

    def control(self):
        return ControlClient(self.config())

    def ims(self):
        return ImsClient(self.config())

    def ram(self):
        return RamClient(self.config())

    def sdk(self):
        """The high-level client. It takes its key from the environment of the process, where only one emulator's fits."""
        client = IdentityClient(self.region, data_api_endpoint=self.host, control_api_endpoint=self.host)
        client.credential = self.credential()
        client.control_client, client.data_client = self.control(), self.data()
        return client

    def role(self):
        return f"acs:ram::{self.account_id}:role/AgentRole"

    def owner_of(self, access_token):
        """Whom the provider knows by this token: proves that it is one."""
        url = urljoin(self.provider["token_url"], "userinfo")
        status, _, text = fetch("GET", url, headers={"Authorization": f"Bearer {access_token}"})
        require(status == 200, f"the provider does not know the token: {status}")
        return json.loads(text)["sub"]


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


def decide(link, login, decision):
    """Follows a link to a consent page and presses a button; where that sends the browser."""
    status, headers, text = fetch("GET", link)
    if status == 302:
        link = headers["Location"]
        status, headers, text = fetch("GET", link)
    require(status == 200, f"the consent page answers {status}")
    field_ = re.search(r'name="interaction" value="([^"]+)"', text)
    action = re.search(r'action="([^"]+)"', text)
    require(field_ and action, "the consent page has no form")
    form = {"interaction": html.unescape(field_[1]), "login": login, "decision": decision}
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    status, headers, _ = fetch("POST", urljoin(link, html.unescape(action[1])), form, cookie)
    require(status in (302, 303), f"the consent form answers {status}")
    return headers["Location"]
