"""What the clients told of what they did, what the servers did, and what is claimed of both."""

import collections
import json

# How clients stand after these: served.
FINE = {"ok", "ended"}


class Span:
    """A part of the run, in monotonic seconds. What ends in it belongs to it."""

    def __init__(self, began, ended):
        self.began, self.ended = began, ended

    def has(self, event):
        return self.began <= event["ended"] <= self.ended


class Record:
    def __init__(self, folder):
        self.events = []
        for file in sorted(folder.glob("events-*")):
            # A client that was ended at last may have left half a line.
            lines = file.read_text().split("\n")
            self.events += [json.loads(line) for line in lines if line.endswith("}")]
        self.forgive()
        self.executed = collections.Counter((folder / "executed").read_text().split())

    def forgive(self):
        """A change that a call makes while its session ends is told to nobody there: the stream of the session has ended. That it was so
        shows in the client's next request, which finds the session gone."""
        by_client = collections.defaultdict(list)
        for event in sorted(self.events, key=lambda event: event["ended"]):
            by_client[event["client"]].append(event)
        for events in by_client.values():
            for event, following in zip(events, events[1:]):
                if event["era"] == "legacy" and event["what"] == "notice" and event["outcome"] == "error" and following["outcome"] == "gone":
                    event["outcome"] = "gone"

    def within(self, span, **wanted):
        """The events of a span, with these properties."""
        return [event for event in self.events if span.has(event) and all(event[key] == value for key, value in wanted.items())]

    def twice(self):
        return [nonce for nonce, times in self.executed.items() if times > 1]

    def lost(self):
        """Calls that were answered with success, and were not done."""
        nonces = {event["nonce"] for event in self.events if event["outcome"] == "ok"} - {""}
        return sorted(nonces - self.executed.keys())

    def between(self, spans):
        """What happened in no part of the run."""
        return [event for event in self.events if not any(span.has(event) for span in spans)]

    def done(self, events):
        return [event["nonce"] for event in events if event["nonce"] in self.executed]


def begun_after(events, moment):
    return [event for event in events if event["began"] > moment]


def not_fine(events, *others):
    return [event for event in events if event["outcome"] not in FINE | set(others)]


class Claims:
    """What is claimed, and what speaks against it."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, claim, *against):
        """Holds if nothing speaks against it: every one of `against` is empty."""
        found = [entry for entries in against for entry in entries]
        self.passed += not found
        self.failed += bool(found)
        print("ok    " if not found else "FAILED", claim, flush=True)
        for entry in found[:8]:
            print("         ", tell(entry))
        if len(found) > 8:
            print(f"          … {len(found)} in all")

    def that(self, claim, holds):
        self(claim, [] if holds else ["it does not"])


def tell(entry):
    if not isinstance(entry, dict):
        return entry
    return "{began:.2f}-{ended:.2f} {client} {what} {server}: {outcome} {detail} {nonce}".format(**entry)
