"""A hostile stdio server: it behaves until it reaches a stage, and then does what it is told to.

    hostile.py [STAGE ACT]

Stages: start, initialize, list, call. At `call` only the tool `bad` is hostile, and `echo` answers with what it is given; earlier stages are
hostile to everybody. Acts: see ACTS. It speaks 2025-11-25 and holds nothing that it makes: a result of a gigabyte is written in pieces.
"""

import json
import os
import signal
import subprocess
import sys
import time

GIB = 1 << 30
PIECE = b"x" * (1 << 16)


def write(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]


def say(message):
    write(json.dumps(message).encode() + b"\n")


def result(request, value):
    say({"jsonrpc": "2.0", "id": request["id"], "result": value})


def text(said):
    return {"content": [{"type": "text", "text": said}]}


def sleep_for_ever():
    while True:
        time.sleep(3600)


def hang(request):
    sleep_for_ever()


def crash(request):
    os._exit(7)


def kill_itself(request):
    os.kill(os.getpid(), signal.SIGKILL)


def fork(request):
    """Grandchildren: one beside it, one in a session of its own; then it ends."""
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    os._exit(0)


def flood_stdout(request):
    while True:
        write(b"this is no message\n" * 1000)


def flood_stderr(request):
    """For ever, in another process; the call is answered."""
    if os.fork() == 0:
        while True:
            os.write(2, b"a line that nobody wants to read\n" * 1000)
    answer(request)


def drip(request):
    """One byte at a time, for ever."""
    for byte in b'{"jsonrpc":"2.0","id":':
        write(bytes([byte]))
    while True:
        write(b" ")
        time.sleep(0.02)


def late(request):
    """After the call was given up, and after the answer to the next one."""
    for line in sys.stdin.buffer:
        following = json.loads(line)
        if following.get("method") == "tools/call":
            answer(following)
            answer(request)
            return


def twice(request):
    answer(request)
    answer(request)
    result(request, text("of somebody else"))


def foreign(request):
    """Under ids that are nobody's, and then under its own."""
    for own in [99999, "text", None, -1, 1.5]:
        say({"jsonrpc": "2.0", "id": own, "result": text("of somebody else")})
    answer(request)


def close_stdin(request):
    os.close(0)
    sleep_for_ever()


def close_stdout(request):
    os.close(1)
    sleep_for_ever()


def huge(request):
    """A result of a gigabyte, which nobody holds."""
    write(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"' % request["id"])
    for _ in range(GIB // len(PIECE)):
        write(PIECE)
    write(b'"}]}}\n')


def endless(request):
    write(b'{"jsonrpc":"2.0","id":')
    while True:
        write(PIECE)


def stop(request):
    """Like a process that the system does not let run."""
    os.kill(os.getpid(), signal.SIGSTOP)


ACTS = {
    act.__name__: act
    for act in [
        hang, crash, kill_itself, fork, flood_stdout, flood_stderr, drip, late, twice, foreign, close_stdin, close_stdout, huge, endless, stop,
    ]
}


def tool(name):
    return {"name": name, "inputSchema": {"type": "object"}}


def answer(request):
    method = request["method"]
    if method == "initialize":
        own = {"tools": {}}
        result(request, {"protocolVersion": "2025-11-25", "capabilities": own, "serverInfo": {"name": "hostile", "version": "1"}})
    elif method == "tools/list":
        result(request, {"tools": [tool("echo"), tool("bad")]})
    elif method == "tools/call":
        result(request, text(request["params"].get("arguments", {}).get("nonce", "")))
    elif method == "ping":
        result(request, {})
    else:
        say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})


def stage_of(request):
    method = request["method"]
    if method == "tools/call" and request["params"]["name"] == "bad":
        return "call"
    return {"initialize": "initialize", "tools/list": "list"}.get(method)


def main():
    stage, act = sys.argv[1:3] if len(sys.argv) > 2 else ("", "hang")
    if stage == "start":
        ACTS[act]({"id": 0, "method": "initialize"})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        if stage_of(request) == stage:
            ACTS[act](request)
        else:
            answer(request)


main()
