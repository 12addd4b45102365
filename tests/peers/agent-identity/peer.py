"""What the checks share: the vendor's clients pointed at an emulator."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import front
import harness
from agent_identity_python_sdk.core.identity import IdentityClient
from alibabacloud_agentidentity20250901.client import Client as ControlClient
from alibabacloud_agentidentitydata20251127.client import Client as DataClient
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_ims20190815.client import Client as ImsClient
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_tea_openapi.utils_models import Config
# The checks take from here what they need of it.
from harness import CheckFailed, fetch, fresh, query_of, require, userinfo

RETURN_URL = "https://app.example.com/callback"


def refused(code, call):
    """The error of a call that must be refused with this code."""
    try:
        call()
    except Exception as error:
        require(getattr(error, "code", None) == code, f"refused, but as {getattr(error, 'code', type(error))}, not {code}")
        return error
    raise CheckFailed(f"not refused with {code}")


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
        return userinfo(self.provider, access_token)["sub"]


def decide(link, login, decision):
    """Follows a link to a consent page and presses a button; where that sends the browser."""
    status, headers, _ = fetch("GET", link)
    return harness.decide(headers["Location"] if status == 302 else link, login, decision)
