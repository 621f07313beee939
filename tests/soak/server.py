#!/usr/bin/env python3
"""A server that answers with what it was given: of both eras, over stdio, or over HTTP with `--http`.

`echo` answers `nonce`; after `delay` seconds where there is one, so that a kill finds it in the middle of a call. `--fork` lets a process
of its own do the work and waits for it, as wrappers do.
"""

import asyncio
import json
import os
import sys

MODERN = "2026-07-28"
TOOL = {
    "name": "echo",
    "inputSchema": {"type": "object", "properties": {"nonce": {"type": "string"}, "delay": {"type": "number"}}},
    "annotations": {"readOnlyHint": False},
}
IMPLEMENTATION = {"name": "soak", "version": "1"}


async def result(method, params, is_modern):
    """The result of a request; None where there is no such method."""
    of_era = {"resultType": "complete"} if is_modern else {}
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": IMPLEMENTATION}
    if method == "server/discover" and is_modern:
        offer = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "serverInfo": IMPLEMENTATION}
        return {**of_era, **offer, "ttlMs": 60000, "cacheScope": "public"}
    if method == "tools/list":
        caching = {"ttlMs": 1000, "cacheScope": "public"} if is_modern else {}
        return {**of_era, "tools": [TOOL], **caching}
    if method == "tools/call":
        arguments = params.get("arguments", {})
        await asyncio.sleep(arguments.get("delay", 0))
        return {**of_era, "content": [{"type": "text", "text": arguments.get("nonce", "")}]}
    return {} if method == "ping" else None


async def answer(message):
    """The answer to a message; None to a notification."""
    if "id" not in message or "method" not in message:
        return None
    params = message.get("params") or {}
    is_modern = (params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion") == MODERN
    found = await result(message["method"], params, is_modern)
    envelope = {"jsonrpc": "2.0", "id": message["id"]}
    return {**envelope, "result": found} if found is not None else {**envelope, "error": {"code": -32601, "message": "Method not found"}}


async def over_stdio():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    calls = set()

    async def respond(line):
        said = await answer(json.loads(line))
        if said is not None:
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()

    while line := await reader.readline():
        call = asyncio.create_task(respond(line))
        calls.add(call)
        call.add_done_callback(calls.discard)


async def over_http():
    async def converse(reader, writer):
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                lines = head.split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                if not head.startswith("POST"):
                    writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                    continue
                said = await answer(json.loads(body))
                if said is None:
                    writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                    continue
                text = json.dumps(said).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if "--fork" in sys.argv and (child := os.fork()):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
    asyncio.run(over_http() if "--http" in sys.argv else over_stdio())
