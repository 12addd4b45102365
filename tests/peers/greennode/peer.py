"""What the checks share: the SDK pointed at an emulator, and its operations in both twins."""

import asyncio
import contextlib
import os
from dataclasses import dataclass

from greennode_agentbase.core.loader import load_spec
from greennode_agentbase.exceptions import GreenNodeRequestError
from greennode_agentbase.identity import IAMCredentials, IdentityClient
from harness import CheckFailed, announced_in, require, userinfo

IDENTITY_VARIABLE = "GREENNODE_AGENT_IDENTITY"
RETURN_URL = "https://agent.example.com/done"
OTHER_RETURN_URL = "https://agent.example.com/other"


@dataclass(frozen=True)
class Emulator:
    """What one emulator announced on its first line."""

    identity_url: str
    token_url: str
    client_id: str
    client_secret: str
    provider: dict

    @classmethod
    def announced_in(cls, file):
        announced = announced_in(file)
        platform = announced["agentbase"]
        names = ("identity_url", "token_url", "client_id", "client_secret")
        return cls(*(platform[name] for name in names), provider=announced["provider"])

    def use(self):
        """Points every client made from now on here.

        Nothing public sets the token URL, and the decorators make clients of their own, so no constructor argument
        would reach them. `load_spec` hands the one cached specification to all: changing two values in it leaves the
        SDK's code as it was published.
        """
        spec = load_spec("identity")
        spec["base_url"] = self.identity_url
        spec["oauth2_token_url"] = self.token_url
        os.environ["GREENNODE_CLIENT_ID"] = self.client_id
        os.environ["GREENNODE_CLIENT_SECRET"] = self.client_secret
        os.environ.pop(IDENTITY_VARIABLE, None)

    def oauth_fields(self):
        """The emulator's built-in provider as an outside provider registered by hand."""
        return {
            "client_id": self.provider["client_id"],
            "client_secret": self.provider["client_secret"],
            "authorization_url": self.provider["authorization_url"],
            "token_url": self.provider["token_url"],
        }

    async def owner_of(self, access_token):
        """Whom the provider knows by this token: proves that it is one. Subject and scopes."""
        claims = await asyncio.to_thread(userinfo, self.provider, access_token)
        return claims["sub"], set(claims["scope"].split())


class Twin:
    """One client, driven through its async methods or through their sync twins."""

    driven = set()

    def __init__(self, kind, client=None):
        self.kind = kind
        self.client = client or IdentityClient()

    async def __call__(self, operation, **arguments):
        name = f"{operation}_async" if self.kind == "async" else operation
        self.driven.add(name)
        method = getattr(self.client, name)
        if self.kind == "async":
            return await method(**arguments)
        # In a thread, as an application with an event loop would do it; some sync methods start a loop of their own.
        return await asyncio.to_thread(method, **arguments)


def anonymous(kind, **arguments):
    """A client with credentials of the caller's choice instead of the service account's."""
    return Twin(kind, IdentityClient(**arguments))


def bearer_only(kind, bearer):
    """A client that sends this bearer: without service credentials the SDK falls back to it."""
    with environment(GREENNODE_CLIENT_ID=None, GREENNODE_CLIENT_SECRET=None):
        return anonymous(kind, access_token=bearer)


def wrong_secret(kind, emulator):
    return anonymous(kind, iam_credentials=IAMCredentials(client_id=emulator.client_id, client_secret="not-the-secret"))


@contextlib.contextmanager
def environment(**values):
    """Sets environment variables, or removes those given as None, for a while."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set_variables(values)
        yield
    finally:
        _set_variables(before)


def _set_variables(values):
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


async def refused(status, call, *secrets):
    """Expects this HTTP status as the SDK's error, without the secrets in its text; gives back the HTTP answer."""
    try:
        await call
    except GreenNodeRequestError as error:
        require(error.status_code == status, f"expected {status}, the SDK reports {error.status_code}")
        require(not any(secret in str(error) for secret in secrets), "the answer repeats a secret")
        return error.cause.response
    raise CheckFailed(f"expected {status}, but the call went through")
