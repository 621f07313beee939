"""As much of a cluster's API as Helm needs: discovery, and objects that it reads, writes, merges and removes. Nothing ever runs."""

import base64
import http.server
import json
import re
import threading
import urllib.parse
from contextlib import contextmanager

import yaml

# Group and version, and the kinds of them that the chart makes by default.
KINDS = {
    "v1": ["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod"],
    "apps/v1": ["Deployment"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}
OBJECT = re.compile(r"/(?:api|apis)/(?P<version>.+)/namespaces/(?P<namespace>[\w-]+)/(?P<plural>\w+)(?:/(?P<name>[\w.-]+))?")
ABSENT = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def plural(kind):
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def resources(version):
    entry = {"namespaced": True, "verbs": ["get", "list", "create", "update", "patch", "delete"]}
    kinds = [{"name": plural(kind), "singularName": kind.lower(), "kind": kind, **entry} for kind in KINDS[version]]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": kinds}


def groups():
    found = []
    for version in KINDS:
        if "/" in version:
            group, number = version.split("/")
            named = {"groupVersion": version, "version": number}
            found.append({"name": group, "versions": [named], "preferredVersion": named})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def discovery():
    said = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": groups(),
    }
    return said | {f"/{'apis' if '/' in version else 'api'}/{version}": resources(version) for version in KINDS}


def merged(old, patch):
    """JSON Merge Patch (RFC 7396). The strategic one differs in lists, which no test here looks into."""
    if not isinstance(patch, dict):
        return patch
    kept = {key: value for key, value in (old if isinstance(old, dict) else {}).items() if patch.get(key, 0) is not None}
    return kept | {key: merged(kept.get(key), value) for key, value in patch.items() if value is not None}


def fields(message):
    """The fields of a message of Protocol Buffers, of which only those with a length are looked at."""
    found, at = [], 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key, length = number(), number()
        if key & 7 == 2:
            found.append((key >> 3, message[at : at + length]))
            at += length
    return found


def pairs(message, field):
    entries = (dict(fields(value)) for number, value in message if number == field)
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def release(body):
    """A Secret as Helm writes its own records: in Protocol Buffers, in the envelope of Kubernetes."""
    secret = fields(dict(fields(body[4:]))[2])
    metadata = fields(dict(secret)[1])
    labels = {name: value.decode() for name, value in pairs(metadata, 11).items()}
    data = {name: base64.b64encode(value).decode() for name, value in pairs(secret, 2).items()}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": dict(secret)[3].decode()}
    return {**kind, "metadata": {"name": dict(metadata)[1].decode(), "labels": labels}, "data": data}


class Cluster:
    """Its address, and its objects by their path."""

    def __init__(self):
        self.objects = {}
        self.said = discovery()
        self.lock = threading.Lock()

    def secret(self, name):
        """What a Secret of the namespace `agents` holds; None where there is none."""
        return self.objects.get(f"/api/v1/namespaces/agents/secrets/{name}", {}).get("data")

    def listed(self, path, place, selector):
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        items = [
            item
            for where, item in self.objects.items()
            if where.startswith(path + "/") and wanted.items() <= item["metadata"].get("labels", {}).items()
        ]
        kind = next(kind for kind in KINDS[place["version"]] if plural(kind) == place["plural"])
        return {"kind": f"{kind}List", "apiVersion": place["version"], "metadata": {"resourceVersion": "1"}, "items": items}

    def answer(self, method, target, content_type, body):
        """The status and the answer to one request."""
        path, _, query = target.partition("?")
        place = OBJECT.fullmatch(path)
        if not place:
            return (200, self.said[path]) if path in self.said else (404, ABSENT)
        if method == "GET" and not place["name"]:
            return 200, self.listed(path, place, urllib.parse.parse_qs(query).get("labelSelector", [""])[0])
        if method in ("GET", "DELETE"):
            there = self.objects.get(path) if method == "GET" else self.objects.pop(path, None)
            return (200, there) if there else (404, ABSENT)
        sent = release(body) if body.startswith(b"k8s\0") else yaml.safe_load(body)
        if method == "POST":
            path = f"{path}/{sent['metadata']['name']}"
        if method == "PATCH" and "apply" not in content_type:
            if path not in self.objects:
                return 404, ABSENT
            sent = merged(self.objects[path], sent)
        sent["metadata"] |= {"namespace": place["namespace"], "uid": path, "resourceVersion": "1"}
        if "dryRun" not in query:
            self.objects[path] = sent
        return 201 if method == "POST" else 200, sent


def handler(cluster):
    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with cluster.lock:
                status, answer = cluster.answer(self.command, self.path, self.headers.get("Content-Type", ""), body)
                told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def cluster():
    """An empty cluster at an address."""
    there = Cluster()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(there))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
