"""The driver: builds the cluster, puts it under load, lets the parts happen, and judges what was recorded. `run` starts it."""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from hosts import PATIENCE, Unable
from parts import ANEW, GONE, NEEDS_FORWARDING, PARTS, PRINCIPALS, Play, untorn
from record import Claims, Record, not_fine
from world import HERE, World, forwards, token

ROLES = {"python": ["caller", "caller", "asker", "listener"], "typescript": ["caller", "asker", "listener"]}
COMMANDS = {"python": [sys.executable, HERE / "clients.py"], "typescript": ["node", HERE / "clients.mjs"]}


def people_of(language, can_forward):
    """Without forwarding only those who need no replica again: no sessions, and no calls that wait for an answer."""
    eras = ["modern", "legacy"] if can_forward else ["modern"]
    names = [(era, role, number) for era in eras for number, role in enumerate(ROLES[language])]
    same = {"token": token("people"), "asked": ["modern", "legacy"] if can_forward else ["modern"]}
    return [{"name": f"{language}-{era}-{role}-{number}", "era": era, "role": role, **same} for era, role, number in names]


class Load:
    """The clients' processes, which work until it is left."""

    def __init__(self, world, can_forward):
        self.world = world
        self.people = {language: people_of(language, can_forward) for language in COMMANDS}
        self.processes = []

    def __enter__(self):
        for language, command in COMMANDS.items():
            with (self.world.folder / f"events-{language}").open("w") as events:
                command = [*command, self.world.url()]
                process = self.world.outside.start(f"clients-{language}", command, stdin=subprocess.PIPE, stdout=events)
            process.stdin.write(json.dumps(self.people[language]) + "\n")
            process.stdin.flush()
            self.processes.append(process)
        return self

    def everybody(self):
        return [person for people in self.people.values() for person in people]

    def __exit__(self, *_fault):
        """Each finishes what it is about."""
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2 * PATIENCE)


def perform(world, arguments):
    """Lets the chosen parts happen under load; answers with what judges them."""
    can_forward = forwards(world.binary)
    chosen = arguments.only or [name for name in PARTS if can_forward or name not in NEEDS_FORWARDING]
    with Load(world, can_forward) as load:
        play = Play(world, load.everybody(), arguments.seconds)
        play.goes_on()
        judges = []
        for name in chosen:
            print(f"      {name}: {PARTS[name].__doc__}", flush=True)
            try:
                judges.append(PARTS[name](play))
            except Exception as fault:
                judges.append(broken(name, fault))
    return judges, play


def broken(name, fault):
    """Speaks for a part that could not go on: the others are judged all the same."""
    why = f"{type(fault).__name__}: {fault}"
    return lambda claims, _record: claims(f"{name}: takes its course", [why])


def judge(folder, judges, play):
    record, claims = Record(folder), Claims()
    for part in judges:
        part(claims, record)
    claims("all: nothing fails before, between and after that", untorn(play, not_fine(record.between(play.spans), GONE, ANEW)))
    claims(f"all: of {len(record.executed)} calls that servers did none was done twice", record.twice())
    claims("all: whatever was answered with success was done", record.lost())
    print(f"{claims.passed} passed, {claims.failed} failed")
    return claims.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="how long each quiet part lasts")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part, under load; may be said several times")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the logs and the record")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            world = stack.enter_context(World(folder, PRINCIPALS))
        except Unable as fault:
            print(f"this machine gives no network namespaces: {fault}")
            may_skip = os.environ.get("MYELIN_WITHOUT_NAMESPACES") == "skip"
            print("skipped, as MYELIN_WITHOUT_NAMESPACES says" if may_skip else "0 passed, 1 failed")
            sys.exit(0 if may_skip else 1)
        failed = judge(folder, *perform(world, arguments))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
