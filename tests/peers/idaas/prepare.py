"""Makes what the other scripts need in a folder: a certificate authority, a certificate for loopback, keys, a seed.

    prepare.py FOLDER
"""

import datetime
import ipaddress
import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

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


def certificate(name, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def main(folder):
    root, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = certificate(
        named("peer root"),
        root,
        named("peer root"),
        root,
        [(x509.BasicConstraints(ca=True, path_length=0), True), (usage, True)],
    )
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = certificate(named("peer"), server, named("peer root"), root, [(loopback, False)])
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
    (folder / "ca.pem").write_text(ca, encoding="ascii")
    (folder / "server.pem").write_text(leaf + private(server), encoding="ascii")
    for name, key in keys.items():
        (folder / f"{name}.pem").write_text(private(key), encoding="ascii")
    (folder / "seed.json").write_text(json.dumps({"idaas": seed}), encoding="utf-8")


main(Path(sys.argv[1]))
