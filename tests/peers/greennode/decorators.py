"""The SDK's own decorators, as an agent uses them."""

import asyncio
import os

from greennode_agentbase.core import config as sdk_config
from greennode_agentbase.exceptions import GreenNodeConfigurationError
from greennode_agentbase.identity import (
    CreateApikeyProviderRequest,
    CreateDelegatedApiKeyProviderRequest,
    ThreeLoTokenRequest,
    requires_access_token,
    requires_api_key,
)
from greennode_agentbase.runtime import GreenNodeAgentBaseContext

from consent_steps import SCOPES
from harness import CheckFailed, fresh, require
from management import new_identity, new_oauth_provider
from peer import IDENTITY_VARIABLE, RETURN_URL, Twin, environment


async def static_provider(api):
    name, key = fresh("static"), fresh("synthetic-key")
    await api("create_api_key_provider", request=CreateApikeyProviderRequest(name=name, apikey=key))
    return name, key


async def delegated_provider(api):
    name = fresh("delegated")
    await api("create_delegated_api_key_provider", request=CreateDelegatedApiKeyProviderRequest(name=name))
    return name


async def as_user(user, handler):
    """Runs the handler as the agent server would: in a context of its own that names the user."""

    async def invocation():
        GreenNodeAgentBaseContext.set_user_id(user)
        return await handler()

    return await asyncio.create_task(invocation())


async def static_key(emulator):
    api = Twin("async")
    agent, (provider, key) = await new_identity(api), await static_provider(api)

    # The second has no flow: the SDK asks the platform which kind of provider this is.
    for flow in ({"auth_flow": "M2M"}, {}):

        @requires_api_key(provider_name=provider, **flow)
        async def answer(question, api_key):
            return question, api_key

        @requires_api_key(provider_name=provider, into="secret", **flow)
        def answer_sync(question, secret):
            return question, secret

        with environment(**{IDENTITY_VARIABLE: agent}):
            require(await answer("why") == ("why", key), "async: another key")
            require(await asyncio.to_thread(answer_sync, "why") == ("why", key), "sync: another key")


async def kind_of_provider_is_told(emulator):
    api = Twin("async")
    agent, provider = await new_identity(api), await delegated_provider(api)
    for name, words in ((provider, "is a delegated API key provider"), ("no-such-name", "not found")):

        @requires_api_key(provider_name=name)
        async def handler(api_key):
            raise CheckFailed("the handler ran without a key")

        with environment(**{IDENTITY_VARIABLE: agent}):
            try:
                await handler()
            except GreenNodeConfigurationError as error:
                require(words in str(error), "the SDK takes the provider for another kind")


async def agent_token(emulator):
    api = Twin("async")
    agent, provider = await new_identity(api), await new_oauth_provider(api, emulator)

    @requires_access_token(provider_name=provider.name, scopes=SCOPES, auth_flow="M2M")
    async def call(access_token):
        return access_token

    @requires_access_token(provider_name=provider.name, scopes=SCOPES, auth_flow="M2M", into="bearer")
    def call_sync(bearer):
        return bearer

    with environment(**{IDENTITY_VARIABLE: agent}):
        for token in (await call(), await asyncio.to_thread(call_sync)):
            owner = await emulator.owner_of(token)
            require(owner == (emulator.provider["client_id"], set(SCOPES)), "not the agent's token")


async def identity_made_on_first_use(emulator):
    """Without a configured identity the SDK makes one and keeps its name (contract section 6, step 3)."""
    provider, key = await static_provider(Twin("async"))

    @requires_api_key(provider_name=provider, auth_flow="M2M")
    async def handler(api_key):
        return api_key

    with environment(**{IDENTITY_VARIABLE: None}):
        try:
            require(await handler() == key, "another key")
            made = await Twin("async")("get_agent_identity", name=os.environ[IDENTITY_VARIABLE])
            require(made.name.startswith("workload-"), "not the identity that the SDK makes")
        finally:
            sdk_config.remove_config_value("agent_identity")


async def delegated_key(emulator):
    api = Twin("async")
    agent, provider, links = await new_identity(api), await delegated_provider(api), []

    @requires_api_key(
        provider_name=provider, auth_flow="USER_FEDERATION", callback_url=RETURN_URL, on_auth_url=links.append
    )
    async def handler(api_key):
        return api_key

    with environment(**{IDENTITY_VARIABLE: agent}):
        alices = await as_user("alice", handler)
        require(alices and len(links) == 1, "the user was not asked once")
        require(await as_user("alice", handler) == alices and len(links) == 1, "the key was not kept")
        bobs = await as_user("bob", handler)
        require(len(links) == 2 and bobs != alices, "two users share a key")


async def user_token(emulator):
    api = Twin("async")
    agent, provider, links = await new_identity(api), await new_oauth_provider(api, emulator), []

    async def tell(link):
        links.append(link)

    @requires_access_token(
        provider_name=provider.name,
        scopes=SCOPES,
        auth_flow="USER_FEDERATION",
        callback_url=RETURN_URL,
        on_auth_url=tell,
        custom_state="landing-3",
        custom_parameters={"prompt": "consent"},
    )
    async def handler(access_token):
        return access_token

    with environment(**{IDENTITY_VARIABLE: agent}):
        token = await as_user("alice", handler)
        require(await emulator.owner_of(token) == ("alice", set(SCOPES)), "not the user's token")
        require(len(links) == 1, "the user was not asked once")
        token = await as_user("alice", handler)
        require(await emulator.owner_of(token) == ("alice", set(SCOPES)), "not the user's token the second time")
        require(len(links) == 1, "the consent was not kept")
        require((await emulator.owner_of(await as_user("bob", handler)))[0] == "bob", "two users share a token")
        require(len(links) == 2, "the second user was not asked")


async def refused_key(emulator):
    api = Twin("async")
    agent, provider = await new_identity(api), await delegated_provider(api)

    @requires_api_key(provider_name=provider, auth_flow="USER_FEDERATION", callback_url=RETURN_URL)
    async def handler(api_key):
        raise CheckFailed("the handler ran without a key")

    with environment(**{IDENTITY_VARIABLE: agent}):
        try:
            await as_user("alice", handler)
        except ValueError as error:
            require("delegation failed" in str(error), "the SDK failed for another reason")


async def refused_token(emulator):
    """Not through the decorator: it never reads the status and would wait until its time is up (contract, W16)."""
    api = Twin("async")
    agent, provider = await new_identity(api), await new_oauth_provider(api, emulator)
    path = {"provider_name": provider.name, "agent_identity_name": agent}
    request = ThreeLoTokenRequest(agent_user_id="alice", scopes=SCOPES, return_url=RETURN_URL)
    asked = await api("get_3lo_token", **path, request=request)
    polled = await api("get_3lo_token", **path, request=request.model_copy(update={"session_id": asked.session_id}))
    require((polled.access_token, polled.status) == (None, "FAILED"), "a refusal does not end the session")


WITH_HUMAN_WHO_APPROVES = [
    static_key,
    kind_of_provider_is_told,
    agent_token,
    identity_made_on_first_use,
    delegated_key,
    user_token,
]
WITH_HUMAN_WHO_DENIES = [refused_key, refused_token]
