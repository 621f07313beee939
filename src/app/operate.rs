//! What operators may do while the gateway runs.

use std::{any::Any, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    admin::{Log, NoServer, Operator, RestartReport, Restarting, Revoked, ServerReport, Started},
    audit::{Audit, Event, Note},
    clock,
    config::nearest,
    mcp::{Caller, Fault, Principal},
    upstream::{
        Restart, TakesCalls, Upstream,
        credential::{Wallet, oauth::Listed},
        settings::Start,
    },
};

use super::{gateway::Gateway, report};

/// How long the answer to a restart waits for calls in flight: less than `myelin restart` waits, and longer than most calls take.
const RESTART_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at them: what a person does not notice.
const LOOK: Duration = Duration::from_millis(50);

/// The gateway as its operator sees it.
pub(super) struct Operations {
    gateway: Arc<Gateway>,
    wallet: Arc<Wallet>,
    audit: Option<Arc<Audit>>,
}

impl Operations {
    pub(super) const fn new(gateway: Arc<Gateway>, wallet: Arc<Wallet>, audit: Option<Arc<Audit>>) -> Self {
        Self { gateway, wallet, audit }
    }

    fn server(&self, name: &str) -> Result<Arc<Upstream>, NoServer> {
        let upstreams = self.gateway.upstreams();
        let found = upstreams.iter().find(|upstream| **upstream.name() == *name).cloned();
        found.ok_or_else(|| NoServer { near: nearest(name, upstreams.iter().map(|upstream| &**upstream.name())) })
    }
}

/// Replaces what runs, and starts again what was started before anybody called.
async fn restart(upstream: Arc<Upstream>, how: Restart) -> RestartReport {
    let replaced = upstream.restart(how).await;
    let waits = upstream.is_personal() || upstream.settings().start == Start::Lazy;
    let started = if waits { None } else { Some(reach(&upstream).await) };
    let deadline = clock::now() + RESTART_PATIENCE;
    let finishing =
        || upstream.status().children.iter().filter(|child| child.takes_calls == TakesCalls::NoMore).count();
    while finishing() > 0 && clock::now() < deadline {
        sleep(LOOK).await;
    }
    RestartReport { server: upstream.name().to_string(), replaced, finishing: finishing(), started }
}

async fn reach(upstream: &Arc<Upstream>) -> Started {
    match (upstream.group(&Caller::of(Principal::anonymous())).await, upstream.era()) {
        (Ok(_), Some(era)) => Started::Era(era.name()),
        (Err(Fault::Broken(_, fault)), _) => Started::Error(fault.to_string()),
        (Ok(_), None) | (Err(_), _) => Started::Error("cannot be reached".to_owned()),
    }
}

impl Operator for Operations {
    fn connections(&self) -> Vec<Listed> {
        self.wallet.vault().list()
    }

    fn revoke(&self, principal: String, server: String) -> Revoked {
        let upstreams = self.gateway.upstreams();
        let upstream = upstreams.into_iter().find(|upstream| **upstream.name() == *server);
        let (wallet, audit) = (self.wallet.clone(), self.audit.clone());
        Box::pin(async move {
            let was_there = revoke(&wallet, upstream, &principal, &server).await;
            note(
                audit.as_deref(),
                "revoke",
                [("principal", principal.into()), ("server", server.into()), ("done", was_there.into())],
            );
            was_there
        })
    }

    fn servers(&self) -> Vec<ServerReport> {
        self.gateway.upstreams().iter().map(|upstream| report::server(upstream)).collect()
    }

    fn restart(&self, server: &str, how: Restart) -> Restarting {
        let upstream = self.server(server);
        let about = [("server", server.into()), ("done", upstream.is_ok().into())];
        note(self.audit.as_deref(), "restart", about);
        // Whoever asked may go; half a restart would be none.
        let restarting = upstream.map(|upstream| tokio::spawn(restart(upstream, how)));
        Box::pin(async move { restarting?.await.map_err(|_| NoServer { near: None }) })
    }

    fn log(&self, server: &str) -> Result<Log, NoServer> {
        let upstream = self.server(server)?;
        let stderr = upstream.stderr().clone();
        let upstream: Arc<dyn Any + Send + Sync> = upstream;
        Ok(Log { stderr, server: Arc::downgrade(&upstream) })
    }
}

/// What an operator did, whether it changed anything or not.
fn note<const N: usize>(audit: Option<&Audit>, action: &str, about: [(&'static str, Value); N]) {
    if let Some(audit) = audit {
        let detail = [("action", action.into())].into_iter().chain(about);
        audit.note(&Note::new(Event::Admin, clock::unix_time(), detail));
    }
}

async fn revoke(wallet: &Wallet, upstream: Option<Arc<Upstream>>, principal: &str, server: &str) -> bool {
    let Some((upstream, oauth)) = upstream.and_then(|upstream| Some((upstream.clone(), upstream.oauth()?.clone())))
    else {
        // The server is configured no more, or otherwise: its authorization server is not known well enough to be told.
        return wallet.vault().discard(principal, server).await;
    };
    let was_there = oauth.revoke(principal).await;
    if was_there {
        upstream.forget(principal).await;
    }
    was_there
}
