"""What becomes of the generated sealing key in the life of a release, with real Helms that write to a cluster of their own."""

from pathlib import Path

from cluster import cluster

HERE = Path(__file__).resolve().parent
CHART, PREVIOUS = HERE.parent.parent / "helm", HERE / "previous"


class Release:
    """The release `golden` in the namespace `agents`, by one Helm."""

    def __init__(self, run, program, there):
        self.words = [run, program]
        self.there = there

    def helm(self, verb, *arguments):
        run, program = self.words
        ran = run(program, verb, "golden", *arguments, "--namespace", "agents", "--kube-apiserver", self.there.address)
        if ran.returncode:
            raise AssertionError(f"helm {verb}: {ran.stderr}")

    def install(self, chart=CHART):
        self.helm("install", chart, "--disable-openapi-validation")
        return self.keys()

    def upgrade(self, *names):
        self.helm("upgrade", CHART, "--disable-openapi-validation", "--set", f"sealing.keys={{{','.join(names)}}}")
        return self.keys()

    def keys(self):
        return self.there.secret("golden-myelin-sealing")


def came_from_before(release):
    """An upgrade from the previous chart keeps its key, and so does the way back."""
    before = release.install(PREVIOUS)
    wanted = {"an upgrade from the previous chart keeps the key": release.upgrade("sealing-key") == before}
    release.helm("rollback", 1)
    return wanted | {"a rollback to it does, too": release.keys() == before}


def rotates(release):
    """Names that are new get a key, those that go lose it, and the others keep theirs, also on the way back."""
    first = release.install()
    both = release.upgrade("sealing-key", "autumn")
    turned = release.upgrade("autumn", "sealing-key")
    last = release.upgrade("autumn")
    wanted = {
        "a name that is new gets a key of its own": both.items() > first.items() and both["autumn"] != both["sealing-key"],
        "the order of names changes no key": turned == both,
        "a name that goes takes its key along": last == {"autumn": both["autumn"]},
    }
    release.helm("rollback", 3)
    return wanted | {"a rollback in a rotation has both keys as they were": release.keys() == both}


def comes_back(release):
    """What was sealed outlives the release, so its key does."""
    first = release.install()
    release.helm("uninstall")
    left = release.keys()
    return {"an uninstall leaves the key": left == first, "an install takes it up again": release.install() == first}


def check(run, program):
    """Each claim, and whether it holds."""
    found = {}
    for life in [came_from_before, rotates, comes_back]:
        with cluster() as there:
            found |= life(Release(run, program, there))
    with cluster() as one, cluster() as another:
        found["no two installs have the same key"] = Release(run, program, one).install() != Release(run, program, another).install()
    return found
