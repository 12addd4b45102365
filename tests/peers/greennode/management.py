"""Identities and providers: every management operation, in both twins."""

from greennode_agentbase.identity import (
    CreateAgentIdentityRequest,
    CreateApikeyProviderRequest,
    CreateDelegatedApiKeyProviderRequest,
    CreateOauth2ProviderRequest,
    UpdateAgentIdentityRequest,
    UpdateApikeyProviderRequest,
    UpdateOauth2ProviderRequest,
)

from harness import fresh, require
from peer import OTHER_RETURN_URL, RETURN_URL, Twin, refused


async def new_identity(api):
    name = fresh("agent")
    await api("create_agent_identity", request=CreateAgentIdentityRequest(name=name, allowed_return_urls=[RETURN_URL]))
    return name


async def new_oauth_provider(api, emulator):
    name = fresh("oauth")
    request = CreateOauth2ProviderRequest(name=name, **emulator.oauth_fields())
    return await api("create_oauth2_provider", request=request)


async def identity_lifecycle(emulator, kind):
    api, name = Twin(kind), fresh("agent")
    urls = [RETURN_URL, OTHER_RETURN_URL]
    request = CreateAgentIdentityRequest(name=name, description="first", allowed_return_urls=urls)
    created = await api("create_agent_identity", request=request)
    require((created.name, created.description, created.allowed_return_urls) == (name, "first", urls), "not as asked")
    require(created.id and created.created_at.tzinfo and created.updated_at >= created.created_at, "no id or time")
    require(await api("get_agent_identity", name=name) == created, "get differs from create")

    updated = await api("update_agent_identity", name=name, request=UpdateAgentIdentityRequest(description="second"))
    require((updated.id, updated.name, updated.description) == (created.id, name, "second"), "update went wrong")
    wiping = UpdateAgentIdentityRequest(description="second", allowed_return_urls=[])
    wiped = await api("update_agent_identity", name=name, request=wiping)
    require(wiped.allowed_return_urls == [], "an empty list does not wipe the return URLs")
    require(await api("get_agent_identity", name=name) == wiped, "get differs from update")

    await api("delete_agent_identity", name=name)
    await refused(404, api("get_agent_identity", name=name))
    await refused(404, api("delete_agent_identity", name=name))


async def workload_conveniences(emulator, kind):
    # A client a call: the sync methods start a loop each, and the SDK's pooled connection belongs to the first of them.
    named = await Twin(kind)("create_workload_identity")
    require(named.name.startswith("workload-") and named.allowed_return_urls == [], "not what the method asks for")
    updated = await Twin(kind)(
        "update_workload_identity", name=named.name, description="mine", allowed_return_urls=[RETURN_URL]
    )
    require((updated.description, updated.allowed_return_urls) == ("mine", [RETURN_URL]), "update went wrong")
    token = await Twin(kind)("get_workload_access_token", workload_identity_name=named.name)
    require(isinstance(token, str) and token, "no token")


async def static_provider_lifecycle(emulator, kind):
    api, name, agent = Twin(kind), fresh("static"), await new_identity(Twin(kind))
    first, second = fresh("synthetic-key"), fresh("synthetic-key")
    created = await api("create_api_key_provider", request=CreateApikeyProviderRequest(name=name, apikey=first))
    require((created.name, created.status.value) == (name, "ACTIVE") and created.id, "not as asked")
    require(await api("get_api_key_provider", name=name) == created, "get differs from create")

    path = {"provider_name": name, "agent_identity_name": agent}
    require((await api("get_api_key_for_agent_identity", **path)).apikey == first, "another key")
    rotated = await api("update_api_key_provider", name=name, request=UpdateApikeyProviderRequest(apikey=second))
    require((rotated.id, rotated.name) == (created.id, name), "rotation changed the provider")
    require((await api("get_api_key_for_agent_identity", **path)).apikey == second, "not rotated")

    await api("delete_api_key_provider", name=name)
    await refused(404, api("get_api_key_provider", name=name))
    await refused(404, api("get_api_key_for_agent_identity", **path), first, second)


async def delegated_provider_lifecycle(emulator, kind):
    api, name = Twin(kind), fresh("delegated")
    created = await api("create_delegated_api_key_provider", request=CreateDelegatedApiKeyProviderRequest(name=name))
    require((created.name, created.status.value) == (name, "ACTIVE") and created.id, "not as asked")
    require(await api("get_delegated_api_key_provider", name=name) == created, "get differs from create")
    await api("delete_delegated_api_key_provider", name=name)
    await refused(404, api("get_delegated_api_key_provider", name=name))


async def oauth_provider_lifecycle(emulator, kind):
    api = Twin(kind)
    created = await new_oauth_provider(api, emulator)
    fields = emulator.oauth_fields()
    require(
        (created.client_id, created.authorization_url, created.token_url, created.status.value)
        == (fields["client_id"], fields["authorization_url"], fields["token_url"], "ACTIVE"),
        "not as asked",
    )
    callback = f"{emulator.identity_url}/oauth2/callback/{created.id}"
    require(created.callback_url == callback, "another callback URL than the contract's")
    require(await api("get_oauth2_provider", name=created.name) == created, "get differs from create")

    changed = UpdateOauth2ProviderRequest(
        client_id="another",
        client_secret="synthetic-secret",
        authorization_url="https://provider.example.com/authorize",
        token_url="https://provider.example.com/token",
    )
    updated = await api("update_oauth2_provider", name=created.name, request=changed)
    require((updated.id, updated.callback_url) == (created.id, callback), "update changed what it must not")
    require(
        (updated.client_id, updated.authorization_url, updated.token_url)
        == (changed.client_id, changed.authorization_url, changed.token_url),
        "update went wrong",
    )
    await api("delete_oauth2_provider", name=created.name)
    await refused(404, api("get_oauth2_provider", name=created.name))


async def lists_come_in_pages(emulator, kind):
    api = Twin(kind)
    for index in range(3):
        await new_identity(api)
        await new_oauth_provider(api, emulator)
        key = CreateApikeyProviderRequest(name=fresh("static"), apikey=f"synthetic-{index}")
        await api("create_api_key_provider", request=key)
        delegated = CreateDelegatedApiKeyProviderRequest(name=fresh("delegated"))
        await api("create_delegated_api_key_provider", request=delegated)
    for operation in (
        "list_agent_identities",
        "list_api_key_providers",
        "list_delegated_api_key_providers",
        "list_oauth2_providers",
    ):
        await _read_in_pages(api, operation)


async def _read_in_pages(api, operation):
    total, names, page = None, [], 0
    while True:
        answer = await api(operation, page=page, size=2, sortBy="name", sortDirection="DESC")
        total = answer.total_elements if total is None else total
        pages = -(-total // 2)
        require((answer.page, answer.size, answer.total_elements) == (page, 2, total), f"{operation}: page figures")
        require(answer.total_pages == pages, f"{operation}: total pages")
        require((answer.first, answer.has_previous) == (page == 0, page > 0), f"{operation}: first, has_previous")
        require((answer.last, answer.has_next) == (page + 1 == pages, page + 1 < pages), f"{operation}: last, has_next")
        names += [item.name for item in answer.content]
        if not answer.has_next:
            break
        page += 1
    require(len(names) == len(set(names)) == total >= 3, f"{operation}: pages overlap or miss something")
    require(names == sorted(names, reverse=True), f"{operation}: not sorted")


BOTH_TWINS = [
    identity_lifecycle,
    workload_conveniences,
    static_provider_lifecycle,
    delegated_provider_lifecycle,
    oauth_provider_lifecycle,
    lists_come_in_pages,
]
