//! What was found, put together with what the file names: the settings that the gateway runs by.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    config::settings::Settings,
    discovery::{Finder, LeftOut, Offers, Picture, Service, Trouble, offers, settings::ClusterSettings},
    route::settings::Names,
    telemetry::metrics::METRICS,
};

/// How often it is waited for quiet before what changes all the time is gone over to.
const MAX_SETTLES: usize = 20;

/// What is found while the gateway runs.
#[derive(Default)]
pub(super) struct Found {
    finder: Option<(ClusterSettings, Finder)>,
    picture: Arc<Picture>,
    shown: Arc<Shown>,
}

/// What others are told of it.
#[derive(Default)]
pub(super) struct Shown(Mutex<State>);

#[derive(Default)]
struct State {
    left_out: Vec<LeftOut>,
    trouble: Option<Trouble>,
}

impl Found {
    /// Begins to look, and waits for what there is at first: a gateway that takes calls should know its servers. One whose API server is
    /// away starts all the same.
    pub(super) async fn start(settings: &Settings) -> Self {
        let mut found = Self::default();
        found.look_by(settings);
        if let (Some((_, finder)), Some(discovery)) = (&mut found.finder, &settings.discovery) {
            finder.first(discovery.cluster.timeout).await;
            found.picture = finder.picture();
        }
        found
    }

    /// Goes over to other settings. What is known stays until it is heard of anew.
    pub(super) fn look_by(&mut self, settings: &Settings) {
        let Some(discovery) = &settings.discovery else {
            *self = Self { shown: self.shown.clone(), ..Self::default() };
            return;
        };
        if self.finder.as_ref().is_some_and(|(cluster, _)| *cluster == discovery.cluster) {
            return;
        }
        let mut finder = Finder::start(&discovery.cluster, &self.picture.services);
        self.picture = finder.picture();
        self.finder = Some((discovery.cluster.clone(), finder));
    }

    /// What others are told.
    pub(super) fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// Ready when something else was found; never where nothing is looked for.
    pub(super) async fn changed(&mut self) {
        match &mut self.finder {
            Some((_, finder)) => finder.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing else was found for so long: several Services often change at once. Not for ever, where one never rests.
    pub(super) async fn settle(&mut self, quiet: Duration) {
        for _ in 0..MAX_SETTLES {
            if timeout(quiet, self.changed()).await.is_err() {
                return;
            }
        }
    }

    /// `settings` with what is found now.
    pub(super) fn added_to(&mut self, settings: &Settings) -> Settings {
        if let Some((_, finder)) = &mut self.finder {
            self.picture = finder.picture();
        }
        let (merged, offers) = merge(settings, &self.picture.services);
        self.shown.set(offers, self.picture.trouble);
        merged
    }
}

impl Shown {
    /// What an operator is told of what was left out; and of what may be old.
    pub(super) fn problems(&self) -> (Vec<LeftOut>, Option<Trouble>) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.left_out.clone(), state.trouble)
    }

    /// The log hears of each thing once.
    fn set(&self, offers: Offers, trouble: Option<Trouble>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |left_out: &&LeftOut| !state.left_out.contains(left_out);
        for LeftOut { service, fault } in offers.left_out.iter().filter(is_new) {
            tracing::warn!(%service, %fault, "a service is left out");
        }
        METRICS.discovered_servers.set(count(offers.servers.len()));
        METRICS.discovery_left_out.set(count(offers.left_out.len()));
        *state = State { left_out: offers.left_out, trouble };
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The servers that were found stand behind those that the file names. Where some may come, names have a prefix from the first server
/// on: a second one would change those of the first otherwise.
fn merge(settings: &Settings, services: &[Service]) -> (Settings, Offers) {
    let mut merged = settings.clone();
    let Some(discovery) = &settings.discovery else { return (merged, Offers::default()) };
    let configured: BTreeSet<&str> = settings.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    let offers = offers(&discovery.rules, services, &configured);
    for endpoint in &mut merged.endpoints {
        if !discovery.rules.endpoints.contains(&endpoint.path) {
            continue;
        }
        if endpoint.names == Names::Auto {
            endpoint.names = Names::Prefixed;
        }
        let here = offers.servers.iter().filter(|offered| offered.endpoints.contains(&endpoint.path));
        endpoint.servers.extend(here.map(|offered| offered.settings.name.clone()));
    }
    merged.upstreams.extend(offers.servers.iter().map(|offered| offered.settings.clone()));
    (merged, offers)
}
