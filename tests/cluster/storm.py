"""Raw requests of one principal, as fast as they are answered: how many are let in."""

import asyncio
import json

import httpx2

MODERN, LEGACY = "2026-07-28", "2025-11-25"
# Requests that are under way at the same time.
AT_ONCE = 12
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
OWN = {"protocolVersion": MODERN, "clientCapabilities": {}, "clientInfo": {"name": "storm", "version": "1"}}
META = {"_meta": {f"io.modelcontextprotocol/{key}": value for key, value in OWN.items()}}


class Odd(Exception):
    """An answer that is neither service nor refusal."""


def let_in(url, token, count):
    """How many of so many lists, of the modern era, are let in."""
    return asyncio.run(storm(url, token, count))


def client(token, **headers):
    limits = httpx2.Limits(max_connections=AT_ONCE)
    return httpx2.AsyncClient(headers={**HEADERS, "Authorization": f"Bearer {token}", "X-Client": "storm", **headers}, timeout=60, limits=limits)


async def storm(url, token, count):
    async with client(token, **{"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}) as http:
        async def one(number):
            answer = await http.post(url, json={"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": META})
            if answer.status_code not in (200, 429):
                raise Odd(f"{answer.status_code} {answer.text}")
            return answer.status_code == 200

        return sum(await asyncio.gather(*(one(number) for number in range(count))))


def let_in_of_session(opened_at, url, token, most):
    """How many calls a legacy session makes before it is refused: opened at one address, used at another."""
    return asyncio.run(session(opened_at, url, token, most))


async def session(opened_at, url, token, most):
    async with client(token) as http:
        info = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "storm", "version": "1"}}
        opened = await http.post(opened_at, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info})
        headers = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": LEGACY}
        await http.post(opened_at, headers=headers, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        for number in range(1, most + 1):
            answer = await http.post(url, headers=headers, json={"jsonrpc": "2.0", "id": number, "method": "tools/list"})
            if is_refusal(answer):
                return number - 1
            if answer.status_code != 200:
                raise Odd(f"{answer.status_code} {answer.text}")
        return most


def is_refusal(answer):
    return answer.status_code == 429 or (answer.status_code == 200 and '"code":1004' in json.dumps(answer.text).replace("\\", ""))
