"""The checks. Each gets an emulator and a function that changes a member of a module until the check ends."""

import base64
import json
import os
from urllib.parse import urlencode

import volcenginesdkcore.rest
import volcenginesdkid
import volcenginesdksts
from harness import CheckFailed, decide, fetch, fresh, query_of, require


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def agent(client):
    return client.create_workload_identity(fresh("agent")).name


def refused(status, code, call):
    """Expects this error as the SDK's; gives back its text."""
    try:
        call()
    except volcenginesdkcore.rest.ApiException as error:
        require(error.status == status, f"expected {status}, the SDK reports {error.status}")
        # An error inside HTTP 200 loses its body; its text is in the reason.
        text = f"{error.body} {error.reason}"
        require(code in text, f"expected {code}")
        return text
    raise CheckFailed(f"expected {status} {code}, but the call went through")


def workload_tokens(emulator, monkey):
    client = emulator.client(monkey)
    name = agent(client)
    plain = client.get_workload_access_token(workload_name=name)
    require(plain.workload_access_token.count(".") == 2 and plain.expires_at > 0, "three parts and an end")
    user = client.get_workload_access_token(workload_name=name, user_id="alice")
    claims = claims_of(user.workload_access_token)
    require((claims["sub"], claims["act"]["sub"]) == ("alice", name), "the user and the agent")
    require("act" not in claims_of(plain.workload_access_token), "nobody is acted for")
    text = refused(400, "InvalidParameter", lambda: client.get_workload_access_token(user_id="alice"))
    require("Name is missing or invalid" in text, "the words of the tutorial")


def keys_that_are_wrong(emulator, monkey):
    wrong = emulator.client(monkey, secret_key="wrong")
    refused(401, "SignatureDoesNotMatch", lambda: wrong.create_workload_identity("x"))
    unknown = emulator.client(monkey, access_key="AKLTunknown")
    refused(401, "InvalidAccessKey", lambda: unknown.create_workload_identity("x"))
    foreign = emulator.client(monkey, session_token="STSforeign")
    refused(401, "InvalidSecretToken", lambda: foreign.create_workload_identity("x"))


def a_role_names_the_workload(emulator, monkey):
    """veadk asks STS itself when a role is named in the environment."""
    monkey(os, "environ", os.environ | {"RUNTIME_IAM_ROLE_TRN": emulator.platform["role_trn"]})
    client = emulator.client(monkey)
    token = client.get_workload_access_token(user_id="alice").workload_access_token
    require(claims_of(token)["act"]["sub"] == emulator.platform["role_trn"].rsplit("/", 1)[1], "the role's name")
    request = volcenginesdksts.AssumeRoleRequest(role_trn="trn:iam::1:role/other", role_session_name="s")
    refused(403, "NoPermission", lambda: emulator.sts().assume_role(request))


def api_keys(emulator, monkey):
    client = emulator.client(monkey)
    name = fresh("key")
    placement = [{"Location": "HEADER", "ParameterName": "X-Api-Key", "Prefix": ""}]
    request = {"name": name, "api_key": "synthetic-key", "api_key_metadata": placement}
    created = client.create_api_key_credential_provider(request)
    require(created.name == name and created.credential_provider_trn, "name and resource name")
    token = client.get_workload_access_token(workload_name=agent(client)).workload_access_token
    require(client.get_api_key(provider_name=name, agent_identity_token=token) == "synthetic-key", "the key")
    answer = emulator.identity().get_resource_api_key(
        volcenginesdkid.GetResourceApiKeyRequest(provider_name=name, identity_token=token)
    )
    require(answer.api_key_metadata[0].parameter_name == "X-Api-Key", "where it belongs")
    refused(404, "NotFound", lambda: client.get_api_key(provider_name="nope", agent_identity_token=token))
    refused(400, "InvalidParameter", lambda: client.get_api_key(provider_name=name, agent_identity_token="a.b.c"))
    text = refused(200, "Duplicate entry", lambda: client.create_api_key_credential_provider(request))
    require("synthetic-key" not in text, "no secret")


def machine_tokens(emulator, monkey):
    client = emulator.client(monkey)
    provider = emulator.register(client, "M2M", ["read"])
    token = client.get_workload_access_token(workload_name=agent(client)).workload_access_token
    answer = client.get_oauth2_token_or_auth_url(provider_name=provider, agent_identity_token=token, auth_flow="M2M")
    require(answer.response_type == "token", "a token at once")
    require(emulator.owner_of(answer.access_token) == emulator.provider["client_id"], "the client's own token")


def user_federation(emulator, monkey):
    client = emulator.client(monkey)
    provider = emulator.register(client, "USER_FEDERATION", ["read"])
    token = client.get_workload_access_token(workload_name=agent(client), user_id="alice").workload_access_token
    ask = {"provider_name": provider, "agent_identity_token": token, "auth_flow": "USER_FEDERATION"}
    first = client.get_oauth2_token_or_auth_url(**ask, custom_parameters={"prompt": "consent"})
    require(first.response_type == "auth_url", "the person is asked")
    query = query_of(first.authorization_url)
    require(query["redirect_uri"] == emulator.platform["callback_url"], "back to the vault")
    require((query["prompt"], query["scope"]) == ("consent", "read"), "what was asked for")
    # As veadk polls: with everything that it kept, the custom parameters wrapped once more.
    again = client.get_oauth2_token_or_auth_url(**ask, custom_parameters={"entries": [{"key": "prompt", "value": "consent"}]})
    require(again.authorization_url == first.authorization_url, "pending looks like the first answer")
    status, _, _ = fetch("GET", decide(first.authorization_url, "alice", "allow"))
    require(status == 200, f"the callback answers {status}")
    done = client.get_oauth2_token_or_auth_url(**ask)
    require(done.response_type == "token" and emulator.owner_of(done.access_token) == "alice", "alice's token")
    forced = client.get_oauth2_token_or_auth_url(**ask, force_authentication=True)
    require(forced.response_type == "auth_url", "asked again")
    require(client.get_oauth2_token_or_auth_url(**ask).response_type == "auth_url", "the old token is gone")
    fetch("GET", decide(forced.authorization_url, "alice", "allow"))
    new = client.get_oauth2_token_or_auth_url(**ask)
    require(new.response_type == "token" and new.access_token != done.access_token, "another token")


def two_users(emulator, monkey):
    """The scripted person agrees; each gets their own."""
    client = emulator.client(monkey)
    provider, name = emulator.register(client, "USER_FEDERATION", ["read"]), agent(client)
    for user in ("alice", "bob"):
        token = client.get_workload_access_token(workload_name=name, user_id=user).workload_access_token
        ask = {"provider_name": provider, "agent_identity_token": token}
        require(client.get_oauth2_token_or_auth_url(**ask).response_type == "auth_url", "nobody agreed before")
        answer = client.get_oauth2_token_or_auth_url(**ask)
        require(answer.response_type == "token" and emulator.owner_of(answer.access_token) == user, "their own")


def feishu(emulator, monkey):
    client = emulator.client(monkey)
    name = fresh("feishu")
    config = {
        "ClientId": emulator.feishu["client_id"],
        "ClientSecret": emulator.feishu["client_secret"],
        "Flow": "USER_FEDERATION",
        "Scopes": ["docx:document:readonly"],
        "RedirectUrl": "https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback",
    }
    created = client.create_oauth2_credential_provider({"name": name, "vendor": 4, "config": config})
    require(created.callback_url == emulator.platform["callback_url"], "the vault's callback")
    token = client.get_workload_access_token(workload_name=agent(client), user_id="alice").workload_access_token
    ask = {"provider_name": name, "agent_identity_token": token}
    wrong = client.get_oauth2_token_or_auth_url(**ask, scopes=["openid"]).authorization_url
    status, _, page = fetch("GET", wrong)
    require(status == 400 and "20043" in page, "Feishu's own error")
    right = client.get_oauth2_token_or_auth_url(**ask).authorization_url
    fetch("GET", decide(right, "alice", "allow"))
    require(client.get_oauth2_token_or_auth_url(**ask).response_type == "token", "alice's token")


def management(emulator, monkey):
    client, api = emulator.client(monkey), emulator.identity()
    name = emulator.register(client, "USER_FEDERATION", ["read"])
    found = api.get_oauth2_credential_provider(volcenginesdkid.GetOauth2CredentialProviderRequest(name=name))
    require((found.config.flow, found.config.scopes) == ("USER_FEDERATION", ["read"]), "the configuration")
    request = volcenginesdkid.ListCredentialProvidersRequest(page_number=1, page_size=100)
    listed = api.list_credential_providers(request)
    require(name in [item.name for item in listed.credential_providers], "it is listed")
    pool = api.get_workload_pool(volcenginesdkid.GetWorkloadPoolRequest(workload_pool_name="default"))
    status, _, text = fetch("GET", pool.discovery_url)
    require(status == 200 and json.loads(text)["issuer"] == pool.url, "the pool's issuer")
    require(client.check_permission({"Type": "user", "Id": "alice"}, {"Type": "Action", "Id": "invoke"}, {"Type": "agent", "Id": "my-agent"}) is True, "allowed")
    require(client.check_permission({"Type": "user", "Id": "bob"}, {"Type": "Action", "Id": "invoke"}, {"Type": "agent", "Id": "my-agent"}) is False, "denied")


def session_binding(emulator, monkey):
    """With the generated client: veadk knows nothing of it."""
    client, api = emulator.client(monkey), emulator.identity()
    provider, name, url = emulator.register(client, "USER_FEDERATION", ["read"]), fresh("agent"), "https://app.example.com/bound"
    api.create_workload_identity(
        volcenginesdkid.CreateWorkloadIdentityRequest(name=name, allowed_resource_oauth2_return_urls=[url])
    )
    token = client.get_workload_access_token(workload_name=name, user_id="alice").workload_access_token
    ask = volcenginesdkid.GetResourceOauth2TokenRequest(
        provider_name=provider, identity_token=token, resource_oauth2_return_url=url
    )
    first = api.get_resource_oauth2_token(ask)
    _, headers, _ = fetch("GET", decide(first.authorization_url, "alice", "allow"))
    require(query_of(headers["Location"])["session_uri"] == first.session_uri, "the browser brings the session")
    require(not api.get_resource_oauth2_token(ask).access_token, "not before it is bound")

    def complete(user):
        identifier = volcenginesdkid.UserIdentifierForCompleteResourceTokenAuthInput(user_id=user)
        request = volcenginesdkid.CompleteResourceTokenAuthRequest(session_uri=first.session_uri, user_identifier=identifier)
        return api.complete_resource_token_auth(request)

    refused(403, "AccessDenied", lambda: complete("bob"))
    complete("alice")
    require(emulator.owner_of(api.get_resource_oauth2_token(ask).access_token) == "alice", "alice's token")


def user_pools(emulator, monkey):
    client = emulator.client(monkey)
    name, callback = fresh("pool"), "http://127.0.0.1:8082/callback"
    uid, domain = client.create_user_pool(name)
    require(client.get_user_pool(name=name), "found by its name")
    client.configure_user_pool_for_idp_only(uid)
    found = emulator.identity().get_user_pool(volcenginesdkid.GetUserPoolRequest(user_pool_uid=uid))
    require(found.password_sign_in_enabled is False and found.name == name, "the switches, and the rest as it was")
    client_id, secret = client.create_user_pool_client(uid, "web", "WEB_APPLICATION")
    client.register_callback_for_user_pool_client(uid, client_id, callback, "http://127.0.0.1:8082")
    require(client.user_pool_client_exists(uid, client_id), "it exists")
    require(not client.user_pool_client_exists(uid, "missing"), "another does not")
    require(client.get_user_pool_client_refresh_token_lifetime(user_pool_uid=uid, client_uid=client_id) > 0, "a lifetime")
    status, _, text = fetch("GET", f"http://{domain}/.well-known/openid-configuration")
    require(status == 200, f"discovery answers {status}")
    discovery = json.loads(text)
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": callback, "scope": "openid profile email", "state": "s"}
    back = decide(f"{discovery['authorization_endpoint']}?{urlencode(query)}", "alice", "allow")
    form = {"grant_type": "authorization_code", "redirect_uri": callback, "code": query_of(back)["code"]}
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    status, _, text = fetch("POST", discovery["token_endpoint"], form, {"Authorization": f"Basic {basic}"})
    require(status == 200, f"the token endpoint answers {status}")
    access_token = json.loads(text)["access_token"]
    token = client.get_workload_access_token(workload_name=agent(client), user_token=access_token)
    require(claims_of(token.workload_access_token)["sub"] == "alice", "the verified user")
    refused(400, "UserToken", lambda: client.get_workload_access_token(workload_name=agent(client), user_token="a.b.c"))


MANUAL = [
    workload_tokens,
    keys_that_are_wrong,
    a_role_names_the_workload,
    api_keys,
    machine_tokens,
    user_federation,
    feishu,
    management,
    session_binding,
    user_pools,
]
APPROVING = [two_users]
