//! What tells the series of one server apart, beside its name; and the buckets of its times.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::{family::MetricConstructor, histogram::Histogram},
};

use super::handle::encode_label;
use crate::telemetry::label::{List, ListSource, Overlong, Thing, UpstreamState};

#[derive(Clone, Debug)]
pub(super) struct Buckets(pub(super) Arc<[f64]>);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StateLabel(pub(super) UpstreamState);

impl EncodeLabelSet for StateLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "state", self.0.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OverlongLabel(pub(super) Overlong);

impl EncodeLabelSet for OverlongLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "result", self.0.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListLabel(pub(super) List);

impl EncodeLabelSet for ListLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "list", self.0.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ThingLabel(pub(super) Thing);

impl EncodeLabelSet for ThingLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "kind", self.0.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SourceLabel(pub(super) ListSource);

impl EncodeLabelSet for SourceLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, "source", self.0.name())
    }
}
