"""What tests/image/run does once there are images. Prints each failure, and `N passed, N failed` at the end."""

import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HELM = HERE.parent / ".peers/helm/helm4"
PODMAN = shlex.split(os.environ["MYELIN_PODMAN"])
# Without the second one, the first is the quick form, in which the libraries of its program are, too.
GATEWAY, TOOLS = os.environ["MYELIN_IMAGE"], os.environ.get("MYELIN_IMAGE_TOOLS")
MYELIN = "/usr/local/bin/myelin"
CONFINED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "none"]
BOUNDED = ["--memory", "256m", "--pids-limit", "128"]
# As the chart's `home`, which Kubernetes gives to the group.
HOME = ["--tmpfs", "/home/myelin:mode=0777", "--tmpfs", "/tmp"]
DEMO = {"mcpServers": {"search": {"command": MYELIN, "args": ["demo", "search"]}}}
PATIENCE = 30
# Of the small image: the program and a list of authorities.
MOST_MB = 35

counts = {"passed": 0, "failed": 0}


def test(name, problems):
    """Counts one test, with what is wrong."""
    counts["failed" if problems else "passed"] += 1
    if problems:
        print(f"FAILED {name}\n" + "\n".join(f"  {line}" for line in str(problems).splitlines()))


def podman(*arguments, check=True, **options):
    ran = subprocess.run([*PODMAN, *map(str, arguments)], capture_output=True, timeout=120, **options)
    if check and ran.returncode:
        raise AssertionError(f"podman {' '.join(map(str, arguments))}: {ran.stderr.decode()}")
    return ran


def said(*arguments):
    return podman(*arguments).stdout.decode().strip()


def inside(container, *command):
    ran = podman("exec", container, *command, check=False)
    return ran.returncode, ran.stdout.decode()


def wait_for(container, wanted, *command):
    """What the command says once it says what is wanted; None when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        code, told = inside(container, *command)
        if code == 0 and wanted in told:
            return told
        time.sleep(0.1)
    return None


def files(image):
    container = said("create", image)
    archive = tarfile.open(fileobj=io.BytesIO(podman("export", container).stdout))
    podman("rm", container)
    return {member.name for member in archive if not member.isdir()}


def check_content():
    """The small image has what it says, and neither a shell nor a library."""
    engine = {"etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv", "etc/mtab", "dev/console"}
    expected = {"usr/local/bin/myelin", "usr/local/share/doc/myelin/LICENSE", "etc/ssl/certs/ca-certificates.crt"}
    found = files(GATEWAY) - engine
    if not TOOLS:
        found = {name for name in found if not name.startswith(("lib/", "lib64/", "usr/lib/"))}
    test("the small image has one program", found ^ expected)
    size = json.loads(said("image", "inspect", GATEWAY))[0]["Size"] / 1e6
    test("the small image is small", TOOLS and size > MOST_MB and f"{size:.1f} MB")



def check_metadata(image):
    data = json.loads(said("image", "inspect", image))[0]
    labels = {name.rsplit(".", 1)[1] for name in data["Labels"] if name.startswith("org.opencontainers.image.")}
    test(f"{image} is labelled", {"title", "description", "licenses", "source", "version", "revision"} - labels)
    test(f"{image} is not for root", data["User"] != "65532:65532" and data["User"])
    test(f"{image} has a health check", data.get("Healthcheck", {}).get("Test") != ["CMD", MYELIN, "health"] and data.get("Healthcheck"))


def check_confined(image, *options):
    """It serves without a network, capabilities, or a file that it could write, and stops when it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        Path(folder, "myelin.yaml").write_text(yaml.safe_dump(DEMO))
        container = said("run", "--detach", *CONFINED, *BOUNDED, *options, "--volume", f"{folder}:/etc/myelin:ro", image)
        try:
            test(f"{image} is healthy", wait_for(container, "serving", MYELIN, "health") is None and said("logs", container))
            code, told = inside(container, MYELIN, "tools")
            test(f"{image} lists tools", (code != 0 or "web_search" not in told) and told)
            check_commands(container, options)
            podman("stop", "--time", 20, container)
            code = said("inspect", container, "--format", "{{.State.ExitCode}}")
            test(f"{image} drains and ends", code != "0" and f"it ended with {code}")
        finally:
            podman("rm", "--force", container)


def check_commands(container, options):
    """What stdio servers are started by is there, or nothing is."""
    wanted = bool(options)
    for command in ["sh", "npx", "uvx", "node", "python3", "git"]:
        code, told = inside(container, command, *(["-c", "true"] if command == "sh" else ["--version"]))
        test(f"{'has' if wanted else 'has no'} {command}", (code == 0) != wanted and f"{code}: {told}")


def pod():
    """The rendered chart as podman takes it: it knows no probes over HTTP, and here it has no network to map ports in."""
    command = [HELM, "template", "chart", ROOT / "helm", "--set", "image.repository=" + GATEWAY.rsplit(":", 1)[0]]
    command += ["--set", "image.tag=" + GATEWAY.rsplit(":", 1)[1]]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    documents = {document["kind"]: document for document in yaml.safe_load_all(told) if document}
    spec = documents["Deployment"]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    for key in ["ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"]:
        del container[key]
    for variable in container.get("env", []):
        # podman 4.3 knows no status.podIP; here it is this.
        if variable.pop("valueFrom", {}).get("fieldRef"):
            variable["value"] = "127.0.0.1"
    for volume in spec["volumes"]:
        # podman 4.3 falls over a Secret that does not say so.
        volume.get("secret", {}).setdefault("optional", False)
    kinds = ["ConfigMap", "Secret", "Deployment"]
    return yaml.safe_dump_all([{**documents[kind], "metadata": {"name": documents[kind]["metadata"]["name"]}} for kind in kinds])


def check_chart():
    """The chart's own pod serves the demo, under its own security context, and reloads its configuration where it runs."""
    text = pod().encode()
    container = "chart-myelin-pod-0-myelin"
    try:
        podman("kube", "play", "--build=false", "--network", "none", "-", input=text)
        served = wait_for(container, "search__web_search", MYELIN, "tools")
        test("the chart's pod serves the demo", served is None and said("logs", container))
        data = json.loads(said("inspect", container))[0]
        confined = data["HostConfig"]["ReadonlyRootfs"] and data["Config"]["User"].startswith("65532")
        test("the chart's pod is confined", not confined and data["HostConfig"])
        check_reload(container)
    finally:
        podman("kube", "down", "-", input=text, check=False)
        podman("volume", "rm", "chart-myelin", "chart-myelin-sealing", check=False)
        podman("secret", "rm", "chart-myelin-sealing", check=False)


def check_reload(container):
    file = Path(said("volume", "inspect", "chart-myelin", "--format", "{{.Mountpoint}}"), "myelin.yaml")
    config = yaml.safe_load(file.read_text())
    del config["mcpServers"]["search"], config["mcpServers"]["vectors"]
    file.write_text(yaml.safe_dump(config))
    # With one server, its tools have no prefix.
    told = wait_for(container, "\nlist_documents", MYELIN, "tools")
    test("a change of the mounted file is taken up", told is None and said("logs", container))


def main():
    check_content()
    for image in filter(None, [GATEWAY, TOOLS]):
        check_metadata(image)
    check_confined(GATEWAY)
    if TOOLS:
        check_confined(TOOLS, *HOME)
    if again := os.environ.get("MYELIN_IMAGE_AGAIN"):
        first, second = (json.loads(said("image", "inspect", image))[0]["RootFS"]["Layers"] for image in [GATEWAY, again])
        test("the same content gives the same layers", first != second and f"{first} and {second}")
    check_chart()
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(counts["failed"] > 0)


main()
