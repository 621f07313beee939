//! The connections to the other gateways, made when they are needed.

use std::{
    collections::HashMap,
    error::Error,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Mutex as Turn;

use crate::clock;

use super::{link, link::Requests, proof::Proof, settings::HopSettings};

/// Other gateways that are known at the same time, at the most: a deployment has some dozens, and each rollout brings new addresses.
const MAX_KNOWN: usize = 1024;
/// A request that could not be sent is sent again so often: the gateway closed its connection at that moment.
const MAX_SENDS: usize = 3;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// There is nobody at its home: nothing was sent, and nothing was done.
    #[error("the gateway is gone")]
    Gone(#[source] io::Error),
    /// It was sent, and its home was lost before it answered: nobody knows what was done.
    #[error("the gateway was lost during the request")]
    Lost(#[source] hyper::Error),
}

/// The ways to the other gateways.
pub struct Roads {
    proof: Proof,
    patience: Duration,
    known: Mutex<HashMap<String, Arc<Turn<Road>>>>,
}

/// What is known of one of them.
#[derive(Default)]
struct Road {
    open: Option<Requests>,
    /// When nobody was there.
    missed: Option<Instant>,
}

impl Roads {
    /// The ways of a gateway by these settings.
    pub fn new(settings: &HopSettings, proof: Proof) -> Self {
        Self { proof, patience: settings.connect_timeout, known: Mutex::default() }
    }

    /// Sends a request to its home, and has the head of the answer; the rest comes as it is sent.
    ///
    /// # Errors
    /// [`Unsent`].
    ///
    /// # Cancel safety
    /// Dropped, it cancels the request there.
    pub async fn send(&self, home: &str, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unsent> {
        for _ in 0..MAX_SENDS {
            let mut requests = self.requests(home).await.map_err(Unsent::Gone)?;
            match requests.send_request(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) if is_unseen(&error) => {}
                Err(error) => return Err(Unsent::Lost(error)),
            }
        }
        Err(Unsent::Gone(io::ErrorKind::NotConnected.into()))
    }

    /// A connection to a home: the one that is open, or another one. One connects, the others wait for what comes of it.
    async fn requests(&self, home: &str) -> io::Result<Requests> {
        let asked = clock::now();
        let road = self.road(home);
        let mut road = road.lock().await;
        if let Some(open) = road.open.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        // Whoever waited while somebody found out that nobody is there need not find out again.
        if road.missed.is_some_and(|missed| missed >= asked) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        road.open = None;
        match link::connect(home, &self.proof.client, self.patience).await {
            Ok(requests) => {
                road.open = Some(requests.clone());
                Ok(requests)
            }
            Err(error) => {
                tracing::debug!(home, %error, "a gateway is gone");
                road.missed = Some(clock::now());
                Err(error)
            }
        }
    }

    fn road(&self, home: &str) -> Arc<Turn<Road>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(road) = known.get(home) {
            return road.clone();
        }
        if known.len() >= MAX_KNOWN {
            // Those that are in use, and those that somebody is about to use, stay.
            known.retain(|_, road| Arc::strong_count(road) > 1 || road.try_lock().is_ok_and(|road| road.is_open()));
        }
        let road = Arc::<Turn<Road>>::default();
        // Where all are in use, this one is gone again after its request.
        if known.len() < MAX_KNOWN {
            known.insert(home.to_owned(), road.clone());
        }
        road
    }
}

/// Whether it is certain that nobody has seen the request: it was never written, refused before it was looked at, or came after the last
/// one that a connection takes (RFC 9113 sections 6.8 and 8.7).
fn is_unseen(error: &hyper::Error) -> bool {
    let told = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    let is_refused = |told: &h2::Error| match told.reason() {
        Some(Reason::REFUSED_STREAM) => told.is_reset() && told.is_remote(),
        Some(Reason::NO_ERROR) => told.is_go_away() && told.is_remote(),
        _ => false,
    };
    error.is_canceled() || told.is_some_and(is_refused)
}

impl Road {
    fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.is_closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::KeyRing;

    #[test]
    fn no_more_gateways_are_known_than_may_be_and_those_that_nobody_uses_make_room() {
        let settings =
            HopSettings { listen: ([127, 0, 0, 1], 0).into(), meeting: None, connect_timeout: Duration::from_secs(1) };
        let roads = Roads::new(&settings, Proof::new(&KeyRing::new(["a"]).unwrap()).unwrap());
        let count = || roads.known.lock().unwrap().len();
        let used: Vec<_> = (0..MAX_KNOWN).map(|number| roads.road(&number.to_string())).collect();
        assert_eq!(count(), MAX_KNOWN);
        drop(roads.road("one more"));
        assert_eq!(count(), MAX_KNOWN);
        drop(used);
        drop(roads.road("one more"));
        assert_eq!(count(), 1);
    }
}
