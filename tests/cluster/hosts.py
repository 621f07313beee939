"""Hosts: network namespaces on one bridge, and the processes that run in them. All of it goes when the `Network` is left."""

import os
import signal
import subprocess
import time

SUBNET = "10.213.77"
# How long a process may take to end when it is told to, before it is killed.
PATIENCE = 60


class Unable(Exception):
    """This machine gives no network namespaces."""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    """A namespace with one address. `cut` takes its cable out at the switch, `mend` puts it in again."""

    def __init__(self, network, name, number):
        self.network, self.name = network, f"{network.name}-{name}"
        self.address = f"{SUBNET}.{number}"
        self.port = f"p{number}"
        ip("netns", "add", self.name)
        network.namespaces.append(self.name)
        ip("-n", network.switch, "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("-n", network.switch, "link", "set", self.port, "master", "br0", "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self.name, "link", "set", "eth0", "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def cut(self):
        ip("-n", self.network.switch, "link", "set", self.port, "down")

    def mend(self):
        ip("-n", self.network.switch, "link", "set", self.port, "up")

    def start(self, name, command, **more):
        """Starts a process here; what it says on stderr goes to the file `name`.log."""
        log = (self.network.folder / f"{name}.log").open("a")
        with log:
            command = ["ip", "netns", "exec", self.name, *map(str, command)]
            process = subprocess.Popen(command, stderr=log, text=True, **more)
        self.network.processes.append(process)
        return process


class Network:
    """A switch, and the hosts that are added to it."""

    def __init__(self, folder):
        self.folder, self.name = folder, f"myelin{os.getpid()}"
        self.switch = f"{self.name}-switch"
        self.namespaces, self.processes = [], []

    def __enter__(self):
        try:
            ip("netns", "add", self.switch)
            self.namespaces.append(self.switch)
            ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
            ip("-n", self.switch, "link", "set", "br0", "up")
        except (OSError, subprocess.CalledProcessError) as fault:
            self.__exit__()
            raise Unable((getattr(fault, "stderr", None) or str(fault)).strip()) from fault
        return self

    def host(self, name):
        return Host(self, name, len(self.namespaces))

    def __exit__(self, *_fault):
        for process in reversed(self.processes):
            stop(process)
        for name in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def stop(process):
    """Ends a process: in order where it goes, else at once."""
    if process.poll() is None:
        # One that is stopped hears nothing.
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(what, holds, patience=PATIENCE):
    """Waits until `holds()` is true; answers with what it was."""
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        if found := holds():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not in {patience} s: {what}")
