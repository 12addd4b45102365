"""What the vendor's packages must be able to do, and what must be refused them."""

import asyncio
import base64
import json
import re

import boto3
from alibabacloud_agentidentity20250901 import models as control
from alibabacloud_agentidentitydata20251127 import models as data
from botocore.config import Config as StoreConfig
from botocore.exceptions import ClientError
from peer import RETURN_URL, CheckFailed, decide, fetch, fresh, query_of, refused, require


def _agent(emulator, **more):
    """A workload identity with a role; its name."""
    name = fresh("agent")
    request = control.CreateWorkloadIdentityRequest(workload_identity_name=name, role_arn=emulator.role(), **more)
    created = emulator.control().create_workload_identity(request).body.workload_identity
    require(created.workload_identity_arn.endswith(f"/workloadidentity/{name}"), "the ARN names another identity")
    return name


def _provider(emulator, flow="USER_FEDERATION"):
    """A credential provider with the client of the built-in provider; its name."""
    name, known = fresh("provider"), emulator.provider
    metadata = {
        "AuthorizationRequest": {"Endpoint": known["authorization_url"]},
        "TokenRequest": {"Endpoint": known["token_url"]},
    }
    client = {"ClientId": known["client_id"], "ClientSecret": known["client_secret"]}
    config = client | {"OAuth2Discovery": {"AuthorizationServerMetadata": metadata}}
    request = control.CreateOAuth2CredentialProviderRequest().from_map(
        {
            "OAuth2CredentialProviderName": name,
            "CredentialProviderVendor": "CustomOAuth2",
            "OAuthType": flow,
            "OAuth2ProviderConfig": {"CustomOAuth2ProviderConfig": config},
        }
    )
    created = emulator.control().create_oauth2_credential_provider(request).body
    require("/oauth2/callback/" in json.dumps(created.to_map()), "no callback was made")
    return name


def _sts(emulator, token, **more):
    """The temporary credentials of the agent's role, as a credential of the vendor's library."""
    sts = asyncio.run(
        emulator.sdk().assume_role_for_workload_identity(
            workload_token=token, role_session_name="peer-session", **more
        )
    )
    require(sts.access_key_id.startswith("STS.") and sts.expiration.endswith("Z"), "no temporary credentials")
    return emulator.temporary(sts)


def management(emulator):
    client, name = emulator.control(), fresh("kept")
    vault = control.CreateTokenVaultRequest(token_vault_name=name, description="a demo, 50% & more")
    require(client.create_token_vault(vault).body.token_vault.token_vault_name == name, "another vault")
    key = control.CreateAPIKeyCredentialProviderRequest(
        apikey_credential_provider_name=name, apikey="synthetic-key", token_vault_name=name
    )
    client.create_apikey_credential_provider(key)
    refused("DeleteConflict.TokenVault", lambda: client.delete_token_vault(control.DeleteTokenVaultRequest(token_vault_name=name)))
    idp = control.CreateIdentityProviderRequest(
        identity_provider_name=name,
        discovery_url="https://idp.example.com/.well-known/openid-configuration",
        allowed_audience=["app-1", "app-2"],
    )
    client.create_identity_provider(idp)
    refused("EntityAlreadyExists.IdentityProvider", lambda: client.create_identity_provider(idp))
    found = client.get_identity_provider(control.GetIdentityProviderRequest(identity_provider_name=name))
    require(found.body.identity_provider.allowed_audience == ["app-1", "app-2"], "other audiences")
    client.update_identity_provider(control.UpdateIdentityProviderRequest(identity_provider_name=name, description="new"))
    client.delete_identity_provider(control.DeleteIdentityProviderRequest(identity_provider_name=name))
    missing = control.GetIdentityProviderRequest(identity_provider_name=name)
    error = refused("EntityNotExists.IdentityProvider", lambda: client.get_identity_provider(missing))
    require(getattr(error, "status_code", 404) == 404, "another status")


def workload_identities(emulator):
    client = emulator.control()
    names = {_agent(emulator, session_binding_enabled=True, allowed_resource_oauth2_return_urls=[RETURN_URL]) for _ in range(3)}
    found, token = set(), None
    for _ in range(100):
        page = client.list_workload_identities(control.ListWorkloadIdentitiesRequest(max_results=1, next_token=token)).body
        found |= {item.workload_identity_name for item in page.workload_identities}
        token = page.next_token
        if not token:
            break
    require(names <= found and page.total_count == len(found), "paging loses identities")
    name = names.pop()
    shown = client.get_workload_identity(control.GetWorkloadIdentityRequest(workload_identity_name=name)).body.workload_identity
    require(shown.session_binding_enabled is True and shown.role_arn == emulator.role(), "not what was created")
    client.update_workload_identity(
        control.UpdateWorkloadIdentityRequest(workload_identity_name=name, session_binding_enabled="false")
    )
    shown = client.get_workload_identity(control.GetWorkloadIdentityRequest(workload_identity_name=name)).body.workload_identity
    require(shown.session_binding_enabled is False, "not what was updated")
    client.delete_workload_identity(control.DeleteWorkloadIdentityRequest(workload_identity_name=name))
    plain = data.GetWorkloadAccessTokenRequest(workload_identity_name=name)
    refused("EntityNotExists.WorkloadIdentity", lambda: emulator.data().get_workload_access_token(plain))
    made = emulator.sdk().create_workload_identity(allowed_resource_oauth2_return_urls=[RETURN_URL])
    require(made.startswith("workload-"), "the SDK's own way makes no identity")


def api_key_by_role(emulator):
    name = fresh("key")
    request = control.CreateAPIKeyCredentialProviderRequest(
        apikey_credential_provider_name=name, apikey="synthetic-weather-key"
    )
    emulator.control().create_apikey_credential_provider(request)
    sdk = emulator.sdk()
    token = sdk.get_workload_access_token(_agent(emulator), user_id="user 1*~é/+=")
    key = asyncio.run(sdk.get_api_key(credential_provider_name=name, agent_identity_token=token, credential=_sts(emulator, token)))
    require(key == "synthetic-weather-key", "another key")


def another_agents_role_gets_nothing(emulator):
    sdk = emulator.sdk()
    mine, theirs = (sdk.get_workload_access_token(_agent(emulator), user_id="alice") for _ in range(2))
    request = data.GetResourceAPIKeyRequest().from_map(
        {"WorkloadAccessToken": theirs, "ResourceCredentialProviderName": "any"}
    )
    call = emulator.data(_sts(emulator, mine))
    refused("NoPermission", lambda: call.get_resource_apikey(request))


def machine_to_machine(emulator):
    sdk, provider = emulator.sdk(), _provider(emulator, "M2M")
    token = sdk.get_workload_access_token(_agent(emulator))
    granted = asyncio.run(
        sdk.get_token(
            credential_provider_name=provider,
            workload_identity_token=token,
            scopes=["read"],
            auth_flow="M2M",
            credential=_sts(emulator, token),
        )
    )
    require(isinstance(granted, str) and granted, "no token")


def bound_consent(emulator):
    sdk, provider = emulator.sdk(), _provider(emulator)
    agent = _agent(emulator, session_binding_enabled=True, allowed_resource_oauth2_return_urls=[RETURN_URL])
    token = sdk.get_workload_access_token(agent, user_id="alice")
    links = []

    def told(link):
        # The browser of the user, and then the application's own callback.
        links.append(link)
        callback = decide(link, "alice", "allow")
        status, headers, _ = fetch("GET", callback)
        require(status == 302 and headers["Location"].startswith(RETURN_URL), "the browser does not come back")
        query = query_of(headers["Location"])
        require(query["state"] == "chat-1", "the application's state is lost")
        refused("Forbidden.UserIdentifier", lambda: sdk.confirm_user_auth(query["session_uri"], user_id="bob"))
        sdk.confirm_user_auth(query["session_uri"], user_id="alice")

    signer = _sts(emulator, token)

    def ask():
        return asyncio.run(
            sdk.get_token(
                credential_provider_name=provider,
                workload_identity_token=token,
                scopes=["read"],
                on_auth_url=told,
                auth_flow="USER_FEDERATION",
                callback_url=RETURN_URL,
                custom_state="chat-1",
                custom_parameters={"prompt": "consent"},
                credential=signer,
            )
        )

    first = ask()
    require(emulator.owner_of(first) == "alice", "somebody else's token")
    require(ask() == first and len(links) == 1, "asked again although the token is there")
    foreign = data.GetResourceOAuth2TokenRequest().from_map(
        {
            "WorkloadAccessToken": token,
            "ResourceCredentialProviderName": provider,
            "ResourceOAuth2ReturnURL": "https://evil.example.com/",
        }
    )
    refused("Missmatch.ResourceOAuth2ReturnURL", lambda: emulator.data().get_resource_oauth2_token(foreign))


def users_with_a_token_of_their_own(emulator):
    _, _, page = fetch("GET", f"{emulator.endpoint}/")
    section = page.split('id="user-pools"')[1]
    pool = re.search(r"<code>([0-9a-f-]{36})</code>", section)[1]
    issuer, redirect = f"{emulator.endpoint}/userpool/{pool}", "http://127.0.0.1:8082/callback"
    query = f"response_type=code&client_id=web-client&redirect_uri={redirect}&scope=openid"
    code = query_of(decide(f"{issuer}/oauth/authorize?{query}", "alice", "allow"))["code"]
    form = {"grant_type": "authorization_code", "redirect_uri": redirect, "code": code}
    basic = base64.b64encode(b"web-client:synthetic-secret").decode()
    _, _, text = fetch("POST", f"{issuer}/oauth/token", form, {"Authorization": f"Basic {basic}"})
    user_token = json.loads(text)["id_token"]
    idp = fresh("users")
    emulator.control().create_identity_provider(
        control.CreateIdentityProviderRequest(
            identity_provider_name=idp,
            discovery_url=f"{issuer}/.well-known/openid-configuration",
            allowed_audience=["web-client"],
        )
    )
    agent = _agent(emulator, identity_provider_name=idp)
    request = data.GetWorkloadAccessTokenForJWTRequest(workload_identity_name=agent, user_token=user_token)
    answer = emulator.data().get_workload_access_token_for_jwt(request).body
    claims = answer.user_context.jwt_claims
    require(claims.subject == "alice" and json.loads(claims.audiences) == ["web-client"], "another user")
    _sts(emulator, answer.workload_access_token)
    forged = data.GetWorkloadAccessTokenForJWTRequest(workload_identity_name=agent, user_token=f"{user_token[:-8]}AAAAAAAA")
    refused("InvalidParameter.JsonWebToken", lambda: emulator.data().get_workload_access_token_for_jwt(forged))


def strangers(emulator):
    from alibabacloud_credentials.client import Client
    from alibabacloud_credentials.models import Config

    plain = data.GetWorkloadAccessTokenRequest(workload_identity_name=_agent(emulator))
    wrong = Client(Config(type="access_key", access_key_id=emulator.access_key_id, access_key_secret="wrong"))
    refused("SignatureDoesNotMatch", lambda: emulator.data(wrong).get_workload_access_token(plain))
    unknown = Client(Config(type="access_key", access_key_id="LTAIunknown", access_key_secret="wrong"))
    refused("InvalidAccessKeyId.NotFound", lambda: emulator.data(unknown).get_workload_access_token(plain))
    empty = data.GetWorkloadAccessTokenRequest()
    refused("MissingParameter.WorkloadIdentityName", lambda: emulator.data().get_workload_access_token(empty))
    pool = control.CreateUserPoolRequest(user_pool_name="pool")
    refused("UnsupportedOperation.NotEmulated", lambda: emulator.control().create_user_pool(pool))


def _store(emulator, key_id, secret, token):
    """The most used client of such stores. It signs headers, and is set up as the vendor's manual has it for OSS."""
    return boto3.client(
        "s3",
        endpoint_url=emulator.object_store,
        region_name=emulator.region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=StoreConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1},
        ),
    )


def _refused_by_store(code, call):
    try:
        call()
    except ClientError as error:
        require(error.response["Error"]["Code"] == code, f"refused, but not with {code}")
        return
    raise CheckFailed(f"not refused with {code}")


def object_store(emulator):
    sdk, name = emulator.sdk(), fresh("file")
    agent = _agent(emulator)
    token = sdk.get_workload_access_token(agent, user_id="alice")
    sts = asyncio.run(sdk.assume_role_for_workload_identity(workload_token=token, role_session_name="peer-session"))
    parts = (sts.access_key_id, sts.access_key_secret, sts.security_token)
    store, bucket = _store(emulator, *parts), emulator.bucket
    keys = [f"{name}/plain.txt", f"{name}/ä b+c&d=e~*'(1).txt", f"{name}/deeper/{'x' * 200}"]
    for key in keys:
        store.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/plain")
        found = store.get_object(Bucket=bucket, Key=key)
        require(found["Body"].read() == key.encode() and found["ContentType"] == "text/plain", "another object")
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{name}/", PaginationConfig={"PageSize": 1})
    require(sorted(item["Key"] for page in pages for item in page["Contents"]) == sorted(keys), "another list")
    part = store.get_object(Bucket=bucket, Key=keys[0], Range="bytes=0-3")
    require(part["ContentRange"] == f"bytes 0-3/{len(keys[0])}" and part["Body"].read() == b"file", "another part")
    require(store.head_object(Bucket=bucket, Key=keys[0])["ContentLength"] == len(keys[0]), "another length")
    link = store.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": keys[1]}, ExpiresIn=60)
    require(fetch("GET", link)[2] == keys[1], "the link leads elsewhere")
    store.delete_object(Bucket=bucket, Key=keys[0])
    _refused_by_store("NoSuchKey", lambda: store.get_object(Bucket=bucket, Key=keys[0]))
    for code, stranger in (
        ("SignatureDoesNotMatch", (parts[0], "wrong", parts[2])),
        ("InvalidToken", (parts[0], parts[1], "CAISwrong")),
        ("InvalidAccessKeyId", ("STS.unknown", parts[1], parts[2])),
        ("AccessDenied", (emulator.access_key_id, emulator.access_key_secret, None)),
    ):
        _refused_by_store(code, lambda: _store(emulator, *stranger).list_objects_v2(Bucket=bucket))


def scripted_consent(emulator):
    sdk, provider = emulator.sdk(), _provider(emulator)
    token = sdk.get_workload_access_token(_agent(emulator), user_id="carol")
    links = []
    granted = asyncio.run(
        sdk.get_token(
            credential_provider_name=provider,
            workload_identity_token=token,
            scopes=["read"],
            on_auth_url=links.append,
            credential=_sts(emulator, token),
        )
    )
    require(len(links) == 1 and emulator.owner_of(granted) == "carol", "the consent of another person")


MANUAL = [
    management,
    workload_identities,
    api_key_by_role,
    another_agents_role_gets_nothing,
    machine_to_machine,
    bound_consent,
    users_with_a_token_of_their_own,
    strangers,
    object_store,
]
APPROVING = [scripted_consent]
