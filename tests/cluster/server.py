"""A tool server of the Python SDK, in whichever era it is spoken to: `server.py --http ADDRESS PORT` (prints READY), or `server.py --stdio`.

Each call has a nonce; what was done is one line in the file EXECUTED, so that a call that was done twice, or not at all, shows.

    work   is done, waits `delay` seconds, answers with the nonce
    ask    asks the user in mid-call, is done when the answer is there, answers with both
    touch  changes the list of tools and the resource cluster://mark, and tells everybody who listens
"""

import asyncio
import os
import sys
import warnings

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.message import ServerMessageMetadata

# What the legacy era asks with is deprecated on purpose.
warnings.simplefilter("ignore", MCPDeprecationWarning)

MARK = "cluster://mark"
FORM = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
# How long a legacy client may take to be told of a change: one that is gone never takes it.
PATIENCE = 5

bus = InMemorySubscriptionBus()
# The last word with each legacy session, through which it can be told of changes.
sessions = {}
state = {"mark": 0}
tellers = set()


def done(nonce):
    """One write of one line: lines of several processes never mix."""
    file = os.open(os.environ["EXECUTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{nonce}\n".encode())
    os.close(file)


def is_modern(context):
    return context.protocol_version >= "2026-07-28"


def text(words):
    return types.CallToolResult(content=[types.TextContent(type="text", text=words)])


def remember(context):
    if not is_modern(context) and context.request is not None:
        sessions[context.request.headers.get("mcp-session-id")] = context.session


async def work(_context, arguments):
    done(arguments["nonce"])
    await anyio.sleep(arguments.get("delay", 0))
    return text(arguments["nonce"])


async def ask(context, arguments):
    question = types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=f"What is the word of {arguments['nonce']}?", requested_schema=FORM)
    )
    if not is_modern(context):
        about = ServerMessageMetadata(related_request_id=context.request_id)
        answer = await context.session.send_request(question, types.ElicitResult, metadata=about)
    elif arguments["answers"]:
        answer = arguments["answers"]["word"]
    else:
        return types.InputRequiredResult(input_requests={"word": question}, request_state=arguments["nonce"])
    done(arguments["nonce"])
    return text(f"{arguments['nonce']} {(answer.content or {}).get('word')}")


async def tell(session):
    with anyio.move_on_after(PATIENCE):
        await session.send_tool_list_changed()
        await session.send_resource_updated(MARK)


async def touch(_context, arguments):
    done(arguments["nonce"])
    state["mark"] += 1
    await bus.publish(ToolsListChanged())
    await bus.publish(ResourceUpdated(uri=MARK))
    for session in sessions.values():
        # Nobody waits for one that does not listen any longer.
        teller = asyncio.create_task(tell(session))
        tellers.add(teller)
        teller.add_done_callback(tellers.discard)
    return text(f"{arguments['nonce']} {state['mark']}")


TOOLS = {"work": work, "ask": ask, "touch": touch}


async def list_tools(context, _params):
    remember(context)
    schema = {"type": "object", "properties": {"nonce": {"type": "string"}, "delay": {"type": "number"}}, "required": ["nonce"]}
    tools = [types.Tool(name=name, description=f"as of {state['mark']}", input_schema=schema) for name in TOOLS]
    return types.ListToolsResult(tools=tools)


async def call_tool(context, params):
    remember(context)
    return await TOOLS[params.name](context, {**(params.arguments or {}), "answers": getattr(params, "input_responses", None)})


async def list_resources(context, _params):
    remember(context)
    return types.ListResourcesResult(resources=[types.Resource(uri=MARK, name="mark")])


async def read_resource(_context, params):
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=str(state["mark"]))])


async def subscribed(context, _params):
    remember(context)
    return types.EmptyResult()


SERVER = Server(
    "cluster",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_read_resource=read_resource,
    on_subscribe_resource=subscribed,
    on_unsubscribe_resource=subscribed,
    on_subscriptions_listen=ListenHandler(bus),
)


async def serve_stdio():
    async with stdio_server() as (read, write):
        options = SERVER.create_initialization_options(NotificationOptions(tools_changed=True))
        await SERVER.run(read, write, options)


async def serve_http(address, port):
    app = SERVER.streamable_http_app(host=address)
    # A connection that is closed while a cable is out looks open to the other side, and its next call fails: that is another matter.
    config = uvicorn.Config(app, host=address, port=port, log_level="warning", timeout_keep_alive=3600)
    server = uvicorn.Server(config)

    async def announce():
        while not server.started:
            await anyio.sleep(0.01)
        print("READY", flush=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        tasks.start_soon(announce)


if sys.argv[1] == "--stdio":
    anyio.run(serve_stdio)
else:
    anyio.run(serve_http, sys.argv[2], int(sys.argv[3]))
