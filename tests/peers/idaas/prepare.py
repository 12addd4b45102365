"""Makes what the other scripts need in a folder: a certificate authority, a certificate for loopback, keys, a seed.

    prepare.py FOLDER
"""

import json
import sys
from pathlib import Path

import authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PAM = "urn:cloud:idaas:pam"


def private(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def main(folder):
    keys = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "rsa3072": rsa.generate_private_key(65537, 3072),
        "ec": ec.generate_private_key(ec.SECP384R1()),
    }
    agent = {
        "client_id": "app_peer",
        "client_secret": "CSpeer+secret/0001=and-long-enough",
        "public_keys": [public(key) for key in keys.values()],
        "permissions": {PAM: [".all"], "https://api.example.com": ["read:file"]},
    }
    seed = {
        "instance": "idaas_peer",
        "applications": [agent],
        "api_keys": [
            {"identifier": "llm key", "apikey": "synthetic-shared"},
            {"identifier": "own", "apikey": "synthetic-of-alice", "exclusive_user": "alice"},
            {"identifier": "own", "apikey": "synthetic-of-bob", "exclusive_user": "bob"},
        ],
        "oauth2_providers": [
            {"identifier": "reports", "builtin": True, "flow": "m2m"},
            {"identifier": "calendar", "builtin": True, "flow": "user_federation", "scopes": ["read"]},
        ],
        "jwt_providers": [{"identifier": "internal"}],
    }
    authority.make(folder)
    for name, key in keys.items():
        (folder / f"{name}.pem").write_text(private(key), encoding="ascii")
    (folder / "seed.json").write_text(json.dumps({"idaas": seed}), encoding="utf-8")


main(Path(sys.argv[1]))
