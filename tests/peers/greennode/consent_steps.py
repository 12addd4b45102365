"""Credentials of the agent and of its users, step by step: every credential and browser operation, in both twins."""

import asyncio
from urllib.parse import urlsplit

from greennode_agentbase.identity import (
    CreateDelegatedApiKeyProviderRequest,
    GetDelegatedApiKeyRequest,
    GetM2mTokenRequest,
    ThreeLoTokenRequest,
)
from greennode_agentbase.identity.models import AuthorizeDelegatedApiKeyRequest

from harness import decide, fresh, query_of, require
from management import new_identity, new_oauth_provider
from peer import RETURN_URL, Twin, refused

SCOPES = ["calendar:read", "calendar:write"]


async def agent_token(emulator, kind):
    api = Twin(kind)
    agent, provider = await new_identity(api), await new_oauth_provider(api, emulator)
    answer = await api(
        "get_m2m_token",
        provider_name=provider.name,
        agent_identity_name=agent,
        request=GetM2mTokenRequest(scopes=SCOPES),
    )
    require(answer.token_type.lower() == "bearer", "another token type")
    owner = await emulator.owner_of(answer.access_token)
    require(owner == (emulator.provider["client_id"], set(SCOPES)), "the token is not the agent's or its scopes differ")


class Delegation:
    """Asks for one user's delegated key."""

    def __init__(self, api, provider, agent, user):
        self.api, self.user = api, user
        self.path = {"provider_name": provider, "agent_identity_name": agent}

    async def ask(self, **more):
        request = GetDelegatedApiKeyRequest(agent_user_id=self.user, return_url=RETURN_URL, **more)
        return await self.api("get_delegated_api_key_for_agent_identity", **self.path, request=request)


async def delegated_key(emulator, kind):
    api, provider = Twin(kind), fresh("delegated")
    agent = await new_identity(api)
    registered = await api(
        "create_delegated_api_key_provider", request=CreateDelegatedApiKeyProviderRequest(name=provider)
    )
    alice, bob = (Delegation(api, provider, agent, user) for user in ("alice", "bob"))

    asked = await alice.ask(custom_state="landing-1")
    require(asked.apikey is None and asked.session_id and asked.status.value == "IN_PROGRESS", "no consent asked for")
    link = urlsplit(asked.authorization_url)
    require(link.path.endswith(f"/api-key/delegate/{registered.id}"), "another link than the contract's")
    waiting = await alice.ask(session_id=asked.session_id)
    require((waiting.apikey, waiting.status.value) == (None, "IN_PROGRESS"), "done before the user acted")
    await refused(404, bob.ask(session_id=asked.session_id))

    key = fresh("synthetic-key")
    hand_over = {
        "provider_id": registered.id,
        "state": query_of(asked.authorization_url)["state"],
        "request": AuthorizeDelegatedApiKeyRequest(apikey=key),
    }
    authorized = await api("authorize_delegated_api_key", **hand_over)
    require(authorized.success is True, "the key was not taken")
    require(authorized.redirect_url.startswith(RETURN_URL), "the browser is sent elsewhere")
    require("landing-1" in query_of(authorized.redirect_url).values(), "the application's state is lost")
    await refused(404, api("authorize_delegated_api_key", **hand_over), key)

    require((await alice.ask(session_id=asked.session_id)).status.value == "COMPLETED", "not completed")
    require((await alice.ask()).apikey == key, "another key")
    require((await bob.ask()).apikey is None, "one user's key went to another")
    forced = await alice.ask(force_delegation=True)
    require(forced.apikey is None and forced.session_id != asked.session_id, "not asked anew although forced")


class Federation:
    """Asks for one user's token, and walks the browser's way."""

    def __init__(self, emulator, api, provider, agent, user):
        self.emulator, self.api, self.provider, self.user = emulator, api, provider, user
        self.path = {"provider_name": provider.name, "agent_identity_name": agent}

    async def ask(self, **more):
        request = ThreeLoTokenRequest(agent_user_id=self.user, scopes=SCOPES, return_url=RETURN_URL, **more)
        return await self.api("get_3lo_token", **self.path, request=request)

    async def set_out(self, asked, **expected):
        """Opens the link; the provider's page to which it leads."""
        require(asked.authorization_url.startswith(self.emulator.identity_url), "the link leads elsewhere")
        session = query_of(asked.authorization_url)["sessionId"]
        require(session == asked.session_id, "the link names another session")
        # The SDK has no answer but an error for a redirect; the redirect itself is in its cause.
        answer = await refused(302, self.api("redirect_to_provider_authorize", sessionId=session))
        page = answer.headers["location"]
        require(page.startswith(self.emulator.provider["authorization_url"]), "not sent to the provider")
        query = query_of(page)
        require(query["redirect_uri"] == self.provider.callback_url, "another callback than the registered one")
        require((query["response_type"], query["code_challenge_method"]) == ("code", "S256"), "no code flow with PKCE")
        require(set(query["scope"].split()) == set(SCOPES), "other scopes")
        require(all(query.get(name) == value for name, value in expected.items()), "custom parameters are lost")
        return page

    async def come_back(self, callback):
        """Follows the provider's redirect to the platform; where the user's browser lands."""
        require(callback.startswith(self.provider.callback_url), "the provider sends the browser elsewhere")
        known = {name: value for name, value in query_of(callback).items() if name != "iss"}
        answer = await refused(302, self.api("handle_oauth2_callback", provider_id=self.provider.id, **known))
        return answer.headers["location"]


async def user_token(emulator, kind):
    api = Twin(kind)
    agent, provider = await new_identity(api), await new_oauth_provider(api, emulator)
    alice, bob = (Federation(emulator, api, provider, agent, user) for user in ("alice", "bob"))

    asked = await alice.ask(custom_state="landing-2", custom_parameters={"prompt": "consent"})
    require(asked.access_token is None and asked.status == "IN_PROGRESS", "no consent asked for")
    page = await alice.set_out(asked, prompt="consent")
    waiting = await alice.ask(session_id=asked.session_id)
    require((waiting.access_token, waiting.status) == (None, "IN_PROGRESS"), "done before the user acted")
    await refused(404, bob.ask(session_id=asked.session_id))

    callback = await asyncio.to_thread(decide, page, "alice", "allow")
    landing = await alice.come_back(callback)
    require(landing.startswith(RETURN_URL), "the browser is sent elsewhere")
    require("landing-2" in query_of(landing).values(), "the application's state is lost")
    await refused(404, api("handle_oauth2_callback", provider_id=provider.id, **query_of(callback)))

    polled = await alice.ask(session_id=asked.session_id)
    require(polled.status == "COMPLETED", "not completed")
    require(await emulator.owner_of(polled.access_token) == ("alice", set(SCOPES)), "not the user's token")
    again = await alice.ask()
    require(await emulator.owner_of(again.access_token) == ("alice", set(SCOPES)), "not kept for the next call")
    require((await bob.ask()).access_token is None, "one user's token went to another")
    forced = await alice.ask(force_authentication=True)
    require(forced.access_token is None and forced.session_id != asked.session_id, "not asked anew although forced")


async def user_says_no(emulator, kind):
    api = Twin(kind)
    agent, provider = await new_identity(api), await new_oauth_provider(api, emulator)
    carol = Federation(emulator, api, provider, agent, "carol")
    asked = await carol.ask()
    landing = await carol.come_back(await asyncio.to_thread(decide, await carol.set_out(asked), "carol", "deny"))
    require(landing.startswith(RETURN_URL) and query_of(landing)["error"] == "access_denied", "the refusal is lost")
    polled = await carol.ask(session_id=asked.session_id)
    require((polled.access_token, polled.status) == (None, "FAILED"), "a refusal does not end the session")
    require((await carol.ask()).access_token is None, "a token after a refusal")


BOTH_TWINS = [agent_token, delegated_key, user_token, user_says_no]
