//! What a call is counted for, and the names that it has for a limit.

use std::net::IpAddr;

use globset::{Glob, GlobMatcher};
use smallvec::SmallVec;

use super::settings::{Match, Pattern};
use crate::{
    mcp::{Per, Principal},
    network::Network,
};

/// What is known of a call where it is counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub(super) address: Option<IpAddr>,
    pub(super) principal: Option<&'a Principal>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) server: Option<&'a str>,
    pub(super) tool: Option<&'a str>,
}

/// A name or a tuple of names, told from all others. Most are short: it is no allocation.
pub(super) type Key = SmallVec<[u8; 96]>;

/// A pattern that is ready to be looked at.
pub(super) struct Matcher {
    per: Per,
    looks: Looks,
}

enum Looks {
    Like(GlobMatcher),
    In(Network),
}

impl Matcher {
    pub(super) fn new(settings: &Match) -> Result<Self, globset::Error> {
        let looks = match &settings.pattern {
            Pattern::Glob(glob) => Looks::Like(Glob::new(glob)?.compile_matcher()),
            Pattern::Network(network) => Looks::In(*network),
        };
        Ok(Self { per: settings.per, looks })
    }

    /// Whether a name is meant.
    fn takes(&self, name: &str) -> bool {
        match &self.looks {
            Looks::Like(glob) => glob.is_match(name),
            Looks::In(_) => false,
        }
    }

    /// Whether a call is meant: of its groups, one has to be.
    fn meets(&self, subject: &Subject<'_>) -> bool {
        match (&self.looks, self.per) {
            (Looks::In(network), _) => subject.address.is_some_and(|address| network.contains(address)),
            (Looks::Like(_), Per::Group) => subject.groups().iter().any(|group| self.takes(group)),
            (Looks::Like(_), per) => subject.name(per).is_some_and(|name| self.takes(name)),
        }
    }
}

impl<'a> Subject<'a> {
    fn groups(&self) -> &'a [String] {
        self.principal.map_or(&[], |principal| &principal.identity().groups)
    }

    /// The one name of that kind; of groups there are several, and an address is none.
    fn name(&self, per: Per) -> Option<&'a str> {
        match per {
            Per::Principal => self.principal.map(Principal::id),
            Per::Endpoint => self.endpoint,
            Per::Server => self.server,
            Per::Tool => self.tool,
            Per::Address | Per::Group => None,
        }
    }

    /// Calls `take` with each key that the call has for a limit: one, or one for each of its groups where groups are counted apart.
    pub(super) fn keys(&self, per: &[Per], matchers: &[Matcher], mut take: impl FnMut(&[u8])) {
        if !matchers.iter().all(|matcher| matcher.meets(self)) {
            return;
        }
        if !per.contains(&Per::Group) {
            return self.key(per, "", &mut take);
        }
        let of_groups = || matchers.iter().filter(|matcher| matcher.per == Per::Group);
        let groups = self.groups();
        for (place, group) in groups.iter().enumerate() {
            let is_new = !groups.iter().take(place).any(|earlier| earlier == group);
            if is_new && of_groups().all(|matcher| matcher.takes(group)) {
                self.key(per, group, &mut take);
            }
        }
    }

    /// The key of one tuple: with their lengths, since names may contain anything. A call that lacks a part has none.
    fn key(&self, per: &[Per], group: &str, take: &mut impl FnMut(&[u8])) {
        if let [only] = per
            && let Some(name) = self.name(*only)
        {
            return take(name.as_bytes());
        }
        let mut key = Key::new();
        for part in per {
            let address;
            let name = match part {
                Per::Group => group.as_bytes(),
                Per::Address => match self.address {
                    Some(own) => {
                        address = site(own);
                        &address
                    }
                    None => return,
                },
                part => match self.name(*part) {
                    Some(name) => name.as_bytes(),
                    None => return,
                },
            };
            if per.len() > 1 {
                key.extend_from_slice(&name.len().to_le_bytes());
            }
            key.extend_from_slice(name);
        }
        take(&key);
    }

    /// Who takes turns with others in a queue.
    pub(super) fn who(&self) -> std::sync::Arc<[u8]> {
        match (self.principal, self.address) {
            (Some(principal), _) => principal.id().as_bytes().into(),
            (None, Some(address)) => site(address).as_slice().into(),
            (None, None) => std::sync::Arc::default(),
        }
    }
}

/// An address as it is counted: an IPv4 address as it is, of an IPv6 address the first 64 bits. A site has at least that many to itself
/// (RFC 6177), and could else take a new one for each request.
fn site(address: IpAddr) -> SmallVec<[u8; 8]> {
    match address.to_canonical() {
        IpAddr::V4(address) => SmallVec::from_slice(&address.octets()),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}
