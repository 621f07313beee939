//! What the pages are made of.

use std::sync::Arc;

use crate::{app::gateway::Gateway, downstream::exchange::Gate, seal::KeyRing, upstream::credential::Wallet};

use super::visits::Visits;

/// The pages.
pub(in crate::app) struct Site {
    pub(super) wallet: Arc<Wallet>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) gate: Arc<Gate>,
    pub(super) ring: Arc<KeyRing>,
    pub(super) visits: Visits,
}

impl Site {
    pub(in crate::app) fn new(wallet: Arc<Wallet>, gateway: Arc<Gateway>, gate: Arc<Gate>, ring: Arc<KeyRing>) -> Self {
        Self { wallet, gateway, gate, ring, visits: Visits::default() }
    }
}
