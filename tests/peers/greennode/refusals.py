"""What the platform must refuse, as the SDK reports it.

The SDK checks some limits itself. `model_construct` makes a request without these checks, so that the platform's own
are met.
"""

from greennode_agentbase.identity import (
    CreateAgentIdentityRequest,
    CreateApikeyProviderRequest,
    CreateDelegatedApiKeyProviderRequest,
    CreateOauth2ProviderRequest,
    GetDelegatedApiKeyRequest,
    GetM2mTokenRequest,
    ThreeLoTokenRequest,
    UpdateAgentIdentityRequest,
    UpdateApikeyProviderRequest,
    UpdateOauth2ProviderRequest,
)

from harness import fresh
from management import new_identity, new_oauth_provider
from peer import RETURN_URL, Twin, bearer_only, refused, wrong_secret

NOBODY = "no-such-name"


def delegated(**more):
    return GetDelegatedApiKeyRequest(agent_user_id="alice", return_url=RETURN_URL, **more)


def user(**more):
    return ThreeLoTokenRequest(agent_user_id="alice", scopes=["read"], return_url=RETURN_URL, **more)


async def unknown_names(emulator, kind):
    api = Twin(kind)
    rotated = UpdateApikeyProviderRequest(apikey=fresh("synthetic-key"))
    for operation, more in (
        ("get_agent_identity", {}),
        ("update_agent_identity", {"request": UpdateAgentIdentityRequest(description="x")}),
        ("delete_agent_identity", {}),
        ("get_api_key_provider", {}),
        ("update_api_key_provider", {"request": rotated}),
        ("delete_api_key_provider", {}),
        ("get_delegated_api_key_provider", {}),
        ("delete_delegated_api_key_provider", {}),
        ("get_oauth2_provider", {}),
        ("update_oauth2_provider", {"request": UpdateOauth2ProviderRequest(**emulator.oauth_fields())}),
        ("delete_oauth2_provider", {}),
    ):
        await refused(404, api(operation, name=NOBODY, **more), rotated.apikey, emulator.provider["client_secret"])


async def unknown_names_on_the_way_to_a_credential(emulator, kind):
    api, agent, static, hand = Twin(kind), await new_identity(Twin(kind)), fresh("static"), fresh("delegated")
    await api("create_api_key_provider", request=CreateApikeyProviderRequest(name=static, apikey="synthetic"))
    await api("create_delegated_api_key_provider", request=CreateDelegatedApiKeyProviderRequest(name=hand))
    oauth = (await new_oauth_provider(api, emulator)).name
    for operation, provider, more in (
        ("get_api_key_for_agent_identity", static, {}),
        ("get_delegated_api_key_for_agent_identity", hand, {"request": delegated()}),
        ("get_m2m_token", oauth, {"request": GetM2mTokenRequest(scopes=["read"])}),
        ("get_3lo_token", oauth, {"request": user()}),
    ):
        await refused(404, api(operation, provider_name=NOBODY, agent_identity_name=agent, **more))
        await refused(404, api(operation, provider_name=provider, agent_identity_name=NOBODY, **more))


async def taken_names(emulator, kind):
    api, name, key = Twin(kind), fresh("taken"), fresh("synthetic-key")
    for operation, request in (
        ("create_agent_identity", CreateAgentIdentityRequest(name=name)),
        ("create_api_key_provider", CreateApikeyProviderRequest(name=name, apikey=key)),
        ("create_delegated_api_key_provider", CreateDelegatedApiKeyProviderRequest(name=name)),
        ("create_oauth2_provider", CreateOauth2ProviderRequest(name=name, **emulator.oauth_fields())),
    ):
        await api(operation, request=request)
        await refused(409, api(operation, request=request), key, emulator.provider["client_secret"])


async def values_beyond_their_limits(emulator, kind):
    api, key = Twin(kind), fresh("synthetic-key")
    bare = {"description": None, "allowed_return_urls": None}
    fields = emulator.oauth_fields()
    for name in ("ab", "n" * 51, "has space", "dots.are.out", "ünicode", ""):
        identity = CreateAgentIdentityRequest.model_construct(name=name, **bare)
        await refused(400, api("create_agent_identity", request=identity))
        static = CreateApikeyProviderRequest.model_construct(name=name, apikey=key)
        await refused(400, api("create_api_key_provider", request=static), key)
        hand = CreateDelegatedApiKeyProviderRequest.model_construct(name=name)
        await refused(400, api("create_delegated_api_key_provider", request=hand))
        oauth = CreateOauth2ProviderRequest.model_construct(name=name, **fields)
        await refused(400, api("create_oauth2_provider", request=oauth), fields["client_secret"])
    for more in (bare | {"description": "d" * 501}, bare | {"allowed_return_urls": [RETURN_URL] * 11}):
        identity = CreateAgentIdentityRequest.model_construct(name=fresh("agent"), **more)
        await refused(400, api("create_agent_identity", request=identity))
    for apikey in ("", key + "k" * 1000):
        static = CreateApikeyProviderRequest.model_construct(name=fresh("static"), apikey=apikey)
        await refused(400, api("create_api_key_provider", request=static), key)
    for more in ({"client_id": ""}, {"client_secret": key * 10}, {"token_url": "t" * 1001}):
        oauth = CreateOauth2ProviderRequest.model_construct(name=fresh("oauth"), **(fields | more))
        await refused(400, api("create_oauth2_provider", request=oauth), key, fields["client_secret"])


async def credential_requests_beyond_their_limits(emulator, kind):
    api, agent, hand = Twin(kind), await new_identity(Twin(kind)), fresh("delegated")
    await api("create_delegated_api_key_provider", request=CreateDelegatedApiKeyProviderRequest(name=hand))
    oauth = (await new_oauth_provider(api, emulator)).name
    path = {"provider_name": oauth, "agent_identity_name": agent}
    for scopes in ([], ["s" * 1001], [""]):
        agent_request = GetM2mTokenRequest.model_construct(scopes=scopes)
        await refused(400, api("get_m2m_token", **path, request=agent_request))
        user_request = user().model_copy(update={"scopes": scopes})
        await refused(400, api("get_3lo_token", **path, request=user_request))
    for change in (
        {"agent_user_id": ""},
        {"return_url": None},
        {"return_url": "https://elsewhere.example.com/done"},
        {"session_id": "not-a-uuid"},
        {"custom_state": "s" * 101},
    ):
        user_request = user().model_copy(update=change)
        await refused(400, api("get_3lo_token", **path, request=user_request))
        key_request = delegated().model_copy(update=change)
        path_of_key = {"provider_name": hand, "agent_identity_name": agent}
        await refused(400, api("get_delegated_api_key_for_agent_identity", **path_of_key, request=key_request))


async def bearers_not_issued_here(emulator, kind):
    bearer = fresh("synthetic-bearer")
    api = bearer_only(kind, bearer)
    for operation in (
        "list_agent_identities",
        "list_api_key_providers",
        "list_delegated_api_key_providers",
        "list_oauth2_providers",
    ):
        await refused(401, api(operation), bearer)
    path = {"provider_name": NOBODY, "agent_identity_name": NOBODY}
    await refused(401, api("get_api_key_for_agent_identity", **path), bearer)
    await refused(401, api("get_3lo_token", **path, request=user()), bearer)


async def wrong_client_secret(emulator, kind):
    await refused(401, wrong_secret(kind, emulator)("list_agent_identities"), emulator.client_secret, "not-the-secret")


BOTH_TWINS = [
    unknown_names,
    unknown_names_on_the_way_to_a_credential,
    taken_names,
    values_beyond_their_limits,
    credential_requests_beyond_their_limits,
    bearers_not_issued_here,
    wrong_client_secret,
]
