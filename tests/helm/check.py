"""What tests/helm/run does once its tools are there. Prints each failure, and `N passed, N failed` at the end."""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

import releases
import rotation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "helm"
TOOLS = HERE.parent / ".peers/helm"
HELMS = {"Helm 3": TOOLS / "helm3", "Helm 4": TOOLS / "helm4"}
KUBERNETES = ["1.33", "1.34", "1.35", "1.36", "1.37"]
# Kinds that are not Kubernetes' own, so that it has no schema for them.
FOREIGN = {"ServiceMonitor", "HTTPRoute"}
# What stands in for the variables that must have a certain form.
VARIABLES = {"DRAIN": "2m", "POD_IP": "10.0.0.7", "REDIS_URL": "rediss://:password@redis.tools.svc:6379/0"}
BLESS = os.environ.get("BLESS") == "1"

counts = {"passed": 0, "failed": 0}


def test(name, problems):
    """Counts one test, with what is wrong."""
    counts["failed" if problems else "passed"] += 1
    if problems:
        print(f"FAILED {name}\n" + "\n".join(f"  {line}" for line in str(problems).splitlines()))


def run(*command, **options):
    # Helm looks for plugins and a cluster below HOME: it has neither here.
    home = tempfile.gettempdir()
    env = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": f"{home}/none", **options.pop("env", {})}
    command = [str(word) for word in command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, stdin=subprocess.DEVNULL, **options)


def helm(program, verb, *arguments):
    name = [] if verb == "lint" else ["golden"]
    return run(program, verb, *name, CHART, "--namespace", "agents", *arguments)


def rendered(program, *arguments):
    ran = helm(program, "template", *arguments)
    if ran.returncode:
        raise AssertionError(ran.stderr)
    documents = [document for document in yaml.safe_load_all(ran.stdout) if document]
    return sorted(documents, key=lambda document: (document["kind"], document["metadata"]["name"]))


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def text_of(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, text_of)


def golden_text(documents):
    """The documents as one text that is the same each time: the key is random, and the dashboard has a file of its own."""
    dashboard = (CHART / "dashboards/myelin.json").read_text().strip()
    told = []
    for document in documents:
        document = yaml.safe_load(yaml.safe_dump(document))
        data = document.get("data", {})
        if document["kind"] == "Secret":
            assert all(len(key) == 88 for key in data.values()), "a key has 64 characters"
            assert len(set(data.values())) == len(data), "each key is another one"
            document["data"] = dict.fromkeys(data, "(random)")
        if data.get("myelin.json", "").strip() == dashboard:
            data["myelin.json"] = "(dashboards/myelin.json)"
        told.append(document)
    return yaml.dump_all(told, Dumper=Dumper, width=200, explicit_start=True)


def compare(path, text):
    if BLESS:
        path.write_text(text)
    expected = path.read_text() if path.exists() else ""
    return "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(), path.name, "rendered", lineterm=""))


def schema_problems(documents, version):
    problems = []
    for document in documents:
        if document["kind"] in FOREIGN:
            continue
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{document['kind']}: {error.message} at {'.'.join(map(str, error.path))}")
    return "\n".join(problems)


def configuration(documents):
    maps = [document["data"] for document in documents if document and document["kind"] == "ConfigMap"]
    return next(data["myelin.yaml"] for data in maps if "myelin.yaml" in data)


def gateway_problems(documents, gateway):
    """What `myelin check` says of the file, with stand-ins for the secrets that it refers to."""
    text = configuration(documents)
    with tempfile.TemporaryDirectory() as folder:
        env = {name: VARIABLES.get(name, "a-secret") for name in re.findall(r"\$\{env:(\w+)\}", text)}
        for path in re.findall(r"/run/(?:secrets|sealing)/[\w./-]+", text):
            secret = Path(folder + path)
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text("0123456789abcdef0123456789abcdef\n")
        file = Path(folder, "myelin.yaml")
        file.write_text(re.sub("/run/(secrets|sealing)/", rf"{folder}/run/\1/", text))
        ran = run(gateway, "check", file, env=env)
        return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def check_values(path, gateway, folder):
    documents = {}
    for name, program in HELMS.items():
        ran = helm(program, "lint", "--strict", "--values", path)
        test(f"{path.stem}: {name} lints", ran.returncode and ran.stdout + ran.stderr)
        documents[name] = rendered(program, "--values", path)
        # Both Helms are held to the same text.
        test(f"{path.stem}: {name} renders what is expected", compare(HERE / f"golden/{path.stem}.yaml", golden_text(documents[name])))
    documents = documents["Helm 4"]
    for version in KUBERNETES:
        test(f"{path.stem}: valid for Kubernetes {version}", schema_problems(documents, version))
    test(f"{path.stem}: the gateway takes its configuration", gateway_problems(documents, gateway))
    # The pod of `helm test` lives for a second: probes and a policy of its own make no sense there.
    lasting = [document for document in documents if "helm.sh/hook" not in document["metadata"].get("annotations", {})]
    Path(folder, path.name).write_text(yaml.safe_dump_all(lasting))


def check_refusal(path):
    wanted = path.read_text().splitlines()[0].removeprefix("# ")
    for name, program in HELMS.items():
        ran = helm(program, "template", "--values", path)
        refused = ran.returncode != 0 and wanted in ran.stderr
        test(f"{path.stem}: {name} refuses", not refused and f"wanted: {wanted}\nfound {ran.returncode}: {ran.stderr}")


def checkov_problems(folder):
    checkov = TOOLS / "venv/bin/checkov"
    ran = run(checkov, "--config-file", HERE / "checkov.yaml", "--directory", folder, env={"LOG_LEVEL": "ERROR"})
    return ran.returncode and ran.stdout + ran.stderr


def start_checksum(*settings):
    documents = rendered(HELMS["Helm 4"], *(word for setting in settings for word in ("--set", setting)))
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/start-settings"]


def check_rollouts():
    """Pods roll for what only counts at the start, and for nothing else in the configuration."""
    key = "config.sealing.keys[0]=0123456789abcdef0123456789abcdef"
    before = start_checksum(key)
    servers = start_checksum(key, "config.mcpServers.a.url=http://a/mcp", "config.defaults.timeout=5s")
    test("a change of servers rolls no pods", before != servers and "the checksum changed")
    for setting in ("config.http.maxBody=8MiB", "config.audit.file=/tmp/audit.jsonl", "config.lists.maxKept=1MiB"):
        test(f"a change of {setting} rolls them", before == start_checksum(key, setting) and "the checksum is the same")
    operations = (ROOT / "docs/operations.md").read_text()
    said = re.search(r"^- (.*) are those of the start", operations, re.MULTILINE).group(1)
    template = (CHART / "templates/_config.tpl").read_text()
    listed = re.search(r"pick \$config (.*) }}", template).group(1) + re.search(r"set \$settings (.*) \.", template).group(1)
    differ = set(re.findall(r"`([\w.]+)`", said)) ^ set(re.findall(r'"([\w.]+)"', listed))
    test("what counts at the start is what the documents say", differ and f"not in both: {differ}")


def check_releases():
    """The sealing key is made once, and rotated without losing one that is still needed."""
    for name, program in HELMS.items():
        for claim, holds in releases.check(run, program).items():
            test(f"{name}: {claim}", not holds and "it does not")


def check_rotation(gateway):
    """What one stage of a rotation seals, the next one takes."""

    def settings(keys):
        return configuration(rendered(HELMS["Helm 4"], "--set", f"sealing.keys={{{','.join(keys)}}}"))

    for stage, problems in rotation.check(settings, gateway).items():
        test(f"a rotation: {stage}", problems)


def check_versions():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    image = set(re.findall(r"^ARG VERSION=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    found = {chart["version"], chart["appVersion"], *image}
    test("chart, image and program have one version", found != {package} and f"{found} against {package}")


def check_documents(gateway):
    """The values in docs/kubernetes.md are values."""
    text = (ROOT / "docs/kubernetes.md").read_text()
    for number, values in enumerate(re.findall(r"^```yml\n(.*?)^```", text, re.MULTILINE | re.DOTALL), 1):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(values)
            file.flush()
            ran = helm(HELMS["Helm 4"], "template", "--values", file.name)
            problems = ran.stderr if ran.returncode else gateway_problems(list(yaml.safe_load_all(ran.stdout)), gateway)
            test(f"docs/kubernetes.md: values {number} are right", problems)


def check_dashboard():
    """Every query names a metric that a gateway serves; docs/operations.md is held to those by a test of its own."""
    listed = set(re.findall(r"^\| `(myelin_\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    used = re.findall(r"myelin_\w+", (CHART / "dashboards/myelin.json").read_text())
    unknown = {name for name in used if re.sub(r"_(bucket|count|sum)$", "", name) not in listed}
    test("the dashboard asks for metrics that exist", ", ".join(sorted(unknown)))
    unseen = listed - {re.sub(r"_(bucket|count|sum)$", "", name) for name in used}
    test("the dashboard shows every metric", ", ".join(sorted(unseen)))


def main():
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    chosen = [path for path in sorted(HERE.glob("values/*.yaml")) if only in (None, path.stem)]
    refused = [path for path in sorted(HERE.glob("refused/*.yaml")) if only in (None, path.stem)]
    gateway = os.environ.get("MYELIN_GATEWAY") or ROOT / "target/release/myelin"
    if not Path(gateway).exists():
        sys.exit(f"there is no gateway at {gateway}: run `cargo build --release`, or set MYELIN_GATEWAY")
    with tempfile.TemporaryDirectory() as folder:
        for path in chosen:
            check_values(path, gateway, folder)
        for path in refused:
            check_refusal(path)
        if chosen:
            test("checkov finds nothing", checkov_problems(folder))
    if only is None:
        check_rollouts()
        check_releases()
        check_rotation(gateway)
        check_versions()
        check_dashboard()
        check_documents(gateway)
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(counts["failed"] > 0)


main()
