"""The vendor's preparation of its end-to-end sample and the clearing after it: the calls of the two scripts, in their order, through
the vendor's own clients."""

import json

from alibabacloud_agentidentity20250901 import models as control
from alibabacloud_ims20190815 import models as ims
from alibabacloud_ram20150501 import models as ram
from peer import RETURN_URL, fresh, refused, require

DISCOVERY_URL = "https://oauth.aliyun.com/.well-known/openid-configuration"
SCOPES = "aliuid;profile;openid"


def _application(emulator, kind, scopes, redirect_uri):
    name = f"aliyun-{fresh(kind)}-{fresh('of-the-sample')}"
    request = ims.CreateApplicationRequest(
        app_name=name,
        app_type=kind,
        # Longer than the pages allow, as in the vendor's script.
        display_name=name,
        predefined_scopes=scopes,
        required_scopes=scopes,
        redirect_uris=redirect_uri,
        protocol_version="2.1",
    )
    made = emulator.ims().create_application(request).body.application
    found = emulator.ims().get_application(ims.GetApplicationRequest(app_id=made.app_id)).body.application
    require(found.to_map() == made.to_map(), "another application")
    require((found.app_name, found.app_type, found.protocol_version) == (name, kind, "2.1"), "other settings")
    require(found.redirect_uris.redirect_uri == [redirect_uri], "other redirect URIs")
    granted = found.delegated_scope.predefined_scopes.predefined_scope
    require(sorted(one.name for one in granted) == sorted(scopes.split(";")), "other scopes")
    require(all(one.required for one in granted), "a scope is not required")
    refused("EntityAlreadyExists.Application", lambda: emulator.ims().create_application(request))
    return made.app_id


def _role(emulator, workload):
    client, name = emulator.ram(), fresh("role")
    trust = {
        "Version": "1",
        "Statement": [
            {
                "Action": ["sts:AssumeRole", "sts:SetContext"],
                "Effect": "Allow",
                "Principal": {"Service": ["workload.agentidentity.aliyuncs.com"]},
                "Condition": {"StringEquals": {"sts:RequestContext/agentidentity:WorkloadIdentityArn": workload}},
            }
        ],
    }
    role = ram.CreateRoleRequest(role_name=name, assume_role_policy_document=json.dumps(trust), description="50% & more")
    arn = client.create_role(role).body.role.arn
    found = client.get_role(ram.GetRoleRequest(role_name=name)).body.role
    require(found.arn == arn and json.loads(found.assume_role_policy_document) == trust, "another role")
    allow = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oss:GetObject", "Resource": "*"}]}
    policy = ram.CreatePolicyRequest(policy_name=f"{name}-policy", policy_document=json.dumps(allow))
    client.create_policy(policy)
    attached = ram.AttachPolicyToRoleRequest(policy_name=f"{name}-policy", policy_type="Custom", role_name=name)
    client.attach_policy_to_role(attached)
    listed = client.list_policies_for_role(ram.ListPoliciesForRoleRequest(role_name=name)).body.policies.policy
    require([one.policy_name for one in listed] == [f"{name}-policy"], "other policies")
    refused("DeleteConflict.Role.Policy", lambda: client.delete_role(ram.DeleteRoleRequest(role_name=name)))
    return name, arn


def _oauth2_provider(emulator, vendor, included, **more):
    name = fresh("sample")
    request = control.CreateOAuth2CredentialProviderRequest(
        oauth2_credential_provider_name=name,
        credential_provider_vendor=vendor,
        oauth2_provider_config=control.OAuth2ProviderConfig(
            included_oauth2_provider_config=control.IncludedOAuth2ProviderConfig(**included)
        ),
        **more,
    )
    emulator.control().create_oauth2_credential_provider(request)
    get = control.GetOAuth2CredentialProviderRequest(oauth2_credential_provider_name=name)
    return emulator.control().get_oauth2_credential_provider(get).body.oauth2_credential_provider


def prepared_and_cleared(emulator):
    client, idp, key = emulator.control(), fresh("sample-users"), fresh("sample-key")
    inbound = _application(emulator, "WebApp", SCOPES, "http://localhost:8090")
    callback = f"https://agentidentitydata.{emulator.region}.aliyuncs.com/oauth2/callback/0f8fad5b-d9cb-469f-a165-70867728950e"
    outbound = _application(emulator, "NativeApp", f"{SCOPES};/acs/mcp-server", callback)
    client.create_identity_provider(
        control.CreateIdentityProviderRequest(
            identity_provider_name=idp, allowed_audience=[inbound], discovery_url=DISCOVERY_URL
        )
    )
    workload = fresh("sample")
    made = client.create_workload_identity(
        control.CreateWorkloadIdentityRequest(
            workload_identity_name=workload,
            identity_provider_name=idp,
            allowed_resource_oauth2_return_urls=[RETURN_URL],
        )
    ).body.workload_identity
    role, arn = _role(emulator, made.workload_identity_arn)
    client.update_workload_identity(
        control.UpdateWorkloadIdentityRequest(workload_identity_name=workload, role_arn=arn)
    )
    mcp = _oauth2_provider(emulator, "AliyunOAuth2", {"client_id": outbound}, callback_url=callback)
    require(mcp.callback_url == callback, "another callback")
    tenant = {
        "client_id": "ding-key",
        "client_secret": "synthetic-secret",
        "token_endpoint": "https://api.dingtalk.com/v1.0/oauth2/corp-1/token",
    }
    machine = _oauth2_provider(emulator, "DingTalkOAuth2", tenant, oauth_type="M2M")
    require("synthetic-secret" not in json.dumps(machine.to_map()), "the secret is shown")
    create = control.CreateAPIKeyCredentialProviderRequest(apikey_credential_provider_name=key, apikey="synthetic-key")
    client.create_apikey_credential_provider(create)
    refused("EntityAlreadyExists.APIKeyCredentialProvider", lambda: client.create_apikey_credential_provider(create))
    client.update_apikey_credential_provider(
        control.UpdateAPIKeyCredentialProviderRequest(apikey_credential_provider_name=key, apikey="synthetic-key-2")
    )
    _clear(emulator, idp, (inbound, outbound), key, (mcp, machine))
    detach = ram.DetachPolicyFromRoleRequest(policy_name=f"{role}-policy", policy_type="Custom", role_name=role)
    emulator.ram().detach_policy_from_role(detach)
    emulator.ram().delete_policy(ram.DeletePolicyRequest(policy_name=f"{role}-policy"))
    emulator.ram().delete_role(ram.DeleteRoleRequest(role_name=role))
    refused("EntityNotExist.Role", lambda: emulator.ram().get_role(ram.GetRoleRequest(role_name=role)))


def _clear(emulator, idp, applications, key, providers):
    client = emulator.control()
    listed = client.list_workload_identities(control.ListWorkloadIdentitiesRequest()).body
    bound = [one.workload_identity_name for one in listed.workload_identities if one.identity_provider_name == idp]
    require(len(bound) == 1, "other workload identities of the identity provider")
    client.delete_workload_identity(control.DeleteWorkloadIdentityRequest(workload_identity_name=bound[0]))
    client.delete_identity_provider(control.DeleteIdentityProviderRequest(identity_provider_name=idp))
    for application in applications:
        request = ims.DeleteApplicationRequest(app_id=application)
        emulator.ims().delete_application(request)
        refused("EntityNotExist.Application", lambda: emulator.ims().delete_application(request))
    left = emulator.ims().list_applications().body.applications.application
    require(not {one.app_id for one in left} & set(applications), "an application is left")
    client.delete_apikey_credential_provider(
        control.DeleteAPIKeyCredentialProviderRequest(apikey_credential_provider_name=key)
    )
    for provider in providers:
        name = provider.oauth2_credential_provider_name
        request = control.DeleteOAuth2CredentialProviderRequest(oauth2_credential_provider_name=name)
        client.delete_oauth2_credential_provider(request)
