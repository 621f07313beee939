//! What runs inside of Redis.

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};

/// Values at the most: a connection of a user each.
pub(super) const MAX_VALUES: usize = 100_000;
/// Names whose last change is remembered. Who missed more reads everything anew.
pub(super) const MAX_CHANGES: usize = 2 * MAX_VALUES;
/// Changes that are told at once: some hundred kilobytes.
pub(super) const BATCH: usize = 200;

/// Answers with 1 when it is written; 0 when there are as many as there may be; -1 when it must be there already and is not.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local there = redis.call('HEXISTS', KEYS[1], ARGV[1])
if ARGV[3] == 'renew' and there == 0 then return -1 end
if ARGV[3] == 'restore' and there == 1 then return 1 end
if there == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[5]))
return 1
",
    )
});

/// Answers with 1 when it was there.
static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[4]))
return 1
",
    )
});

/// Answers with whose data this is, the number of the last change, and what changed after the given one: names, values, numbers. A name
/// without a value is gone. The data has a name of its own, so that what was lost is noticed.
static CHANGES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('SETNX', KEYS[4], ARGV[2])
local epoch, last = redis.call('GET', KEYS[4]), tonumber(redis.call('GET', KEYS[3]) or 0)
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[3]))
local changes = {}
for i = 1, #found, 2 do
  changes[#changes + 1] = { found[i], redis.call('HGET', KEYS[1], found[i]) or '', tonumber(found[i + 1]) }
end
return { epoch, last, changes }
",
    )
});

/// Gives a lock back, if it is still held.
static UNLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(r"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
});

/// The names of keys. All but locks have one hash tag, so that a cluster keeps them together.
pub(super) struct Keys<'a>(pub(super) &'a str);

impl Keys<'_> {
    pub(super) fn values(&self) -> String {
        format!("{}:{{connections}}:values", self.0)
    }

    fn changed(&self) -> String {
        format!("{}:{{connections}}:changed", self.0)
    }

    fn count(&self) -> String {
        format!("{}:{{connections}}:count", self.0)
    }

    fn epoch(&self) -> String {
        format!("{}:{{connections}}:epoch", self.0)
    }

    pub(super) fn lock(&self, name: &str) -> String {
        format!("{}:{{connections}}:lock:{name}", self.0)
    }

    pub(super) fn put(&self, name: &str, value: &str, how: &str) -> ScriptInvocation<'static> {
        let mut put = PUT.prepare_invoke();
        put.key(self.values()).key(self.changed()).key(self.count());
        put.arg(name).arg(value).arg(how).arg(MAX_VALUES).arg(MAX_CHANGES);
        put
    }

    pub(super) fn remove(&self, name: &str) -> ScriptInvocation<'static> {
        let mut remove = REMOVE.prepare_invoke();
        remove.key(self.values()).key(self.changed()).key(self.count());
        remove.arg(name).arg("").arg("").arg(MAX_CHANGES);
        remove
    }

    pub(super) fn changes(&self, since: u64, epoch: &str) -> ScriptInvocation<'static> {
        let mut changes = CHANGES.prepare_invoke();
        changes.key(self.values()).key(self.changed()).key(self.count()).key(self.epoch());
        changes.arg(since).arg(epoch).arg(BATCH);
        changes
    }

    pub(super) fn unlock(&self, name: &str, owner: &str) -> ScriptInvocation<'static> {
        let mut unlock = UNLOCK.prepare_invoke();
        unlock.key(self.lock(name)).arg(owner);
        unlock
    }
}
