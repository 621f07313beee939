//! The gate of a listener: who comes in, and what the others are told.

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwap, Guard as Loaded};
use http::{Response, header, request::Parts};
use tokio::{sync::watch, time::sleep_until};

use crate::{
    auth::{Auth, Checked, Credentials, Login, Presented, Refused},
    downstream::{guard::Guard, listener::Peer, tls::TlsClient},
    mcp::{Principal, PrincipalKind},
    redact::Redacted,
    telemetry::{label, metrics::METRICS},
};

use super::{
    answer,
    body::{Body, Ends},
    paths::Paths,
};

/// Lets clients in by the authentication in force; it is swapped whole when the configuration changes.
pub struct Gate {
    pub(super) guard: Guard,
    auth: ArcSwap<Auth>,
    /// Counts changes of what somebody is known by.
    changes: watch::Sender<u64>,
    scheme: &'static str,
}

/// What somebody shows to a page.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// A token.
    Token(&'a str),
    /// The certificate of the connection.
    Certificate(&'a TlsClient),
}

/// What a request presented, kept for as long as its answer lasts.
struct Kept {
    token: Option<Redacted<String>>,
    client: Option<Arc<TlsClient>>,
    base: String,
    endpoint: Arc<str>,
    principal: Principal,
}

impl Gate {
    /// A gate of a listener that speaks HTTP under `scheme`.
    pub fn new(guard: Guard, auth: Auth, scheme: &'static str) -> Self {
        Self { guard, auth: ArcSwap::from_pointee(auth), changes: watch::Sender::new(0), scheme }
    }

    /// Goes over to other rules.
    pub fn set(&self, auth: Auth) {
        self.auth.store(Arc::new(auth));
        self.look_again();
    }

    /// Something that somebody is known by has changed: streams that stand are judged anew.
    pub fn look_again(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Ready when what a request presented lets nobody in any more: it ended, was revoked, or was taken out of the rules. Until then it is
    /// looked at as often as if requests came with it.
    pub(super) fn ends(
        self: &Arc<Self>,
        parts: &Parts,
        peer: &Peer,
        endpoint: &Arc<str>,
        principal: Principal,
    ) -> Ends {
        // It was read once already.
        let token = Auth::token(&parts.headers, parts.uri.query()).ok().flatten();
        let kept = Kept {
            token: token.map(Redacted::from),
            client: peer.client.clone(),
            base: self.base(parts),
            endpoint: endpoint.clone(),
            principal,
        };
        let (gate, mut changes) = (self.clone(), self.changes.subscribe());
        Box::pin(async move {
            while let Some(until) = gate.still(&kept).await {
                tokio::select! {
                    () = at(until) => {}
                    // The gate lives as long as its streams.
                    changed = changes.changed() => if changed.is_err() { return },
                }
            }
        })
    }

    /// Until when the same somebody is let in; `None` when not at all.
    async fn still(&self, kept: &Kept) -> Option<Option<Instant>> {
        let auth = self.auth.load_full();
        if let Some(anybody) = auth.anybody() {
            return (*anybody == kept.principal).then_some(None);
        }
        let resource = auth.resource(&kept.base, &kept.endpoint);
        let certificate = kept.client.as_ref().and_then(|client| client.certificate());
        let token = kept.token.as_ref().map(|token| token.expose().as_str());
        let presented = Presented { token, certificate, endpoint: &kept.endpoint, resource: &resource };
        let admitted = match auth.check(presented) {
            Checked::Now(checked) => checked,
            Checked::Later(checked) => checked.await,
        };
        admitted.ok().filter(|admitted| admitted.principal == kept.principal).map(|admitted| admitted.until)
    }

    /// Whose request it is.
    pub(super) async fn admit(
        &self,
        parts: &Parts,
        peer: &Peer,
        endpoint: &str,
    ) -> Result<Principal, Box<Response<Body>>> {
        let auth = self.auth.load();
        if let Some(anybody) = auth.anybody() {
            return Ok(anybody.clone());
        }
        let shown = Credentials::of(&parts.headers, parts.uri.query(), authority(parts), endpoint);
        if let Some(principal) = shown.and_then(|shown| auth.recall(&peer.seat, shown)) {
            return Ok(principal);
        }
        let auth = Loaded::into_inner(auth);
        let base = self.base(parts);
        let admitted = match Auth::token(&parts.headers, parts.uri.query()) {
            Ok(token) => {
                let resource = auth.resource(&base, endpoint);
                let certificate = peer.client.as_ref().and_then(|client| client.certificate());
                let presented = Presented { token, certificate, endpoint, resource: &resource };
                match auth.check(presented) {
                    Checked::Now(checked) => checked,
                    Checked::Later(checked) => checked.await,
                }
            }
            Err(malformed) => Err(malformed.into()),
        };
        let admitted = admitted.map_err(|refused| Box::new(refuse(&auth, refused, &base, endpoint)))?;
        if let Some(shown) = shown {
            auth.remember_seat(&peer.seat, shown, &admitted);
        }
        Ok(admitted.principal)
    }

    /// Who shows this token, or this certificate, at an endpoint of the gateway at `base`, for pages that ask who sits at a browser.
    pub async fn whose(&self, shown: Shown<'_>, endpoint: &str, base: &str) -> Option<Principal> {
        let auth = self.auth.load_full();
        let resource = auth.resource(base, endpoint);
        let (token, certificate) = match shown {
            Shown::Token(token) => (Some(token), None),
            Shown::Certificate(client) => (None, Some(client.certificate()?)),
        };
        let checked = match auth.check(Presented { token, certificate, endpoint, resource: &resource }) {
            Checked::Now(checked) => checked,
            Checked::Later(checked) => checked.await,
        };
        checked.ok().map(|admitted| admitted.principal)
    }

    /// Where the users of an issuer sign in at pages, if they do.
    pub fn login(&self, issuer: &str) -> Option<Arc<Login>> {
        self.auth.load().login(issuer)
    }

    /// The same principal with the token that it came with, where a server behind the endpoint is called with it. Nobody in particular
    /// has none, whatever a request carries.
    pub(super) fn bearing(principal: Principal, parts: &Parts) -> Principal {
        match principal.identity().kind {
            PrincipalKind::Anonymous | PrincipalKind::Certificate => principal,
            PrincipalKind::ApiKey | PrincipalKind::Token | PrincipalKind::ServiceAccount => {
                match Auth::token(&parts.headers, None) {
                    Ok(Some(token)) => principal.bearing(token),
                    _ => principal,
                }
            }
        }
    }

    /// Puts the challenge onto a response to a call that needs more scopes: what the client asks its token for next.
    pub(super) fn challenge(&self, response: &mut Response<Body>, parts: &Parts, endpoint: &str) {
        let Some(answer::NeededScopes(needed)) = response.extensions_mut().remove() else { return };
        METRICS.unauthenticated.of(label::Unauthenticated::Scope).inc();
        if let Some(challenge) = self.auth.load().step_up(&needed, &self.base(parts), endpoint) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    /// The metadata that lies at the path of this request, if any does (RFC 9728 section 3.1).
    pub(super) fn metadata(&self, parts: &Parts, paths: &Paths) -> Option<Response<Body>> {
        let auth = self.auth.load();
        let endpoint = match auth.describes(parts.uri.path())? {
            "" | "/" => paths.only_endpoint()?,
            path => paths.endpoint(path)?,
        };
        let mut response = answer::json(200, auth.metadata(&self.base(parts), &endpoint)?);
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("max-age=300"));
        Some(response)
    }

    /// What the request was sent to. Named by the client, but checked by the guard; beyond loopback the configuration names it.
    fn base(&self, parts: &Parts) -> String {
        format!("{}://{}", self.scheme, authority(parts))
    }
}

/// The host that a request was sent to, as it says.
fn authority(parts: &Parts) -> &str {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

/// Ready at that time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn refuse(auth: &Auth, refused: Refused, base: &str, endpoint: &str) -> Response<Body> {
    METRICS.unauthenticated.of(reason(refused)).inc();
    let mut response = answer::refuse(refused.status(), &refused.to_string());
    if let Some(after) = refused.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().into());
    }
    if refused.is_challenged()
        && let Some(challenge) = auth.challenge(refused, base, endpoint)
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

const fn reason(refused: Refused) -> label::Unauthenticated {
    match refused {
        Refused::NoToken => label::Unauthenticated::NoToken,
        Refused::InvalidToken => label::Unauthenticated::InvalidToken,
        Refused::Scope => label::Unauthenticated::Scope,
        Refused::Malformed(_) => label::Unauthenticated::Malformed,
        Refused::Unavailable | Refused::Busy => label::Unauthenticated::Unavailable,
    }
}
