//! Who the last request of a connection was.
//!
//! Most connections belong to one client, whose every request carries the same token: then it is enough to see that it is the same.
//! Nothing holds longer for it: a remembered request holds for as long as the check of its token does, under the same rules.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, header};

use super::admitted::Admitted;
use crate::{mcp::Principal, redact::Redacted};

/// Remembers one request of a connection.
#[derive(Debug, Default)]
pub struct Seat(Mutex<Option<Taken>>);

#[derive(Debug)]
struct Taken {
    epoch: u64,
    endpoint: Box<str>,
    host: Box<str>,
    credential: Redacted<Box<[u8]>>,
    principal: Principal,
    until: Instant,
}

/// What of a request decides who it is.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    endpoint: &'a str,
    /// The address of the endpoint is made of it, and a token is for an address.
    host: &'a str,
    credential: &'a [u8],
}

impl<'a> Credentials<'a> {
    /// Of a request that was sent to `host` for `endpoint`; nothing where it is not one header alone that decides.
    pub fn of(headers: &'a HeaderMap, query: Option<&str>, host: &'a str, endpoint: &'a str) -> Option<Self> {
        let mut credentials = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(credential), None, None) = (credentials.next(), credentials.next(), query) else { return None };
        Some(Self { endpoint, host, credential: credential.as_bytes() })
    }
}

impl Seat {
    /// Who it is, if the last request showed the same and that still holds.
    pub(super) fn find(&self, epoch: u64, shown: Credentials<'_>, now: Instant) -> Option<Principal> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = taken.as_ref()?;
        let is_same = taken.epoch == epoch
            && now < taken.until
            && *taken.endpoint == *shown.endpoint
            && *taken.host == *shown.host
            // Clients behind one proxy may share a connection: how much of a token is right must not be told by the time.
            && verify_slices_are_equal(taken.credential.expose(), shown.credential).is_ok();
        is_same.then(|| taken.principal.clone())
    }

    /// The next request may show the same.
    pub(super) fn keep(&self, epoch: u64, shown: Credentials<'_>, admitted: &Admitted) {
        let Some(until) = admitted.until else { return };
        let taken = Taken {
            epoch,
            endpoint: shown.endpoint.into(),
            host: shown.host.into(),
            credential: Redacted::new(shown.credential.into()),
            principal: admitted.principal.clone(),
            until,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_the_same_credential_at_the_same_place_under_the_same_rules_is_recalled() {
        let (seat, now) = (Seat::default(), crate::clock::now());
        let (own, other) = (headers(&["Bearer abc"]), headers(&["Bearer abd"]));
        let shown = |headers| Credentials::of(headers, None, "gateway", "/mcp").unwrap();
        let admitted = Admitted { principal: Principal::new("ann"), until: Some(now + SOON) };
        assert!(seat.find(1, shown(&own), now).is_none());
        seat.keep(1, shown(&own), &admitted);
        let id = |found: Option<Principal>| found.map(|principal| principal.id().to_owned());
        assert_eq!(id(seat.find(1, shown(&own), now)).as_deref(), Some("ann"));
        assert!(seat.find(1, shown(&other), now).is_none());
        assert!(seat.find(2, shown(&own), now).is_none(), "other rules");
        assert!(seat.find(1, shown(&own), now + SOON).is_none(), "it does not hold any more");
        for (host, endpoint) in [("elsewhere", "/mcp"), ("gateway", "/other")] {
            assert!(seat.find(1, Credentials::of(&own, None, host, endpoint).unwrap(), now).is_none());
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_neither_recalled_nor_kept() {
        for (values, query) in
            [(&["Bearer a", "Bearer a"][..], None), (&[], None), (&["Bearer a"], Some("access_token=b"))]
        {
            assert!(Credentials::of(&headers(values), query, "gateway", "/mcp").is_none());
        }
    }
}
