"""Clients of the Python SDK, of both eras, as load: `clients.py URL`, with `[{"name", "era", "role", "token", "asked"}, …]` on stdin.

One line of JSON on stdout for each thing that was done: when it began and ended (monotonic seconds, the same for all processes), who did
what, and the outcome: `ok`, `gone` (404: the session is not there any longer), `anew` (what its answers belong to is not there any longer: the call begins anew), `error`,
`wrong` (not what was asked), `lost` (a stream ended without its end), `ended` (with it). Ends when stdin does.
"""

import contextlib
import json
import os
import random
import sys
import time
import warnings

import anyio
import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPDeprecationWarning

# The legacy half of this client is deprecated on purpose; it is what a legacy client uses.
warnings.simplefilter("ignore", MCPDeprecationWarning)

MARK = "cluster://mark"
MODERN = "2026-07-28"
# Far beyond any wait of the gateway's: what takes longer is lost.
PATIENCE = 60
# How long a listener waits for a notice before it makes another change. A notice that a stream in trouble lost does not come again.
NOTICE_PATIENCE = 10


class Person:
    """A client, which opens its connection anew when its session is gone."""

    def __init__(self, url, name, era, role, token, asked):
        self.url, self.name, self.era, self.token, self.asked = url, name, era, token, asked
        self.work = {"caller": self.calls, "asker": self.asks, "listener": self.listens}[role]
        self.chance = random.Random(name)
        self.sent, self.statuses, self.busy = 0, [], None
        self.noticed = anyio.Event()
        self.stops = False

    async def live(self):
        while not self.stops:
            try:
                async with self.connected() as client:
                    await self.work(client)
            except Exception as fault:
                # The SDK takes down the whole client for a connection that was lost: what it was doing then has failed with it.
                began, *doing = self.busy or (time.monotonic(), "connect", "-", "")
                self.tell(began, doing[0], doing[1], self.sort(fault), causes(fault), doing[2])
                await anyio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def connected(self):
        headers = {"Authorization": f"Bearer {self.token}", "X-Client": self.name}
        hooks = {"response": [self.responded]}
        timeout = httpx2.Timeout(PATIENCE, read=PATIENCE)
        began, self.statuses = time.monotonic(), []
        self.busy = (began, "connect", "-", "")
        async with httpx2.AsyncClient(headers=headers, event_hooks=hooks, timeout=timeout) as http:
            transport = streamable_http_client(self.url, http_client=http)
            mode = MODERN if self.era == "modern" else "legacy"
            settings = {"elicitation_callback": self.answers, "message_handler": self.received}
            async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE, cache=None, **settings) as client:
                self.tell(began, "connect", "-", "ok")
                yield client

    async def responded(self, response):
        self.statuses.append(response.status_code)

    async def answers(self, _context, params):
        """The person thinks, so that calls wait for an answer when a replica goes."""
        await anyio.sleep(0.1 + 0.4 * self.chance.random())
        return types.ElicitResult(action="accept", content={"word": f"word-of-{params.message.split()[-1].rstrip('?')}"})

    async def received(self, message):
        if getattr(message, "method", "") in ("notifications/tools/list_changed", "notifications/resources/updated"):
            self.noticed.set()

    def tell(self, began, what, server, outcome, detail="", nonce=""):
        self.busy = None
        event = {"began": began, "ended": time.monotonic(), "client": self.name, "era": self.era, "what": what, "server": server}
        print(json.dumps({**event, "outcome": outcome, "detail": detail, "nonce": nonce}), flush=True)

    def sort(self, fault):
        if self.era == "legacy":
            return "gone" if 404 in self.statuses else "error"
        return "anew" if "requestState" in str(fault) else "error"

    async def once(self, client, what, server, doing, wanted=None, nonce=""):
        """Does something and tells of it; whether the connection is still of use."""
        began, self.statuses = time.monotonic(), []
        self.busy = (began, what, server, nonce)
        try:
            found = await doing(client)
        except (MCPError, TimeoutError, httpx2.HTTPError, RuntimeError) as fault:
            outcome = self.sort(fault)
            self.tell(began, what, server, outcome, causes(fault), nonce)
            return outcome != "gone"
        is_right = wanted is None or found == wanted
        self.tell(began, what, server, "ok" if is_right else "wrong", "" if is_right else str(found), nonce)
        return True

    async def call(self, client, tool, server, wanted, **arguments):
        self.sent += 1
        nonce = f"{self.name}-{self.sent}-{os.urandom(4).hex()}"

        async def doing(client):
            result = await client.call_tool(f"{server}__{tool}", {"nonce": nonce, **arguments})
            if result.is_error:
                raise MCPError(types.INTERNAL_ERROR, f"the tool failed: {words(result)}")
            return words(result) if wanted else ""

        return await self.once(client, tool, server, doing, wanted(nonce) if wanted else None, nonce)

    async def calls(self, client):
        while not self.stops:
            kind = self.chance.random()
            if kind < 0.1:
                is_of_use = await self.once(client, "list", "-", self.lists, ["ask", "touch", "work"])
            elif kind < 0.2:
                is_of_use = await self.once(client, "read", "modern", self.reads)
            else:
                delay = {"delay": 0.3 + self.chance.random() * 0.7} if kind > 0.85 else {}
                server = self.chance.choice(["modern", "legacy", "child"])
                is_of_use = await self.call(client, "work", server, lambda nonce: nonce, **delay)
            if not is_of_use:
                return
            await anyio.sleep(0.15 * self.chance.random())

    async def lists(self, client):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        return sorted(name.partition("__")[2] for name in tools if name.startswith("modern__"))

    async def reads(self, client):
        return (await client.read_resource(MARK)).contents[0].uri == MARK or None

    async def asks(self, client):
        while not self.stops:
            server = self.chance.choice(self.asked)
            if not await self.call(client, "ask", server, lambda nonce: f"{nonce} word-of-{nonce}"):
                return
            await anyio.sleep(0.2 * self.chance.random())

    async def listens(self, client):
        if self.era == "legacy":
            await client.subscribe_resource(MARK)
            while not self.stops and await self.hears(client, self.noticed_one):
                pass
            return
        async with client.listen(tools_list_changed=True, resource_subscriptions=[MARK]) as stream:
            try:
                while not self.stops and await self.hears(client, lambda: anext(stream)):
                    pass
            except StopAsyncIteration:
                self.tell(time.monotonic(), "stream", "-", "ended")
            except SubscriptionLost as fault:
                self.tell(time.monotonic(), "stream", "-", "lost", str(fault))

    async def noticed_one(self):
        await self.noticed.wait()

    async def hears(self, client, next_one):
        """Makes a change, and hears of it. One that is heard of twice is no trouble."""
        self.noticed = anyio.Event()
        server, began = self.chance.choice(["modern", "legacy"]), time.monotonic()
        if not await self.call(client, "touch", server, None):
            return False
        try:
            with anyio.fail_after(NOTICE_PATIENCE):
                await next_one()
            self.tell(began, "notice", server, "ok")
        except TimeoutError:
            self.tell(began, "notice", server, "error", f"was not told in {NOTICE_PATIENCE} s")
        await anyio.sleep(0.3 + 0.4 * self.chance.random())
        return True


def words(result):
    return "\n".join(content.text for content in result.content if content.type == "text")


def causes(error):
    """The errors inside a group, which anyio wraps around whatever fails."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(causes(inner) for inner in error.exceptions)
    code = f" {error.error.code}" if isinstance(error, MCPError) else ""
    return f"{type(error).__name__}{code}: {error}"


async def main():
    people = [Person(sys.argv[1], **entry) for entry in json.loads(sys.stdin.readline())]

    async def stop():
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        for person in people:
            person.stops = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        for person in people:
            tasks.start_soon(person.live)


anyio.run(main)
