//! What is known of the Services: the last that was heard stays until something else is.

use std::collections::BTreeMap;

use super::service::{Service, ServiceId};

/// What is known of the Services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Them.
    pub services: Vec<Service>,
    /// Why this may be old.
    pub trouble: Option<Trouble>,
    /// Namespaces of which nothing was heard yet, neither Services nor trouble.
    pub(super) awaited: usize,
}

/// Why nothing new is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers.
    #[error("the API server cannot be reached")]
    Unreached,
    /// It does not know the gateway's token.
    #[error("the API server does not take the gateway's token (401)")]
    Unknown,
    /// The gateway may not.
    #[error("the gateway's service account may not list and watch services there (403)")]
    Forbidden,
    /// It answers with something else.
    #[error("the API server answers with {0}")]
    Status(u16),
    /// What it answers is not what it should be.
    #[error("what the API server answers cannot be read")]
    Content,
    /// The gateway's own token cannot be read.
    #[error("`tokenFile` cannot be read")]
    Token,
    /// The gateway's settings make no client.
    #[error("`apiServer` or `ca` cannot be used")]
    Settings,
}

/// The Services of one namespace, or of all.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// By age: when there are too many, the younger ones are left aside.
    services: BTreeMap<(String, ServiceId), Service>,
    /// How old each of them is.
    ages: BTreeMap<ServiceId, String>,
    /// Whether some were left aside, so that one which goes makes room for one that is not known.
    pub(super) room: Room,
    pub(super) heard: Heard,
    pub(super) trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Room {
    #[default]
    Enough,
    Exceeded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Heard {
    #[default]
    Nothing,
    Something,
}

impl Scope {
    pub(super) fn of(services: impl IntoIterator<Item = Service>, limit: usize) -> Self {
        let mut scope = Self::default();
        for service in services {
            scope.put(service, limit);
        }
        scope
    }

    pub(super) fn put(&mut self, service: Service, limit: usize) {
        self.remove(&service.id);
        self.ages.insert(service.id.clone(), service.created.clone());
        self.services.insert((service.created.clone(), service.id.clone()), service);
        if self.services.len() > limit {
            self.room = Room::Exceeded;
            if let Some(((_, youngest), _)) = self.services.pop_last() {
                self.ages.remove(&youngest);
            }
        }
    }

    pub(super) fn remove(&mut self, id: &ServiceId) {
        if let Some(created) = self.ages.remove(id) {
            self.services.remove(&(created, id.clone()));
        }
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }
}
