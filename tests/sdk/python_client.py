"""The Python SDK's client against one server behind the gateway: python_client.py URL MODE SERVER

MODE is auto, legacy or a modern revision. Prints one JSON line for each check: {"check": ..., "error": null or a text}.
"""

import json
import sys
import warnings
from collections.abc import Awaitable, Callable

import anyio
import mcp_types as types
from mcp import Client, MCPError
from mcp.shared.exceptions import MCPDeprecationWarning

# The legacy half of this client is deprecated on purpose; it is what a legacy client uses.
warnings.simplefilter("ignore", MCPDeprecationWarning)

CHECK_SECONDS = 20
WATCHED = "test://watched-resource"
URL, MODE, SERVER = sys.argv[1:4]


async def elicited(_context, params):
    if params.mode == "url":
        is_right = params.url == "https://example.com/sign-in?state=%20"
        return types.ElicitResult(action="accept" if is_right else "decline")
    content = {key: True if schema["type"] == "boolean" else f"my {key}" for key, schema in params.requested_schema["properties"].items()}
    return types.ElicitResult(action="accept", content=content)


async def sampled(_context, params):
    if params.tools:
        used = types.ToolUseContent(type="tool_use", id="use-1", name=params.tools[0].name, input={"city": "Zürich"})
        return types.CreateMessageResultWithTools(role="assistant", content=[used], model="none", stop_reason="toolUse")
    text = types.TextContent(type="text", text="sampled words")
    return types.CreateMessageResult(role="assistant", content=text, model="none", stop_reason="endTurn")


async def rooted(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///project", name="project")])


def client(**settings):
    return Client(URL, mode=MODE, read_timeout_seconds=CHECK_SECONDS, **settings)


def asked():
    """A client that answers every kind of question."""
    able = types.SamplingCapability(tools=types.SamplingToolsCapability())
    return client(
        elicitation_callback=elicited, sampling_callback=sampled, sampling_capabilities=able, list_roots_callback=rooted
    )


def is_modern(connected):
    return connected.protocol_version >= "2026-07-28"


def text_of(result):
    return "\n".join(content.text for content in result.content if content.type == "text")


async def call_and_find(connected, name, arguments, wanted):
    answer = text_of(await connected.call_tool(name, arguments))
    assert wanted in answer, f"{name} answered {answer}"


async def lists():
    async with client() as connected:
        tools = [tool.name for tool in (await connected.list_tools()).tools]
        assert "test_simple_text" in tools, tools
        assert len((await connected.list_resources()).resources) == 3
        assert len((await connected.list_resource_templates()).resource_templates) == 1
        assert len((await connected.list_prompts()).prompts) == 5


async def carries_arguments():
    async with client() as connected:
        sent = {"text": "naïve 世界", "big": 2**53 - 1, "list": [None, True, {}]}
        assert json.loads(text_of(await connected.call_tool("test_echo", sent))) == sent


async def reads_resources():
    async with client() as connected:
        contents = (await connected.read_resource("test://static-text")).contents
        assert contents[0].text == "This is the content of the static text resource."


async def gets_prompts():
    async with client() as connected:
        prompt = await connected.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        assert "arg1='a'" in prompt.messages[0].content.text
        ref = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        completed = await connected.complete(ref, {"name": "arg1", "value": "par"})
        assert completed.completion.values == ["paris", "park", "party"]


async def reports_progress():
    seen = []

    async def progressed(progress, _total, _message):
        seen.append(progress)

    async with client() as connected:
        await connected.call_tool("test_tool_with_progress", {}, progress_callback=progressed)
    assert seen == [0, 50, 100], seen


async def delivers_logs():
    logs = []

    async def logged(params):
        logs.append(params.data)

    async with client(logging_callback=logged, log_level="info") as connected:
        if not is_modern(connected):
            await connected.set_logging_level("info")
        await connected.call_tool("test_tool_with_logging", {})
        with anyio.fail_after(CHECK_SECONDS):
            while sum(log.startswith("Tool ") for log in logs) < 3:
                await anyio.sleep(0.02)


async def tells_of_tools():
    heard = anyio.Event()

    async def received(message):
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            heard.set()

    async with client(message_handler=received) as connected:
        if is_modern(connected):
            async with connected.listen(tools_list_changed=True) as changes:
                await connected.call_tool("test_trigger_tool_change", {})
                async for _change in changes:
                    return
        await connected.subscribe_resource(WATCHED)
        await connected.call_tool("test_trigger_tool_change", {})
        await heard.wait()


async def asks():
    async with asked() as connected:
        await call_and_find(connected, "test_elicitation", {"message": "Name?"}, "my response")
        await call_and_find(connected, "test_elicitation_url", {}, "action=accept")
        await call_and_find(connected, "test_sampling", {"prompt": "Hello"}, "sampled words")
        await call_and_find(connected, "test_sampling_with_tools", {}, "LLM used weather with")
        await call_and_find(connected, "test_input_required_result_list_roots", {}, "file:///project")


async def asks_in_rounds():
    async with asked() as connected:
        await call_and_find(connected, "test_input_required_result_multi_round", {}, "my name likes my color")


async def refuses_the_unknown():
    async with client() as connected:
        try:
            result = await connected.call_tool("test_no_such_tool", {})
        except MCPError as error:
            assert error.error.code == -32602, error.error
            return
        assert result.is_error, "an unknown tool was called"


def one_call(name, arguments, wanted):
    async def check():
        async with client() as connected:
            await call_and_find(connected, name, arguments, wanted)

    return check


async def let_in(connected):
    # Two a second: somebody else may have had the last one.
    for _ in range(20):
        try:
            return await connected.call_tool("web_search", {"query": "queues"})
        except MCPError:
            await anyio.sleep(0.2)
    raise AssertionError("is never let in again")


async def hears_of_a_limit():
    async with client() as connected:
        await let_in(connected)
        try:
            await connected.call_tool("web_search", {"query": "queues"})
        except MCPError as error:
            assert error.error.code == 1004, error
            assert error.error.data["policy"] == "tool-1", error.error.data
        else:
            raise AssertionError("was not refused")
        await let_in(connected)


REFERENCE = {
    "lists": lists,
    "carries arguments": carries_arguments,
    "reads resources": reads_resources,
    "gets prompts": gets_prompts,
    "reports progress": reports_progress,
    "delivers logs": delivers_logs,
    "tells of tools": tells_of_tools,
    "asks": asks,
    "asks in rounds": asks_in_rounds,
    "refuses the unknown": refuses_the_unknown,
}
EVERYTHING = {"adds": one_call("get-sum", {"a": 2, "b": 40}, "42"), "echoes": one_call("echo", {"message": "grüße"}, "grüße")}
CHECKS = {
    **dict.fromkeys(("modern-http", "legacy-http", "modern-stdio", "legacy-stdio"), REFERENCE),
    **dict.fromkeys(
        ("python-modern-http", "python-legacy-http", "python-modern-stdio", "python-legacy-stdio"), {"asks": asks}
    ),
    **dict.fromkeys(("everything-http", "everything-stdio"), EVERYTHING),
    "limited": {"hears of a limit and goes on": hears_of_a_limit},
    "memory-stdio": {"remembers": one_call("read_graph", {}, "entities")},
    "time-stdio": {"tells the time": one_call("get_current_time", {"timezone": "Etc/UTC"}, "UTC")},
}


def causes(error):
    """The errors inside a group, which anyio wraps around whatever fails."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


async def outcome(check: Callable[[], Awaitable[None]]):
    try:
        with anyio.fail_after(CHECK_SECONDS):
            await check()
    except Exception as error:
        return "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes(error))
    return None


async def main():
    for name, check in CHECKS.get(SERVER, {}).items():
        print(json.dumps({"check": name, "error": await outcome(check)}), flush=True)


anyio.run(main)
