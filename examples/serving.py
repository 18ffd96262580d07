"""Serves an example, and says where: on http://127.0.0.1:8000, or on the PORT of the environment.

It is apart so that the examples show nothing but themselves; `uvicorn examples.single_db.app:app`
serves them as well.
"""

import contextlib
import os
import socket

import uvicorn
from fastapi import FastAPI


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # with PORT=0 only the open socket knows which port the system chose
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"Serving on http://127.0.0.1:{port}, press Ctrl-C to stop", flush=True)


def serve(app: FastAPI) -> None:
    """Serve until SIGINT or SIGTERM; requests that have begun are answered first."""
    port = int(os.environ.get("PORT", "8000"))
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
