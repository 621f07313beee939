//! Reaching a server: which wire, which era, and the greeting.
//!
//! Two steps, so that the era is asked once and a process that was started for asking is used: [`open`] makes a wire and finds the
//! era, [`Opening::greet`] makes a [`Peer`] of it for one kind of client.
//!
//! Sources: 2026-07-28 basic/versioning and basic/transports (Backward Compatibility); 2025-11-25 basic/lifecycle.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    era::{
        Era, Outgoing,
        legacy::{self, back::Handshake},
        modern::{self, back::Probe},
    },
    jsonrpc::{ErrorObject, Id, Raw},
    mcp::{Caller, Capabilities, Offer, Principal, Profile, ProgressInterest, UpstreamFault},
};

use super::{
    bus::Bus,
    child_link::{Said, ToChild, ask, read_lines, spawn},
    credential::Courier,
    errand::{Dialect, Greeting},
    mux::Mux,
    owners::{Attribution, Owners},
    peer::{Link, Peer, answer},
    posting::{Posted, first_answer, initialize, post, post_headers},
    session::Session,
    settings::{EraHint, HttpTransport, StdioSettings, UpstreamSettings, WireSettings},
    sse_wire,
    streamable::Streamable,
    wire::http::To,
    wire::stdio::{Child, Lines, Stderr},
};

/// What opening needs to know of an upstream.
pub(super) struct Site<'a> {
    pub(super) settings: &'a UpstreamSettings,
    pub(super) server: &'a Arc<str>,
    /// For HTTP.
    pub(super) courier: Option<&'a Arc<Courier>>,
    /// What was learned before.
    pub(super) known: Option<Verdict>,
    /// Where its children's stderr goes.
    pub(super) stderr: &'a Arc<Stderr>,
}

/// What was learned of a server: cached for as long as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 2026-07-28.
    Modern,
    /// `initialize`, over the upstream's usual wire.
    Legacy,
    /// `initialize`, over HTTP+SSE.
    LegacySse,
}

impl Verdict {
    pub(super) const fn era(self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy | Self::LegacySse => Era::Legacy,
        }
    }
}

/// How one group of clients uses a server.
pub(super) struct Terms {
    pub(super) profile: Profile,
    pub(super) attribution: Attribution,
    pub(super) bus: Arc<Bus>,
    /// For HTTP.
    pub(super) courier: Option<Arc<Courier>>,
}

impl Terms {
    pub(super) fn owners(&self) -> Owners {
        Owners::new(self.attribution, self.profile.clone())
    }
}

/// A server whose era is known and that was not greeted yet.
pub(super) struct Opening {
    pub(super) verdict: Verdict,
    offer: Option<Offer>,
    process: Option<(Child, Lines, u64)>,
    /// What it answered to `initialize`, and for whom, where that was asked ahead.
    greeted: Option<(Profile, Greeting)>,
}

/// Who asks when the gateway does: somebody whose client can be asked everything, so that nothing is hidden from the lists.
pub(super) fn gateway_caller(profile: &Profile) -> Caller {
    let declared = profile.declaration();
    let capabilities = Capabilities::parse(&declared).unwrap_or_else(Capabilities::none);
    Caller { capabilities, ..Caller::of(Principal::new("gateway")) }
}

/// The question for the era, which every modern server answers at any time.
pub(super) fn probe_request(token: u64) -> Outgoing {
    let caller = gateway_caller(&Profile::default());
    modern::back::Encode { caller: &caller, progress: ProgressInterest::Unwanted, token }.discover()
}

/// Reaches a server and finds its era. What is started for that holds `place` until it has ended.
pub(super) async fn open(site: &Site<'_>, place: Option<OwnedSemaphorePermit>) -> Result<Opening, UpstreamFault> {
    match &site.settings.wire {
        WireSettings::Stdio(stdio) => open_stdio(site, stdio, place).await,
        WireSettings::Http(http) => match (site.known, http.transport, site.settings.era) {
            (Some(verdict @ (Verdict::Legacy | Verdict::LegacySse)), _, _) => Ok(Opening::of(verdict)),
            (None, HttpTransport::Sse, _) => Ok(Opening::of(Verdict::LegacySse)),
            (None, _, EraHint::Legacy) => Ok(Opening::of(Verdict::Legacy)),
            _ => timeout(site.settings.start_timeout, open_http(site)).await.map_err(|_| UpstreamFault::Timeout)?,
        },
    }
}

impl Opening {
    const fn of(verdict: Verdict) -> Self {
        Self { verdict, offer: None, process: None, greeted: None }
    }
}

// --- stdio -----------------------------------------------------------------------------------------------------------

async fn open_stdio(
    site: &Site<'_>,
    stdio: &StdioSettings,
    place: Option<OwnedSemaphorePermit>,
) -> Result<Opening, UpstreamFault> {
    let (child, mut lines) = spawn(site.settings, stdio, site.server, site.stderr).await?;
    let found = find_era(site, &child, &mut lines).await;
    let (verdict, offer, process) = match found {
        Ok(Found::Modern(offer, token)) => (Verdict::Modern, Some(offer), (child, lines, token)),
        Ok(Found::Legacy(token)) => (Verdict::Legacy, None, (child, lines, token)),
        // Some servers die of a request before `initialize`: another process, and no second probe.
        Ok(Found::Ended) => {
            let (child, lines) = spawn(site.settings, stdio, site.server, site.stderr).await?;
            (Verdict::Legacy, None, (child, lines, 1))
        }
        Err(fault) => {
            child.hold(place);
            return Err(fault);
        }
    };
    process.0.hold(place);
    Ok(Opening { offer, process: Some(process), ..Opening::of(verdict) })
}

/// What a child turned out to be, and the number that its next request gets.
enum Found {
    Modern(Offer, u64),
    Legacy(u64),
    Ended,
}

async fn find_era(site: &Site<'_>, child: &Child, lines: &mut Lines) -> Result<Found, UpstreamFault> {
    if site.known == Some(Verdict::Legacy) || site.settings.era == EraHint::Legacy {
        return Ok(Found::Legacy(1));
    }
    let patience = if site.known.is_some() || site.settings.era == EraHint::Modern {
        site.settings.start_timeout
    } else {
        site.settings.probe_timeout
    };
    let mut token = 1;
    loop {
        match ask(child, lines, &probe_request(token), token, patience).await {
            Said::Answer(answer) => match modern::back::probe(&answer) {
                Probe::Modern(offer) => return Ok(Found::Modern(offer, token + 1)),
                Probe::Retry if token < 3 => token += 1,
                Probe::Legacy | Probe::Retry => return Ok(Found::Legacy(token + 1)),
                Probe::Incompatible => return Err(UpstreamFault::Incompatible),
            },
            // Silence is legacy too, on the same process; a late answer carries the old id and is dropped.
            Said::Nothing => return Ok(Found::Legacy(token + 1)),
            Said::Ended => return Ok(Found::Ended),
        }
    }
}

// --- HTTP ------------------------------------------------------------------------------------------------------------

async fn open_http(site: &Site<'_>) -> Result<Opening, UpstreamFault> {
    let courier = site.courier.ok_or(UpstreamFault::Unavailable)?;
    for token in 1..=2 {
        let outgoing = probe_request(token);
        let body = crate::jsonrpc::request(&Id::from(token), &outgoing.method, outgoing.params.as_ref());
        let opened =
            post(courier, body, post_headers(&outgoing.headers), site.settings.max_message_bytes, (None, To::ANY))
                .await?;
        if matches!(&opened.posted, Posted::Whole(status, _) if status.is_server_error()) {
            return Err(UpstreamFault::ServerError);
        }
        let answer = match first_answer(opened.posted, &Id::from(token), site.settings.max_message_bytes).await {
            Ok(answer) => answer,
            // An empty body, a text, a 404: whoever answers so does not know the method.
            Err(UpstreamFault::Garbled | UpstreamFault::Gone) => break,
            Err(fault) => return Err(fault),
        };
        match modern::back::probe(&answer) {
            Probe::Modern(offer) => return Ok(Opening { offer: Some(offer), ..Opening::of(Verdict::Modern) }),
            Probe::Retry => (),
            Probe::Legacy => break,
            Probe::Incompatible => return Err(UpstreamFault::Incompatible),
        }
    }
    Ok(Opening::of(Verdict::Legacy))
}

// --- greeting --------------------------------------------------------------------------------------------------------

impl Opening {
    /// Shakes hands ahead with a legacy child, in the name of clients that can be asked this. It is told that all is well when it is used.
    pub(super) async fn shake_hands(&mut self, site: &Site<'_>, profile: Profile) -> Result<(), UpstreamFault> {
        let (Verdict::Legacy, Some((child, lines, token))) = (self.verdict, &mut self.process) else { return Ok(()) };
        let outgoing = legacy::back::initialize(&profile);
        match ask(child, lines, &outgoing, *token, site.settings.start_timeout).await {
            // It is modern after all, which is found out when it is used.
            Said::Answer(answer) if matches!(modern::back::probe(&answer), Probe::Retry) => (),
            Said::Answer(answer) => self.greeted = Some((profile, greeting(answer)?)),
            Said::Nothing => return Err(UpstreamFault::Timeout),
            Said::Ended => return Err(UpstreamFault::Gone),
        }
        *token += 1;
        Ok(())
    }

    /// Whose clients it shook hands for, if it did.
    pub(super) fn profile(&self) -> Option<&Profile> {
        self.greeted.as_ref().map(|(profile, _)| profile)
    }

    /// Whether it can still be used.
    pub(super) fn is_alive(&self) -> bool {
        self.process.as_ref().is_none_or(|(child, ..)| child.is_alive())
    }

    /// Its process holds this place from now on, instead of the one that it held.
    pub(super) fn hold(&self, place: Option<OwnedSemaphorePermit>) {
        if let Some((child, ..)) = &self.process {
            child.hold(place);
        }
    }

    /// The place that its process holds.
    pub(super) fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        self.process.as_ref().and_then(|(child, ..)| child.take_place())
    }

    /// Ends the process; ready when it has ended.
    pub(super) async fn end(self) {
        if let Some((child, ..)) = self.process {
            child.stop().await;
        }
    }

    /// Makes a peer of it.
    pub(super) async fn greet(self, site: &Site<'_>, terms: Terms) -> Result<(Verdict, Peer), UpstreamFault> {
        let greeting = async {
            match self.process {
                Some(process) => {
                    let greeted = self.greeted.map(|(_, greeting)| greeting);
                    greet_stdio(site, terms, (self.verdict, self.offer, greeted), process).await
                }
                None => greet_http(site, terms, self.verdict, self.offer).await,
            }
        };
        timeout(site.settings.start_timeout, greeting).await.map_err(|_| UpstreamFault::Timeout)?
    }
}

async fn greet_stdio(
    site: &Site<'_>,
    terms: Terms,
    (verdict, offer, greeted): (Verdict, Option<Offer>, Option<Greeting>),
    (child, lines, token): (Child, Lines, u64),
) -> Result<(Verdict, Peer), UpstreamFault> {
    let post = Box::new(ToChild(child.clone()));
    let mux = Arc::new(Mux::new(site.server.clone(), post, terms.owners(), terms.bus.clone(), token));
    let mut tasks = JoinSet::new();
    tasks.spawn(read_lines(mux.clone(), lines, site.server.clone()));
    let (verdict, greeting) = match (verdict, offer, greeted) {
        (_, _, Some(greeting)) => (verdict, greeting),
        (Verdict::Modern, Some(offer), None) => (verdict, Greeting { dialect: Dialect::Modern, offer }),
        _ => match find_out(&mux, &terms.profile).await {
            Ok(found) => found,
            Err(fault) => {
                child.stop().await;
                return Err(fault);
            }
        },
    };
    mux.settle(greeting.dialect.clone());
    if greeting.dialect.is_legacy() {
        mux.post(legacy::back::initialized())?;
    }
    Ok((verdict, Peer::new(greeting, Link::Stdio(mux, child), tasks)))
}

/// The legacy handshake, after which a server may turn out to be modern: the probe that it was too slow for made it so.
async fn find_out(mux: &Arc<Mux>, profile: &Profile) -> Result<(Verdict, Greeting), UpstreamFault> {
    let mut exchange = mux.start_own(|_| legacy::back::initialize(profile))?;
    let answered = answer(&mut exchange).await?;
    if matches!(modern::back::probe(&answered), Probe::Retry) {
        let mut exchange = mux.start_own(probe_request)?;
        if let Probe::Modern(offer) = modern::back::probe(&answer(&mut exchange).await?) {
            return Ok((Verdict::Modern, Greeting { dialect: Dialect::Modern, offer }));
        }
    }
    Ok((Verdict::Legacy, greeting(answered)?))
}

/// The legacy handshake over a wire of messages.
pub(super) async fn shake_hands(mux: &Arc<Mux>, profile: &Profile) -> Result<Greeting, UpstreamFault> {
    let mut exchange = mux.start_own(|_| legacy::back::initialize(profile))?;
    greeting(answer(&mut exchange).await?)
}

fn greeting(answer: Result<Raw, ErrorObject>) -> Result<Greeting, UpstreamFault> {
    let result = answer.map_err(|error| {
        tracing::warn!(code = error.code, message = error.message, "upstream refused to initialize");
        UpstreamFault::Incompatible
    })?;
    let Handshake { revision, offer } = legacy::back::handshake(&result).ok_or(UpstreamFault::Incompatible)?;
    Ok(Greeting { dialect: Dialect::Legacy(revision), offer })
}

async fn greet_http(
    site: &Site<'_>,
    terms: Terms,
    verdict: Verdict,
    offer: Option<Offer>,
) -> Result<(Verdict, Peer), UpstreamFault> {
    let courier = site.courier.ok_or(UpstreamFault::Unavailable)?;
    match (verdict, offer) {
        (Verdict::Modern, Some(offer)) => {
            let greeting = Greeting { dialect: Dialect::Modern, offer };
            Ok((verdict, http_peer(site, courier, &terms, greeting, None)))
        }
        (Verdict::LegacySse, _) => sse_wire::greet(site, courier, terms).await.map(|peer| (verdict, peer)),
        _ => match initialize(courier, &terms.profile, site.settings.max_message_bytes).await {
            Ok((session, answer)) => {
                let peer = http_peer(site, courier, &terms, greeting(answer)?, session);
                if let Link::Http(http) = &peer.link {
                    http.post_message(legacy::back::initialized()).await?;
                }
                Ok((Verdict::Legacy, peer))
            }
            // Whoever does not know the POST may know only HTTP+SSE.
            Err(UpstreamFault::Garbled | UpstreamFault::Incompatible) => {
                sse_wire::greet(site, courier, terms).await.map(|peer| (Verdict::LegacySse, peer))
            }
            Err(fault) => Err(fault),
        },
    }
}

fn http_peer(
    site: &Site<'_>,
    courier: &Arc<Courier>,
    terms: &Terms,
    greeting: Greeting,
    session: Option<Session>,
) -> Peer {
    let http = Arc::new(Streamable::new(
        site.server.clone(),
        courier.clone(),
        greeting.dialect.clone(),
        terms.profile.clone(),
        terms.attribution,
        terms.bus.clone(),
        site.settings.max_message_bytes,
    ));
    http.enter(session);
    let (opened, is_open) = watch::channel(false);
    let peer = Peer::new(greeting, Link::Http(http.clone()), JoinSet::new()).through(courier);
    if peer.greeting.dialect.is_legacy() {
        peer.spawn(super::listener::session_stream(http, terms.bus.clone(), opened));
        peer.set_listening(is_open);
    }
    peer
}
