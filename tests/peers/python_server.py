"""A server of the Python SDK that asks its client, in the shape of whichever era it is spoken to in.

    python_server.py --http      prints READY http://127.0.0.1:PORT/mcp
    python_server.py --stdio

Its tools are those of the reference servers that ask one thing.
"""

import json
import socket
import sys
import warnings

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.message import ServerMessageMetadata

# What the legacy era asks with is deprecated on purpose.
warnings.simplefilter("ignore", MCPDeprecationWarning)

FORM = {"type": "object", "properties": {"response": {"type": "string"}}, "required": ["response"]}
WEATHER = types.Tool(name="weather", description="Tells the weather", input_schema={"type": "object"})


def is_modern(context):
    return context.protocol_version >= "2026-07-28"


def form(context, arguments):
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=arguments["message"], requested_schema=FORM))


def page(context, _arguments):
    own = {} if is_modern(context) else {"elicitation_id": "page-1"}
    params = types.ElicitRequestURLParams(message="Please sign in", url="https://example.com/sign-in?state=%20", **own)
    return types.ElicitRequest(params=params)


def sample(text, **more):
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=100, **more)
    return types.CreateMessageRequest(params=params)


def completion(_context, arguments):
    return sample(arguments["prompt"])


def completion_with_tools(_context, _arguments):
    return sample("How is the weather?", tools=[WEATHER], tool_choice=types.ToolChoice(mode="required"))


def roots(_context, _arguments):
    return types.ListRootsRequest()


def elicited(answer):
    return f"User response: action={answer.action}, content={json.dumps(answer.content or {})}"


def sampled(answer):
    return f"LLM response: {answer.content.text}"


def used(answer):
    content = answer.content if isinstance(answer.content, list) else [answer.content]
    use = next(block for block in content if block.type == "tool_use")
    return f"LLM used {use.name} with {json.dumps(use.input, ensure_ascii=False)}"


def listed(answer):
    return f"Roots: {', '.join(str(root.uri) for root in answer.roots)}"


# Name: question, type of the answer, text of the result.
TOOLS = {
    "test_elicitation": (form, types.ElicitResult, elicited),
    "test_elicitation_url": (page, types.ElicitResult, elicited),
    "test_sampling": (completion, types.CreateMessageResult, sampled),
    "test_sampling_with_tools": (completion_with_tools, types.CreateMessageResultWithTools, used),
    "test_input_required_result_list_roots": (roots, types.ListRootsResult, listed),
}


async def list_tools(_context, _params):
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in TOOLS])


async def call_tool(context, params):
    ask, kind, tell = TOOLS[params.name]
    question = ask(context, params.arguments or {})
    if not is_modern(context):
        about = ServerMessageMetadata(related_request_id=context.request_id)
        answer = await context.session.send_request(question, kind, metadata=about)
    elif params.input_responses:
        answer = params.input_responses["answer"]
    else:
        return types.InputRequiredResult(input_requests={"answer": question})
    return types.CallToolResult(content=[types.TextContent(type="text", text=tell(answer))])


SERVER = Server("reference-python", on_list_tools=list_tools, on_call_tool=call_tool)


async def serve_stdio():
    async with stdio_server() as (read, write):
        await SERVER.run(read, write, SERVER.create_initialization_options())


async def serve_http():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # Whoever is told that it is ready may connect at once.
    listener.listen()
    app = SERVER.streamable_http_app()
    print(f"READY http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listener])


anyio.run(serve_http if sys.argv[1] == "--http" else serve_stdio)
