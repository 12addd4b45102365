"""The vendor's own server with a handler of many cases, for a comparison with ours.

Prints its port on the first line and serves until its standard input ends.
"""

import logging
import os
import socket
import sys
import threading

import uvicorn
from greennode_agentbase import GreenNodeAgentBaseApp

app = GreenNodeAgentBaseApp()
tasks = []


async def counted(items, fails):
    for item in items:
        yield item
    if fails:
        raise ValueError("synthetic-secret")


@app.entrypoint
async def handler(payload, context):
    do = payload.get("do") if isinstance(payload, dict) else None
    if do == "context":
        custom = {name.lower(): value for name, value in (context.request_headers or {}).items()}
        return {
            "session_id": context.session_id,
            "user_id": context.user_id,
            "tenant": custom.get("x-greennode-agentbase-custom-tenant"),
            "authorization": custom.get("authorization"),
        }
    if do in ("stream", "broken stream"):
        return counted(payload["items"], fails=do == "broken stream")
    if do == "fail":
        raise ValueError("synthetic-secret")
    if do == "begin task":
        tasks.append(app.add_async_task("index"))
    if do == "end task":
        app.complete_async_task(tasks.pop())
    return payload


def end_with_input():
    sys.stdin.read()
    os._exit(0)


listener = socket.create_server(("127.0.0.1", 0))
logging.disable(logging.CRITICAL)
threading.Thread(target=end_with_input, daemon=True).start()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])
