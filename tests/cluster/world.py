"""What stands in the hosts: three gateways, two tool servers, Redis, and a load balancer without stickiness in front."""

import ctypes
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

from hosts import Network, until

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SERVER = HERE / "server.py"
# Chosen at each run; whoever may come in, by what they are there for.
TOKENS = {}
REPLICAS = ("one", "two", "three")
PORT, ADMIN, INTERNAL, REDIS = 8808, 8809, 8810, 6379
ADMIN_TOKEN = secrets.token_hex(16)
# What is let in of the principals `burst-…` and `quota-…`; no rate gives anything back during a run.
BURST, QUOTA = 60, 40

# No server is preferred for whom it served before. A replica that drains says so at /readyz and gets nothing new; one that vanishes
# without a word is found out by keep-alive probes, since its connections would stay open forever.
BALANCER = """
global
  maxconn 2000
  stats socket {folder}/haproxy.sock mode 600 level admin
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "%[var(txn.client)] %HM %s %ST %ts %[var(txn.session)] %Tt"
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option redispatch 1
  retries 4
frontend clients
  bind {address}:8000
  http-request set-var(txn.session) req.hdr(mcp-session-id),length
  http-request set-var(txn.client) req.hdr(x-client)
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /readyz
  option srvtcpka
  srvtcpka-idle 1s
  srvtcpka-intvl 1s
  srvtcpka-cnt 3
  default-server check port {admin} inter 300ms fall 2 rise 1
{servers}
"""


def token(principal):
    return TOKENS.setdefault(principal, f"token-of-{principal}-{secrets.token_hex(8)}")


class Gateway:
    """One replica; it keeps its address when it is started again."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.host = world.network.host(name)
        self.process = None
        self.file = world.folder / f"{name}.json"

    def configure(self, settings):
        own = {"listen": f"{self.host.address}:{PORT}", "admin": {"listen": f"{self.host.address}:{ADMIN}", "token": ADMIN_TOKEN}}
        if "replicas" in settings:
            own["replicas"] = {**settings["replicas"], "listen": f"{self.host.address}:{INTERNAL}", "address": self.host.address}
        self.file.write_text(json.dumps({**settings, **own}, indent=1))

    def start(self):
        command = [self.world.binary, "run", self.file, "--log-level", "info"]
        self.process = self.host.start(self.name, command, stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise RuntimeError(f"gateway {self.name} did not start: see {self.name}.log")

    def url(self):
        return f"http://{self.host.address}:{PORT}/mcp"

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.host.address}:{ADMIN}/metrics", timeout=20) as answer:
            return answer.read().decode()

    def metric(self, name):
        """The sum of a metric over its labels."""
        lines = [line.rpartition(" ") for line in self.metrics().splitlines() if not line.startswith("#")]
        return sum(float(value) for label, _, value in lines if label.partition("{")[0] == name)


class World:
    """Everything, started and connected."""

    def __init__(self, folder, principals):
        self.folder = folder
        self.executed = folder / "executed"
        self.executed.touch()
        self.binary = os.environ.get("MYELIN_GATEWAY", ROOT / "target/release/myelin")
        self.principals = principals
        self.network = Network(folder)

    def __enter__(self):
        self.network.__enter__()
        try:
            self.build()
        except BaseException:
            self.network.__exit__()
            raise
        return self

    def __exit__(self, *fault):
        self.network.__exit__(*fault)

    def build(self):
        self.balancer = self.network.host("balancer")
        self.tools = self.network.host("tools")
        self.store = self.network.host("redis")
        self.gateways = [Gateway(self, name) for name in REPLICAS]
        # The driver looks at metrics and stands in for clients of its own: it is on the bridge, in a namespace that it enters itself.
        self.outside = self.network.host("clients")
        enter(self.outside.name)
        self.start_tools()
        self.start_redis()
        self.start_gateways()
        self.start_balancer()

    def start_tools(self):
        environment = {**os.environ, "EXECUTED": str(self.executed)}
        for name, port in (("modern", 9001), ("legacy", 9002)):
            command = [sys.executable, SERVER, "--http", self.tools.address, port]
            process = self.tools.start(f"tools-{name}", command, stdout=subprocess.PIPE, env=environment)
            if process.stdout.readline() != "READY\n":
                raise RuntimeError(f"the tool server did not start: see tools-{name}.log")

    def start_redis(self):
        command = ["redis-server", "--port", REDIS, "--bind", self.store.address, "--protected-mode", "no", "--save", "", "--appendonly", "no"]
        self.redis = self.store.start("redis", command, stdout=subprocess.DEVNULL, cwd=self.folder)
        until("Redis answers", self.redis_answers)

    def redis_answers(self):
        try:
            with socket.create_connection((self.store.address, REDIS), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def settings(self):
        http = {"pool": {"isolation": "principal", "max": 16, "maxInFlight": 32}}
        servers = {
            "modern": {"url": f"http://{self.tools.address}:9001/mcp", "era": "modern", **http},
            "legacy": {"url": f"http://{self.tools.address}:9002/mcp", "era": "legacy", **http},
            "child": {
                "command": sys.executable,
                "args": [str(SERVER), "--stdio"],
                "era": "modern",
                "env": {"EXECUTED": str(self.executed)},
                "pool": {"isolation": "shared", "max": 1},
            },
        }
        settings = {
            "mcpServers": servers,
            "auth": {"apiKeys": [{"id": name, "token": token(name)} for name in self.principals]},
            "sealing": {"keys": [secrets.token_hex(32)]},
            "egress": {"allow": ["10.0.0.0/8"]},
            "redis": {"url": f"redis://{self.store.address}:{REDIS}", "timeout": "1s", "replicas": len(REPLICAS)},
            # Whoever is not limited is counted all the same, so that every call needs Redis.
            "limits": [
                {"per": "principal", "rate": "10000/s"},
                {"per": "principal", "match": "burst-*", "rate": "1/h", "burst": BURST},
                {"per": "principal", "match": "quota-*", "quota": f"{QUOTA}/day"},
            ],
            "drain": "20s",
            "log": {"format": "json"},
        }
        if forwards(self.binary):
            settings["replicas"] = {"connectTimeout": "1s"}
        return settings

    def start_gateways(self):
        settings = self.settings()
        for gateway in self.gateways:
            gateway.configure(settings)
            gateway.start()

    def start_balancer(self):
        servers = "\n".join(f"  server {gateway.name} {gateway.host.address}:{PORT}" for gateway in self.gateways)
        words = BALANCER.format(folder=self.folder, address=self.balancer.address, admin=ADMIN, servers=servers)
        (self.folder / "haproxy.cfg").write_text(words)
        with (self.folder / "requests.log").open("w") as requests:
            self.balancer.start("haproxy", ["haproxy", "-W", "-db", "-f", self.folder / "haproxy.cfg"], stdout=requests)
        for gateway in self.gateways:
            self.comes_up(gateway)

    def url(self):
        return f"http://{self.balancer.address}:8000/mcp"

    def state_of(self, gateway):
        """What the load balancer thinks of a replica: UP, DOWN, or on its way."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                connection.connect(str(self.folder / "haproxy.sock"))
                connection.sendall(b"show stat\n")
                said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return None
        head, *rows = [line.split(",") for line in said.splitlines() if line]
        place = {name.strip("# "): number for number, name in enumerate(head)}
        states = {row[place["svname"]]: row[place["status"]] for row in rows if row[0] == "gateways"}
        return states.get(gateway.name)

    def comes_up(self, gateway):
        until(f"{gateway.name} is up again", lambda: self.state_of(gateway) == "UP")
        return time.monotonic()

    def goes_down(self, gateway):
        until(f"{gateway.name} is down", lambda: (self.state_of(gateway) or "").startswith("DOWN"))
        return time.monotonic()

    def acted(self, since):
        """Who did something, since then and with success."""
        events = [event for file in self.folder.glob("events-*") for event in served(file)]
        return {event["client"] for event in events if event["began"] > since}

    def logged(self):
        """Where the load balancer's log ends."""
        return (self.folder / "requests.log").stat().st_size

    def failures(self, place):
        """Modern requests that a server failed since then, as the load balancer logged them."""
        with (self.folder / "requests.log").open() as log:
            log.seek(place)
            lines = [line.strip() for line in log if len(line.split()) == 7]
        sessionless = [line for line in lines if line.split()[5] == "-"]
        return [line for line in sessionless if line.split()[3] >= "500" or line.split()[4][0] in "Ss"]


def served(file):
    """What was done with success, as clients tell in a file; to be connected is nothing yet."""
    for line in file.read_text().split("\n"):
        if line.endswith("}") and (event := json.loads(line))["what"] != "connect" and event["outcome"] == "ok":
            yield event


def enter(namespace):
    """This process is in that network namespace from here on: Python has no word for it before 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as file:
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")


def forwards(binary):
    """Whether this gateway knows how to forward to other replicas."""
    schema = subprocess.run([binary, "schema"], check=True, capture_output=True, text=True).stdout
    return "replicas" in json.loads(schema)["properties"]
