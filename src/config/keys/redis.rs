//! `redis`: what several gateways share.

use crate::config::{
    defaults,
    shape::section,
    shapes::{Count, FilePath, Secret, Text, Time},
};

section! {
    /// A Redis in which gateways count `limits` together and share users' connections.
    RedisKeys {
        /// Its address, best a reference: `redis://:PASSWORD@HOST:6379/0`, or `rediss://` for TLS.
        url "url": Secret,
        /// PEM file of the authority to trust instead of the machine's, for `rediss://`; read at the start.
        ca "ca": FilePath,
        /// What the names of its keys begin with: gateways that have the same share counts.
        prefix "prefix": Text = defaults::REDIS_PREFIX.to_owned(),
        /// How long a call waits for it at the most; then it is away until it is reached again.
        timeout "timeout": Time = defaults::REDIS_TIMEOUT,
        /// How many gateways divide limits among them while it is away; as many as were there last, when absent.
        replicas "replicas": Count<1, 10_000>,
    }
}
