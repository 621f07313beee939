"""What happens to the cluster, part by part. Each part makes its trouble under load and answers with what it claims of the record."""

import collections
import contextlib
import signal
import time

from hosts import stop, until
from record import Span, begun_after, not_fine
from storm import let_in, let_in_of_session
from world import BURST, QUOTA, token

# Not fine for whoever sees it, but what the specification prescribes: begin anew.
GONE, ANEW = "gone", "anew"
# How long a listener may miss a notice after its stream was torn (its patience, and once more for the stream to come back).
TORN = 20


def untorn(play, events):
    """The events but those of streams that were torn with a replica: a part ends before all that is missed is known to be."""

    def is_torn(event):
        return event["what"] in ("notice", "stream") and any(known <= event["ended"] and event["began"] <= known + TORN for known in play.losses)

    return [event for event in events if not is_torn(event)]


class Play:
    """The world, its load, and how long its quiet parts last."""

    def __init__(self, world, people, seconds):
        self.world, self.people, self.seconds = world, people, seconds
        self.spans = []
        # When replicas were known to be gone that went without a word.
        self.losses = []

    def quiet(self, share=1):
        time.sleep(self.seconds * share)

    def span(self, began):
        """What was since then is one part."""
        self.spans.append(Span(began, time.monotonic()))
        return self.spans[-1]

    def goes_on(self):
        """Waits until everybody has done something, from now on and with success; answers with who did not."""
        since, names = time.monotonic(), {person["name"] for person in self.people}
        with contextlib.suppress(TimeoutError):
            until("everybody goes on", lambda: names <= self.world.acted(since))
        return sorted(names - self.world.acted(since))

    def eras(self):
        return sorted({person["era"] for person in self.people})


def calm(play):
    """Nothing happens."""
    before = [gateway.metric("myelin_requests_total") for gateway in play.world.gateways]
    began = time.monotonic()
    play.quiet()
    span = play.span(began)
    idle = [gateway.name for gateway, earlier in zip(play.world.gateways, before) if gateway.metric("myelin_requests_total") <= earlier]

    def judge(claims, record):
        events = record.within(span)
        claims(f"calm: each of {len(events)} requests succeeds, whichever replica it comes to", not_fine(events))
        kinds = {(event["era"], event["what"]) for event in events if event["outcome"] == "ok"}
        wanted = {(era, what) for era in play.eras() for what in ("work", "ask", "list", "read", "touch", "notice")}
        claims("calm: both eras call, ask, list, read, change and hear of changes" if len(play.eras()) > 1 else "calm: all is done", wanted - kinds)
        claims("calm: every replica has its share", idle)

    return judge


def rollout(play):
    """Each replica is told to stop, and started again when it has; twice around."""
    began, codes = time.monotonic(), []
    for gateway in play.world.gateways * 2:
        stop(gateway.process)
        codes.append(gateway.process.returncode)
        gateway.start()
        play.world.comes_up(gateway)
        play.quiet(0.2)
    idle = play.goes_on()
    span = play.span(began)

    def judge(claims, record):
        modern, legacy = record.within(span, era="modern"), record.within(span, era="legacy")
        parked = [event for event in modern if event["what"] == "ask" and event["server"] == "legacy"]
        anew = [event for event in parked if event["outcome"] == ANEW]
        strict = [event for event in modern if event not in anew]
        claims(f"rollout: none of {len(strict)} modern requests fails while the replicas are restarted", not_fine(strict))
        if len(play.eras()) > 1:
            claims(f"rollout: {len(parked)} parked calls finish or begin anew ({len(anew)})", not_fine(parked, ANEW))
            gone = [event for event in legacy if event["outcome"] == GONE]
            claims(f"rollout: of {len(legacy)} legacy requests {len(gone)} find their session gone, all others succeed", not_fine(legacy, GONE))
            claims("rollout: what found its session gone was not done", record.done(gone))
            claims.that("rollout: sessions went, and new ones were opened", gone and record.within(span, era="legacy", what="connect", outcome="ok"))
        ends = [event for event in modern if event["what"] == "stream"]
        claims(f"rollout: {len(ends)} listening streams end in order", [event for event in ends if event["outcome"] != "ended"])
        claims.that("rollout: streams ended at all", ends)
        claims("rollout: everybody goes on", idle)
        claims("rollout: every replica ends in order", [code for code in codes if code != 0])
        cut_off = [gateway.name for gateway in play.world.gateways if "cut off" in (play.world.folder / f"{gateway.name}.log").read_text()]
        claims("rollout: no drain cuts a call off", cut_off)

    return judge


def kill(play):
    """A replica is killed, and started again; then another."""
    rounds = []
    for gateway in play.world.gateways[:2]:
        began = time.monotonic()
        place = play.world.logged()
        gateway.process.kill()
        gateway.process.wait()
        # Until the balancer has noticed, it may send something on a connection that has ended already.
        known = play.world.goes_down(gateway)
        play.losses.append(known)
        play.quiet(0.3)
        failures = play.world.failures(place)
        gateway.start()
        play.world.comes_up(gateway)
        idle = play.goes_on()
        rounds.append((gateway.name, play.span(began), known, idle, failures))

    def judge(claims, record):
        for name, span, known, idle, failures in rounds:
            judge_loss(claims, record, f"kill {name}", span, known, idle)
            others = [line for line in failures if line.split()[2] not in (name, "<NOSRV>")]
            claims(f"kill {name}: no other replica fails a modern request", others)

    return judge


def cut(play):
    """A replica's cable is taken out, and put in again."""
    gateway, others = play.world.gateways[2], len(play.world.gateways) - 1
    began = time.monotonic()
    gateway.host.cut()
    known = play.world.goes_down(gateway)
    play.losses.append(known)
    play.quiet(0.5)
    gateway.host.mend()
    play.world.comes_up(gateway)
    idle = play.goes_on()
    span = play.span(began)

    def judge(claims, record):
        # A session there is reached over connections of the other replicas', which look open: each fails the one call that finds out.
        torn = [event for event in not_fine(record.within(span, era="legacy"), GONE) if event["what"] not in ("notice", "stream")]
        late = collections.Counter(event["client"] for event in begun_after(torn, known))
        claims("cut: of a session there at most one request fails on each way", [name for name, times in late.items() if times > others])
        judge_loss(claims, record, "cut", span, known, idle, spared=set(late))

    return judge


def judge_loss(claims, record, name, span, known, idle, spared=frozenset()):
    """What holds when a replica goes without a word: `known` is when nothing new can come to it any longer, but what `spared` send."""
    events = [event for event in record.within(span) if event["what"] not in ("notice", "stream")]
    failed = not_fine(events, GONE, ANEW)
    late = [event for event in begun_after(failed, known) if event["client"] not in spared]
    claims(f"{name}: of {len(events)} requests only those in flight fail ({len(failed)})", late)
    vague = [event for event in failed if event["outcome"] == "wrong" or not event["detail"] or "imed out" in event["detail"]]
    claims(f"{name}: each of those with an error", vague)
    torn = [event for event in record.within(span) if event["what"] in ("notice", "stream")]
    claims(f"{name}: streams are torn then, and come back", begun_after(not_fine(torn), known + TORN))
    claims(f"{name}: everybody goes on", idle)


def redis(play):
    """Redis hangs, is cut off, and is restarted without its memory."""
    world, found = play.world, []
    url = world.url()
    began = time.monotonic()
    found.append(("there", let_in(url, token("burst-0"), 2 * BURST), BURST, BURST))
    counted = let_in(url, token("quota-0"), QUOTA // 2)
    troubles = [
        ("hung", lambda: world.redis.send_signal(signal.SIGSTOP), lambda: world.redis.send_signal(signal.SIGCONT)),
        ("cut off", world.store.cut, world.store.mend),
        ("stopped", lambda: stop(world.redis), world.start_redis),
    ]
    for number, (name, begin, end) in enumerate(troubles, 1):
        begin()
        # Each replica goes by its share at the latest now: a call of its own found out.
        found.append((f"{name}, rate", let_in(url, token(f"burst-{number}"), 3 * BURST), 1, 2 * BURST))
        found.append((f"{name}, quota", let_in(url, token(f"quota-{number}"), 3 * QUOTA), 1, 2 * QUOTA))
        end()
        for gateway in world.gateways:
            until("Redis is found again", lambda: gateway.metric("myelin_limit_store_up") == 1)
        found.append((f"no longer {name}", let_in(url, token(f"burst-{number}-after"), 2 * BURST), BURST, BURST))
        if name == "cut off":
            # It was there all the while, and forgot nothing.
            found.append(("quota of before", counted + let_in(url, token("quota-0"), 2 * QUOTA), QUOTA, QUOTA))
    span = play.span(began)

    def judge(claims, record):
        events = record.within(span)
        claims(f"redis: each of {len(events)} requests succeeds all the while", untorn(play, not_fine(events)))
        for name, count, least, most in found:
            wanted = f"exactly {most}" if least == most else f"at least {least}, at most {most}"
            claims(f"redis {name}: {count} let in, {wanted}", [] if least <= count <= most else [f"{count}"])

    return judge


def tokens(play):
    """What is forwarded counts once."""
    began = time.monotonic()
    one, balancer = play.world.gateways[0].url(), play.world.url()
    straight = let_in_of_session(one, one, token("burst-straight"), 2 * BURST)
    around = let_in_of_session(one, balancer, token("burst-around"), 2 * BURST)
    span = play.span(began)

    def judge(claims, record):
        claims("tokens: nothing else fails meanwhile", untorn(play, not_fine(record.within(span))))
        claims(f"tokens: a session gets {straight} calls in at its own replica, and {around} at all", [] if 0 < straight == around else ["not the same"])

    return judge


PARTS = {"calm": calm, "rollout": rollout, "kill": kill, "cut": cut, "redis": redis, "tokens": tokens}
NEEDS_FORWARDING = {"tokens"}
PRINCIPALS = [
    "people",
    "burst-straight",
    "burst-around",
    *(f"{kind}-{number}" for kind in ("burst", "quota") for number in range(4)),
    *(f"burst-{number}-after" for number in range(1, 4)),
]
