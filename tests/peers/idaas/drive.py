"""Drives the vendor's Python packages, unchanged, against the emulator of Alibaba Cloud IDaaS.

    drive.py FOLDER PORT

FOLDER is what `prepare.py` made, with the first line of `identity-emulator serve --json` in `approve.json`; PORT is that of the TLS proxy.
The last line of the output is `N passed, N failed`; the exit status is 0 only if none failed.
"""

import json
import logging
import os
import sys
from pathlib import Path

from harness import CheckFailed, Tally, announced_in, require

FOLDER, PORT = Path(sys.argv[1]), sys.argv[2]
# Read when the packages are loaded and for each connection.
os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(FOLDER / "authority.pem")

from cloud_idaas.core import IDaaSCredentialProviderFactory as Factory  # noqa: E402
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient  # noqa: E402

API = "https://api.example.com|read:file"
PAM = "urn:cloud:idaas:pam|.all"


class Bearer:
    """A credential provider with one user's token and nothing of the process."""

    def __init__(self, token):
        self.token = token

    def get_bearer_token(self):
        return self.token


class Peer:
    def __init__(self):
        self.announced = announced_in(FOLDER / "approve.json")["idaas"]
        os.environ["PEER_SECRET"] = self.announced["client_secret"]
        for name in ("rsa", "rsa3072", "ec"):
            os.environ[f"PEER_{name.upper()}"] = (FOLDER / f"{name}.pem").read_text(encoding="ascii")

    def init(self, scope=PAM, **authentication):
        """The vendor's factory, from a configuration file, afresh; fetches a token at once."""
        Factory.reset()
        configuration = {
            "idaasInstanceId": self.announced["instance_id"],
            "clientId": self.announced["client_id"],
            "issuer": self.announced["issuer"],
            "tokenEndpoint": self.announced["token_endpoint"],
            "developerApiEndpoint": f"127.0.0.1:{PORT}",
            "scope": scope,
            "authnConfiguration": {"identityType": "CLIENT"} | authentication,
        }
        file = FOLDER / "client-config.json"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        Factory.init(str(file))

    def by_secret(self, scope=PAM, method="CLIENT_SECRET_BASIC"):
        self.init(scope, authnMethod=method, clientSecretEnvVarName="PEER_SECRET")

    def machine(self):
        self.by_secret()
        return IDaaSPamClient()

    def of_user(self, user):
        self.by_secret()
        exchange = Factory.get_idaas_token_exchange_credential_provider_by_scope(PAM)
        inbound = self.announced["user_tokens"][user]
        access_token = "urn:ietf:params:oauth:token-type:access_token"
        credential = exchange.get_credential(inbound, access_token, access_token)
        return IDaaSPamClient(credential_provider=Bearer(credential.get_access_token()))


def secrets_in_every_form(peer):
    for method in ("CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST", "CLIENT_SECRET_JWT"):
        peer.by_secret(API, method)
        token = Factory.get_idaas_credential_provider_by_scope(API).get_bearer_token()
        require(token.count(".") == 2, method)


def keys_of_every_kind(peer):
    for name in ("RSA", "RSA3072", "EC"):
        peer.init(API, authnMethod="PRIVATE_KEY_JWT", privateKeyEnvVarName=f"PEER_{name}")
        require(Factory.get_idaas_credential_provider_by_scope(API).get_bearer_token(), name)


def refused(call):
    try:
        call()
    except Exception as error:  # the packages raise errors of many families, some without a text
        return error
    raise CheckFailed("expected a refusal, but the call went through")


def what_is_wrong_is_refused(peer):
    os.environ["PEER_WRONG"] = "CSwrong-and-long-enough-for-a-secret"
    for method in ("CLIENT_SECRET_BASIC", "CLIENT_SECRET_POST", "CLIENT_SECRET_JWT"):
        error = refused(lambda: peer.init(API, authnMethod=method, clientSecretEnvVarName="PEER_WRONG"))
        while getattr(error, "error_code", None) != "invalid_client" and error.__context__ is not None:
            error = error.__context__
        require(getattr(error, "error_code", None) == "invalid_client", f"{method}: invalid_client")
    refused(lambda: peer.by_secret("https://api.example.com|delete:file"))


def a_hosted_key(peer):
    client = peer.machine()
    require(client.get_api_key("llm key") == "synthetic-shared", "the shared key")
    refused(lambda: client.get_api_key("own"))
    refused(lambda: client.get_api_key("nothing"))


def users_do_not_mix(peer):
    alice, bob = peer.of_user("alice"), peer.of_user("bob")
    for _ in range(2):
        require(alice.get_api_key("own") == "synthetic-of-alice", "alice's own key")
        require(bob.get_api_key("own") == "synthetic-of-bob", "bob's own key")


def tokens_of_third_parties(peer):
    fetched = peer.machine().fetch_oauth_authentication_token_v2("reports", "m2m", scope="read")
    require(fetched.oauth_access_token_content.access_token_value, "the machine's token")
    shown = []
    fetched = peer.of_user("alice").poll_oauth_authentication_token("calendar", shown.append)
    require(fetched.oauth_access_token_content.scope == "read", "the user's token")
    require(len(shown) == 1 and "state=" in shown[0], "one link")


def minted_jwts(peer):
    client = peer.machine()
    made = client.generate_jwt_authentication_token(
        "internal", "user-1", ["https://api.example.com"], expiration=900, include_derived_short_token=True
    )
    jwt, short = made.jwt_content.jwt_value, made.jwt_content.derived_short_token
    require(client.validate_authentication_token(jwt) is True, "active")
    again = client.obtain_jwt_authentication_token_by_derived_short_token(short)
    require(again.jwt_value == jwt, "the same JWT")
    listed = client.list_authentication_tokens("app_peer", "internal", revoked=False, expired=False)
    require(listed.total_count == 1, "one in the list")
    client.revoke_authentication_token(jwt)
    require(client.validate_authentication_token(jwt) is False, "revoked")
    client.reinstate_authentication_token(jwt)
    require(client.validate_authentication_token(short) is True, "reinstated")
    client.revoke_authentication_token_by_consumer("app_peer", "internal")
    require(client.validate_authentication_token(jwt) is False, "revoked with its consumer")


CHECKS = [
    secrets_in_every_form,
    keys_of_every_kind,
    what_is_wrong_is_refused,
    a_hosted_key,
    users_do_not_mix,
    tokens_of_third_parties,
    minted_jwts,
]


def main():
    # The packages log names of users and links.
    logging.disable(logging.CRITICAL)
    peer, tally = Peer(), Tally()
    for check in CHECKS:
        with tally.check(check.__name__):
            check(peer)
    tally.exit()


main()
