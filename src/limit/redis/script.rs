//! What runs inside of Redis.

use std::{sync::LazyLock, time::Duration};

use ::redis::{Script, ScriptInvocation};

use crate::limit::store::{Demand, Measure};

/// How long a place is held without being renewed: a gateway that was killed gives its places back after that.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// How long a gateway counts as being there after its last word: one that was killed, or cut off, is missed no sooner.
pub(super) const PRESENCE: Duration = Duration::from_secs(10);

/// Looks at all first and takes only when all are there. Answers with the place of what is missing, from 1, and the microseconds until
/// it may be there; with 0 when all was taken. Microseconds since 1970 have 51 bits, and Lua's numbers 53: fractions of intervals are
/// rounded to a quarter of one.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local member, lease = ARGV[1], tonumber(ARGV[2])
local next = {}
for i, key in ipairs(KEYS) do
  local kind, most, more = ARGV[3 * i], tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  if kind == 'rate' then
    local tat = tonumber(redis.call('GET', key) or now)
    if tat < now then tat = now end
    next[i] = tat + more
    local wait = next[i] - now - more * most
    if wait > 0 then return { i, math.ceil(wait) } end
  elseif kind == 'places' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
    if redis.call('ZCARD', key) >= most then return { i, 0 } end
  else
    if tonumber(redis.call('GET', key) or 0) >= most then
      return { i, math.max(0, math.ceil(more * 1000000 - now)) }
    end
  end
end
for i, key in ipairs(KEYS) do
  local kind, more = ARGV[3 * i], tonumber(ARGV[3 * i + 2])
  if kind == 'rate' then
    local ms = math.ceil((next[i] - now) / 1000) + 1
    redis.call('SET', key, string.format('%.3f', next[i]), 'PX', string.format('%.0f', ms))
  elseif kind == 'places' then
    redis.call('ZADD', key, string.format('%.0f', now + lease * 1000), member)
    redis.call('PEXPIRE', key, lease)
  else
    redis.call('INCR', key)
    redis.call('EXPIREAT', key, string.format('%.0f', more))
  end
end
return { 0, 0 }
",
    )
});

/// Holds places for longer: also those that ran out while Redis was away.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local clock = redis.call('TIME')
local ends = string.format('%.0f', clock[1] * 1000000 + clock[2] + ARGV[1] * 1000)
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends, ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
return 0
",
    )
});

/// Gives places back.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for i, key in ipairs(KEYS) do
  redis.call('ZREM', key, ARGV[i])
end
return 0
",
    )
});

/// Says that a gateway is there, and answers with how many are.
static BEAT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2] * 1000), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
",
    )
});

/// Takes all that is demanded, or nothing. Its keys lie in one slot of a cluster, since the prefix is in braces.
pub(super) fn take(prefix: &str, member: &str, demands: &[Demand]) -> ScriptInvocation<'static> {
    let mut call = TAKE.prepare_invoke();
    call.arg(member).arg(milliseconds(LEASE));
    for demand in demands {
        call.key(key(prefix, demand));
        match demand.measure {
            Measure::Rate(rate) => {
                let interval = rate.pace.interval().as_secs_f64() * 1e6;
                call.arg("rate").arg(rate.burst.get()).arg(format!("{interval:.6}"))
            }
            Measure::Places(most) => call.arg("places").arg(most.get()).arg(0),
            Measure::Quota(most, end) => call.arg("quota").arg(most.get()).arg(end.as_secs()),
        };
    }
    call
}

/// The key of something that is demanded.
pub(super) fn key(prefix: &str, demand: &Demand) -> String {
    format!("{{{prefix}}}:{}", demand.key)
}

/// Holds places for longer.
pub(super) fn renew<'a>(held: impl IntoIterator<Item = &'a (String, String)>) -> ScriptInvocation<'static> {
    let mut call = RENEW.prepare_invoke();
    call.arg(milliseconds(LEASE));
    for (key, member) in held {
        call.key(key).arg(member);
    }
    call
}

/// Gives places back.
pub(super) fn release<'a>(released: impl IntoIterator<Item = &'a (String, String)>) -> ScriptInvocation<'static> {
    let mut call = RELEASE.prepare_invoke();
    for (key, member) in released {
        call.key(key).arg(member);
    }
    call
}

/// Says that a gateway is there.
pub(super) fn beat(prefix: &str, gateway: &str) -> ScriptInvocation<'static> {
    let mut call = BEAT.prepare_invoke();
    call.key(gateways(prefix)).arg(gateway).arg(milliseconds(PRESENCE));
    call
}

/// Says that a gateway is gone.
pub(super) fn leave(prefix: &str, gateway: &str) -> ScriptInvocation<'static> {
    let mut call = RELEASE.prepare_invoke();
    call.key(gateways(prefix)).arg(gateway);
    call
}

fn gateways(prefix: &str) -> String {
    format!("{{{prefix}}}:gateways")
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
