//! `replicas`: where the other gateways find this one.

use super::found::section;
use crate::{
    config::{
        keys::FileKeys,
        place::{Found, Position},
        problem::ProblemKind,
        shape::Reader,
    },
    downstream::settings::ListenerSettings,
    hop::HopSettings,
};

/// How gateways reach each other, if they do.
pub(super) fn settings(keys: &FileKeys, listener: &ListenerSettings, reader: &mut Reader<'_>) -> Option<HopSettings> {
    let Found { value: replicas, place } = keys.replicas.as_ref()?;
    if section(keys.sealing.clone()).keys.is_none_or(|keys| keys.value.is_empty()) {
        reader.report(place, ProblemKind::Incomplete { needed: "sealing.keys" });
    }
    let Some(listen) = &replicas.listen else {
        if !reader.reported(place, "listen") {
            reader.report(place, ProblemKind::Incomplete { needed: "listen" });
        }
        return None;
    };
    let taken = [Some(listener.address), keys.admin().map(|admin| admin.address)];
    if listen.value.port() != 0 && taken.contains(&Some(listen.value)) {
        reader.report(&listen.place, ProblemKind::SameAddress);
    }
    let everywhere = listen.value.ip().is_unspecified();
    if replicas.address.is_none() && everywhere && !reader.reported(place, "address") {
        reader.report(&place.key("listen", Position::START), ProblemKind::Incomplete { needed: "address" });
    }
    let meeting = replicas.address.as_ref().map(|found| found.value.clone());
    Some(HopSettings { listen: listen.value, meeting, connect_timeout: replicas.connect_timeout() })
}
