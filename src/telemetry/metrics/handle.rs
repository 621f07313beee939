//! Handles that are resolved once and then cost an atomic addition.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::Count;
use crate::telemetry::label::{Era, Label, Method, Outcome};

/// Counts one more of something for as long as it lives.
#[derive(Debug)]
pub struct InUse(Gauge);

impl InUse {
    /// One more of what `gauge` counts.
    pub fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Calls by era, method group and outcome. A series appears with its first call.
#[derive(Debug)]
pub struct Requests {
    family: Family<RequestLabels, Count>,
    cells: Box<[OnceLock<Count>]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RequestLabels {
    era: Era,
    method: Method,
    outcome: Outcome,
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "era", self.era.name())?;
        encode_label(encoder, "method", self.method.name())?;
        encode_label(encoder, "outcome", self.outcome.name())
    }
}

impl Requests {
    pub(super) fn register(registry: &mut Registry, name: &'static str, help: &'static str) -> Self {
        let family = Family::default();
        registry.register(name, help, family.clone());
        let cells = Era::ALL.len() * Method::ALL.len() * Outcome::ALL.len();
        Self { family, cells: (0..cells).map(|_| OnceLock::new()).collect() }
    }

    /// Counts a call that ended.
    pub fn count(&self, era: Era, method: Method, outcome: Outcome) {
        let place = (era.index() * Method::ALL.len() + method.index()) * Outcome::ALL.len() + outcome.index();
        let Some(cell) = self.cells.get(place) else { return };
        cell.get_or_init(|| self.family.get_or_create_owned(&RequestLabels { era, method, outcome })).inc();
    }
}

/// A counter for each value of a label, all there from the start.
#[derive(Debug)]
pub struct PerLabel<L> {
    counters: Box<[Count]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> PerLabel<L> {
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        label: &'static str,
        unit: Option<Unit>,
    ) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Count>::default();
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, family.clone()),
            None => registry.register(name, help, family.clone()),
        }
        let counters = L::VALUES.iter().map(|value| family.get_or_create_owned(&[(label, value.text())])).collect();
        Self { counters, label: PhantomData }
    }

    /// The counter of that value.
    #[expect(clippy::indexing_slicing, reason = "`register` made a counter for each value")]
    pub fn of(&self, value: L) -> &Count {
        // `register` made a counter for each value, in their order.
        &self.counters[value.index()]
    }
}

/// The operator's name for a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerLabel(pub(super) Arc<str>);

impl EncodeLabelSet for ServerLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "server", &self.0)
    }
}

pub(super) fn encode_label(encoder: &mut LabelSetEncoder<'_>, name: &str, value: &str) -> fmt::Result {
    use prometheus_client::encoding::EncodeLabel;
    (name, value).encode(encoder.encode_label())
}
