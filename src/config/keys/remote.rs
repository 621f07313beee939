//! Below a server that is reached over HTTP: its replicas, and when it is left alone.

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{Choice, Count, FilePath, Time},
    },
    upstream::settings::Watched,
};

section! {
    /// The certificate that the gateway shows the server; both files are read anew when they change.
    IdentityKeys {
        /// PEM file of the certificate and those that vouch for it.
        cert "cert": FilePath,
        /// PEM file of its private key.
        key "key": FilePath,
    }
}

section! {
    /// How replicas are looked at, apart from calls: by `server/discover`, or a `ping` in a session that is kept for that.
    HealthKeys {
        /// Whether they are: `auto` where there are several, `on` also a single one, `off` never.
        check "check": Choice<Watched> = Watched::WhereSeveral,
        /// How often they are looked at.
        interval "interval": Time<100> = defaults::HEALTH_INTERVAL,
        /// How long such a look may take.
        timeout "timeout": Time = defaults::HEALTH_TIMEOUT,
        /// How often in a row it must fail before a replica gets no calls.
        unhealthy_after "unhealthyAfter": Count = defaults::UNHEALTHY_AFTER,
        /// How often in a row it must succeed before the replica gets calls again.
        healthy_after "healthyAfter": Count = defaults::HEALTHY_AFTER,
    }
}

section! {
    /// When a replica gets no calls for a while because calls to it failed: it was not reached, it broke off, it answered with a status
    /// from 500, or not at all.
    EjectionKeys {
        /// Failures in a row; 0 never leaves a replica out.
        failures "failures": Count<0> = defaults::EJECTION_FAILURES,
        /// For how long at first. It doubles each time that the replica comes back and fails at once.
        time "time": Time = defaults::EJECTION_TIME,
        /// For how long at the most.
        max_time "maxTime": Time = defaults::EJECTION_MAX_TIME,
        /// How many of the replicas may be left out at the same time, in hundredths.
        max_share "maxShare": Count<0, 100> = defaults::EJECTION_MAX_SHARE,
    }
}

section! {
    /// When calls to the server are refused at once for a while because calls to it failed. Where each caller has a credential of their
    /// own, what it is answered with concerns only this caller.
    BreakerKeys {
        /// Failures in a row; 0 never refuses.
        failures "failures": Count<0> = defaults::BREAKER_FAILURES,
        /// For how long at first; then one call is let through to see. It doubles each time that this call fails, too.
        time "time": Time = defaults::BREAKER_TIME,
        /// For how long at the most.
        max_time "maxTime": Time = defaults::BREAKER_MAX_TIME,
        /// How long calls are refused at the most because the server asked for that (`Retry-After` with 429 or 503).
        max_retry_after "maxRetryAfter": Time<0> = defaults::MAX_RETRY_AFTER,
    }
}
