"""An application behind the protocol of our workers, on a real port of this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from lightloop.service.processes.heads import Heads


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    """Listen; the address. Connections that stay are broken off at the end."""
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    place = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(
        lambda: Heads(config=config, server_state=state, app_state={}), sock=place
    )
    try:
        yield place.getsockname()
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
