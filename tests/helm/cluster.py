"""As much of a cluster's API as Helm needs to render against one: discovery, and the Secrets that are there. Nothing is ever stored."""

import http.server
import json
import threading
from contextlib import contextmanager

# Group and version, and the kinds of them that the chart makes by default.
KINDS = {
    "v1": ["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod"],
    "apps/v1": ["Deployment"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}


def plural(kind):
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def resources(version):
    entry = {"namespaced": True, "verbs": ["get", "list", "create", "patch"]}
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


def answers(secrets):
    """What each path answers. All Secrets are in the namespace `agents`, and belong to the release `golden` there."""
    said = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": groups(),
    }
    for version in KINDS:
        said[f"/{'apis' if '/' in version else 'api'}/{version}"] = resources(version)
    for name, data in secrets.items():
        release = {"meta.helm.sh/release-name": "golden", "meta.helm.sh/release-namespace": "agents"}
        labels = {"app.kubernetes.io/managed-by": "Helm"}
        metadata = {"name": name, "namespace": "agents", "labels": labels, "annotations": release}
        secret = {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": data}
        said[f"/api/v1/namespaces/agents/secrets/{name}"] = secret
    return said


@contextmanager
def cluster(secrets):
    """The address of an API server with these Secrets, by name."""
    said = answers(secrets)
    absent = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = said.get(self.path.split("?")[0])
            body = json.dumps(answer or absent).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
