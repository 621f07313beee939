"""A rotation of the sealing key as docs/kubernetes.md has it, with real gateways under the configurations that the chart renders: of two
neighbouring stages, each takes what the other one sealed, since both are there while pods roll."""

import http.client
import json
import os
import re
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

STAGES = [["sealing-key"], ["sealing-key", "autumn"], ["autumn", "sealing-key"], ["autumn"]]
MODERN, LEGACY = "2026-07-28", "2025-11-25"
PATIENCE = 60


@contextmanager
def gateway(program, text, folder):
    """A gateway with the rendered file on this machine: its own ports, its keys in a folder, and a page for each tool."""
    config = yaml.safe_load(text.replace("/run/sealing/", f"{folder}/"))
    config |= {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "replicas": {**config["replicas"], "listen": "127.0.0.1:0", "address": None},
        "lists": {"pageSize": 1},
        "mcpServers": {"search": {"command": str(program), "args": ["demo", "search"]}},
        "drain": "1s",
    }
    del config["replicas"]["address"]
    with tempfile.TemporaryDirectory() as own:
        file = Path(own, "myelin.json")
        file.write_text(json.dumps(config))
        with open(Path(own, "log"), "wb") as log:
            env = {"PATH": os.environ["PATH"]}
            process = subprocess.Popen([str(program), "run", str(file)], stdout=subprocess.PIPE, stderr=log, env=env)
        try:
            ready = process.stdout.readline()
            assert ready, Path(own, "log").read_text()
            yield int(re.search(r":(\d+)/", json.loads(ready)["endpoints"][0]).group(1))
        finally:
            process.terminate()
            process.wait(PATIENCE)


def ask(port, method, params, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
    connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), sent)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def page(port, **params):
    """A page of tools, as a modern client asks for it."""
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
    answer, body = ask(port, "tools/list", {**params, "_meta": meta}, **headers)
    return json.loads(body)["result"] if answer.status == 200 and b'"result"' in body else f"{answer.status}: {body}"


def session(port):
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "rotation", "version": "1"}}
    answer, _ = ask(port, "initialize", params)
    return {"mcp-session-id": answer.getheader("mcp-session-id"), "mcp-protocol-version": LEGACY}


def refusals(maker, taker):
    """What the one refuses of what the other sealed."""
    cursor = page(maker)["nextCursor"]
    found = page(taker, cursor=cursor)
    refused = [] if "tools" in found else [f"a cursor: {found}"]
    answer, body = ask(taker, "tools/list", {}, **session(maker))
    return refused + ([] if answer.status == 200 else [f"a session: {answer.status}: {body}"])


def check(rendered, program):
    """What is wrong between each stage and the next, by their names; `rendered` gives the configuration under such names of keys."""
    problems = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in {key for stage in STAGES for key in stage}:
            Path(folder, name).write_text(f"{name:-<64}")
        for before, after in zip(STAGES, STAGES[1:]):
            with ExitStack() as stack:
                old, new = (stack.enter_context(gateway(program, rendered(stage), folder)) for stage in (before, after))
                said = [f"the older: {what}" for what in refusals(new, old)] + [f"the newer: {what}" for what in refusals(old, new)]
            problems[f"{before} to {after}"] = "\n".join(said)
        # What shows that the tests above can fail.
        with ExitStack() as stack:
            old, new = (stack.enter_context(gateway(program, rendered(stage), folder)) for stage in (STAGES[0], STAGES[-1]))
            problems["a leap refuses what the old key sealed"] = "" if len(refusals(old, new)) == 2 else "it does not"
    return problems
