"""Ends TLS on a free loopback port, which it prints, and hands the bytes on to the emulator.

    tls.py FOLDER
"""

import json
import socket
import ssl
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 60


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(folder, context, plain):
    plain.settimeout(PATIENCE)
    # Announced after this proxy began, for its port is in the issuer.
    announced = json.loads((folder / "approve.json").read_text(encoding="utf-8"))
    upstream = urlsplit(announced["idaas"]["developer_api_endpoint"])
    try:
        with context.wrap_socket(plain, server_side=True) as client:
            with socket.create_connection((upstream.hostname, upstream.port), PATIENCE) as emulator:
                back = threading.Thread(target=copy, args=(emulator, client), daemon=True)
                back.start()
                copy(client, emulator)
                back.join(PATIENCE)
    except OSError:
        pass


def main(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(folder, context, plain), daemon=True).start()


main(Path(sys.argv[1]))
