"""What the checks share: the vendor's identity client pointed at an emulator."""

import sys
import types
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pydantic
import volcenginesdkcore
import volcenginesdkid
import volcenginesdksts
from harness import announced_in, fresh, userinfo


def _module(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__path__ = []
    sys.modules[name] = module
    return module


def _identity_client():
    """veadk's identity client, unchanged.

    The package around it loads a whole agent framework. Of that the client needs three things: a model that it only names as a
    type, one setting, and its siblings.
    """
    import veadk

    folder = Path(veadk.__file__).parent
    _module("google.adk.auth.auth_credential", OAuth2Auth=type("OAuth2Auth", (pydantic.BaseModel,), {}))
    setting = types.SimpleNamespace(role_session_name="veadk_default_assume_role_session")
    _module("veadk.config", settings=types.SimpleNamespace(veidentity=setting))
    _module("veadk.integrations.ve_identity").__path__ = [str(folder / "integrations" / "ve_identity")]
    for name in ("google", "google.adk", "google.adk.auth"):
        sys.modules.setdefault(name, types.ModuleType(name))
    from veadk.integrations.ve_identity import identity_client

    return identity_client


identity_client = _identity_client()


@dataclass(frozen=True)
class Emulator:
    """What one emulator announced on its first line."""

    platform: dict
    provider: dict
    feishu: dict

    @classmethod
    def announced_in(cls, file):
        announced = announced_in(file)
        return cls(announced["agentkit"], announced["provider"], announced["feishu"])

    def _configuration(self):
        """The vendor's configuration, by default for the emulator: STS is asked by one that nothing else can point elsewhere."""
        endpoint = self.platform["endpoint"]

        class Local(volcenginesdkcore.Configuration):
            def __init__(self):
                super().__init__()
                self.host = endpoint

        return Local

    def client(self, monkey, **arguments):
        """veadk's client with the account's key, or other arguments."""
        monkey(volcenginesdkcore, "Configuration", self._configuration())
        monkey(identity_client, "identity_openapi_host", lambda *_: urlsplit(self.platform["endpoint"]).netloc)
        given = {"access_key": self.platform["access_key"], "secret_key": self.platform["secret_key"]} | arguments
        return identity_client.IdentityClient(region=self.platform["region"], **given)

    def api(self, **arguments):
        """The generated client below veadk's, for what that one has no method for."""
        configuration = self._configuration()()
        configuration.region = self.platform["region"]
        configuration.ak = arguments.get("ak", self.platform["access_key"])
        configuration.sk = arguments.get("sk", self.platform["secret_key"])
        configuration.session_token = arguments.get("session_token", "")
        configuration.logger = {}
        return volcenginesdkcore.ApiClient(configuration)

    def identity(self, **arguments):
        return volcenginesdkid.IDApi(self.api(**arguments))

    def sts(self):
        return volcenginesdksts.STSApi(self.api())

    def register(self, client, flow, scopes):
        """A credential provider with the client of the built-in provider; its name."""
        name = fresh("provider")
        client.create_oauth2_credential_provider(
            {
                "name": name,
                "vendor": 0,
                "config": {
                    "ClientId": self.provider["client_id"],
                    "ClientSecret": self.provider["client_secret"],
                    "Flow": flow,
                    "Scopes": scopes,
                    "Oauth2Discovery": {
                        "AuthorizationServerMetadata": {
                            "AuthorizationEndpoint": self.provider["authorization_url"],
                            "TokenEndpoint": self.provider["token_url"],
                        }
                    },
                },
            }
        )
        return name

    def owner_of(self, access_token):
        """Whom the provider knows by this token: proves that it is one."""
        return userinfo(self.provider, access_token)["sub"]
