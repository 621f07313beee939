"""What tests/proxies/run does once there are proxies. Prints each failure, and `N passed, N failed` at the end."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = os.environ.get("MYELIN_GATEWAY") or str(ROOT / "target/release/myelin")
# The time-out of the proxies here, which is 60 s in the documents; the gateway's comments come every second.
PROXY_TIMEOUT_S = 4
# A stream is to outlive it this often.
TIMES = 3
# Whose address the client has; the proxies have 127.0.0.1.
CLIENT = "127.0.0.9"
HOST = "mcp.example"
PATIENCE = 60
LEGACY, MODERN = "2025-11-25", "2026-07-28"

counts = {"passed": 0, "failed": 0}
lock = threading.Lock()


def test(name, problems):
    """Counts one test, with what is wrong."""
    with lock:
        counts["failed" if problems else "passed"] += 1
        if problems:
            print(f"FAILED {name}\n" + "\n".join(f"  {line}" for line in str(problems).splitlines()))


def snippets(language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs/proxies.md").read_text(), re.MULTILINE | re.DOTALL)


@contextmanager
def running(command, log, **options):
    with open(log, "wb") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=out, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Gateway:
    """A gateway with one server of the demo: the ports of its listeners, and its log."""

    def __init__(self, stack, folder, name, keep_alive="1s", **http_keys):
        self.log = folder / f"{name}.log"
        keys = {"keepAlive": keep_alive, "headerTimeout": "1s", "trustedProxies": ["127.0.0.1/32"], "allowedHosts": [HOST], **http_keys}
        config = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "drain": "1s",
            "http": keys,
            "mcpServers": {"search": {"command": GATEWAY, "args": ["demo", "search"]}},
        }
        file = folder / f"{name}.json"
        file.write_text(json.dumps(config))
        process = stack.enter_context(running([GATEWAY, "run", file], self.log))
        ready = json.loads(process.stdout.readline())
        self.port = int(re.search(r":(\d+)/", ready["endpoints"][0]).group(1))
        self.admin = int(re.search(r":(\d+)$", ready["admin"]).group(1))

    def logs(self, address):
        """Whether a call of that address is in the log, at last."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lines = [line for line in self.log.read_text().splitlines() if "myelin::access" in line]
            if any(f'"address":"{address}"' in line for line in lines):
                return True
            time.sleep(0.1)
        return False


def taken():
    """A socket that is listened on, for a proxy to inherit: no other process can take its port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    listening.set_inheritable(True)
    return listening


def adapted(text, gateway):
    """The document's file with this gateway, and with a time-out that a test can wait for."""
    text = re.sub(r"10\.0\.0\.\d:8808", f"127.0.0.1:{gateway.port}", text)
    text = text.replace("port 8809", f"port {gateway.admin}")
    return re.sub(r"(timeout (?:client|server)|proxy_read_timeout) 60s", rf"\1 {PROXY_TIMEOUT_S}s", text)


def nginx(stack, folder, text, gateway):
    listening = stack.enter_context(taken())
    port = listening.getsockname()[1]
    text = re.sub(r"listen 443 ssl http2;", f"listen 127.0.0.1:{port};", re.sub(r"\n *ssl_\S+ .*", "", adapted(text, gateway)))
    temporary = "client_body_temp_path proxy_temp_path fastcgi_temp_path uwsgi_temp_path scgi_temp_path".split()
    paths = " ".join(f"{name} {folder}/{name};" for name in temporary)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; user root;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off; {paths}\n{text}}}\n"
    )
    command = ["nginx", "-p", folder, "-e", folder / "nginx.err", "-c", file]
    environment = {**os.environ, "NGINX": f"{listening.fileno()};"}
    stack.enter_context(running(command, folder / "nginx.log", env=environment, pass_fds=[listening.fileno()]))
    return port


def haproxy(stack, folder, text, gateway, name):
    listening = stack.enter_context(taken())
    bind = f"bind fd@{listening.fileno()}"
    text = re.sub(r"bind :443.*", bind, adapted(text, gateway))
    file = folder / f"{name}.cfg"
    file.write_text(text)
    stack.enter_context(running(["haproxy", "-db", "-f", file], folder / f"{name}.log", pass_fds=[listening.fileno()]))
    return listening.getsockname()[1]


def connected(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(CLIENT, 0))


def post(connection, method, params, **headers):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", "host": HOST, **headers}
    connection.request("POST", "/mcp", json.dumps(body), sent)
    answer = connection.getresponse()
    return answer, answer.read()


def initialized(connection):
    """The id of a new legacy session, once there is one: a proxy may not know its gateways yet."""
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "proxies", "version": "1"}}
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer, body = post(connection, "initialize", params)
            session = answer.getheader("mcp-session-id")
            if answer.status == 200 and session:
                return session
            said = f"{answer.status}: {body}"
        except (OSError, http.client.HTTPException) as error:
            said = error
            connection.close()
        if time.monotonic() > deadline:
            raise AssertionError(f"no session: {said}")
        time.sleep(0.1)


def watched(port, seconds):
    """How often something came over a stream of changes within so many seconds, and whether it then still stood."""
    opener, stream = connected(port), connected(port)
    session = initialized(opener)
    stream.request("GET", "/mcp", headers={"accept": "text/event-stream", "mcp-session-id": session, "host": HOST})
    answer = stream.getresponse()
    started, moments = time.monotonic(), 0
    try:
        while time.monotonic() < started + seconds:
            if not answer.read1(65536):
                return moments, False
            moments += 1
    except (OSError, http.client.HTTPException):
        return moments, False
    return moments, True


def check_stream(name, port):
    """Each comment comes by itself, and they keep the stream."""
    moments, stands = watched(port, PROXY_TIMEOUT_S * TIMES)
    test(f"{name}: a stream outlives the time-out {TIMES} times", not stands and f"it ended after {moments} events")
    # One a second, of which a busy machine may join some; all of them at once would be one.
    test(f"{name}: events come one by one", moments < TIMES and f"they came in {moments} pieces")


def check_silence(name, port):
    """The time-out is one: without comments the same stream ends. What shows that the test above can fail."""
    moments, stands = watched(port, PATIENCE)
    test(f"{name}: a stream that says nothing is cut off", stands and f"it stood, with {moments} events")


def check_calls(name, port, gateway):
    connection = connected(port)
    session = initialized(connection)
    session = {"mcp-session-id": session, "mcp-protocol-version": LEGACY}
    # The gateway itself answers this one.
    call = {"name": "nothing_of_the_kind", "arguments": {"query": "x" * (3 << 20)}}
    answer, _ = post(connection, "tools/call", call, **session)
    test(f"{name}: a body of 3 MiB passes", answer.status != 200 and answer.status)
    modern = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    answer, body = post(connection, "tools/list", {"_meta": meta}, **modern)
    test(f"{name}: a modern client is answered", (answer.status != 200 or b"web_search" not in body) and f"{answer.status}: {body}")
    test(f"{name}: the client's address is in the log", not gateway.logs(CLIENT) and gateway.log.read_text()[-2000:])
    return connection, session


def check_proxy(name, port, gateway):
    connection, session = check_calls(name, port, gateway)
    check_stream(name, port)
    # Meanwhile the connections between proxy and gateway were idle for longer than headers may take.
    answer, body = post(connected(port), "tools/list", {}, **session)
    test(f"{name}: a connection that was idle is used again", answer.status != 200 and f"{answer.status}: {body}")
    connection.close()


def check_idle(gateway):
    """What a proxy relies on: between two requests a connection stands for longer than headers may take."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    session = initialized(connection)
    own = connection.sock
    time.sleep(PROXY_TIMEOUT_S)
    answer, _ = post(connection, "tools/list", {}, **{"mcp-session-id": session, "mcp-protocol-version": LEGACY})
    again = answer.status == 200 and connection.sock is own
    test("an idle connection outlives the time of headers", not again and "it was closed")


def main():
    if not Path(GATEWAY).exists():
        sys.exit(f"there is no gateway at {GATEWAY}: run `cargo build --release`, or set MYELIN_GATEWAY")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        folder = Path(folder)
        gateway = Gateway(stack, folder, "gateway")
        silent = Gateway(stack, folder, "silent", keep_alive="1h")
        behind_tcp = Gateway(stack, folder, "behind-tcp", proxyProtocol="on")
        [nginx_file], [over_http, over_tcp] = snippets("nginx"), snippets("haproxy")
        checks = [
            (check_proxy, "nginx", nginx(stack, folder, nginx_file, gateway), gateway),
            (check_proxy, "HAProxy", haproxy(stack, folder, over_http, gateway, "http"), gateway),
            (check_proxy, "HAProxy over TCP", haproxy(stack, folder, over_tcp, behind_tcp, "tcp"), behind_tcp),
            (check_silence, "HAProxy", haproxy(stack, folder, over_http, silent, "silence")),
            (check_idle, gateway),
        ]
        threads = [threading.Thread(target=attempted, args=check) for check in checks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(counts["failed"] > 0)


def attempted(check, *arguments):
    try:
        check(*arguments)
    except Exception as error:  # whatever a broken proxy makes of it is one failure
        test(f"{check.__name__} of {arguments[0]}", f"{type(error).__name__}: {error}")


main()
