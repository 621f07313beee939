//! What is none of MCP's own methods: carried to the server whose extension it is, and to nobody else.

use std::sync::Arc;

use crate::{
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, Outcome, Stage},
    route,
    upstream::{Errand, Group},
};

use super::{endpoint::Endpoint, plain::plain_errand};

impl Endpoint {
    /// Carries a method that nobody here knows.
    pub(super) async fn extend(&self, call: &Call, method: &str, params: Option<Raw>, stage: Stage) -> Outcome {
        match self.owner_of_method(&call.caller, method).await {
            Ok(group) => {
                let _admission = match self.limits.route(call, group.server(), None).decided().await {
                    Ok(admission) => admission,
                    Err(fault) => return Outcome::Failed(fault),
                };
                call.trace.goes_to(group.server());
                let errand: Errand = plain_errand(call, method, params, Vec::new());
                group.carry(errand, stage).await
            }
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// The only server there is, or the one that declares the extension.
    async fn owner_of_method(&self, caller: &Arc<Caller>, method: &str) -> Result<Arc<Group>, Fault> {
        let unknown = || Fault::UnknownMethod(method.to_owned());
        if let [only] = self.members.as_slice() {
            return only.upstream.group(caller).await;
        }
        let greetings = self.each(caller, |group| async move { group.greeting().await }).await;
        let offers = greetings.iter().map(|greeting| greeting.as_ref().map(|greeting| &greeting.offer));
        let place = route::extension_owner(method, offers).ok_or_else(unknown)?;
        self.members.get(place).ok_or_else(unknown)?.upstream.group(caller).await
    }

    /// Passes a legacy client's notification on: at once, to a server that is there.
    pub(super) fn tell(&self, caller: &Arc<Caller>, method: &str, params: Option<&Raw>) {
        let groups: Vec<Option<Arc<Group>>> = self.groups_now(caller).collect();
        let place = match groups.as_slice() {
            [_] => Some(0),
            several => {
                let greetings: Vec<_> =
                    several.iter().map(|group| group.as_ref().and_then(|group| group.greeting_now())).collect();
                let offers = greetings.iter().map(|greeting| greeting.as_ref().map(|greeting| &greeting.offer));
                route::extension_owner(method, offers)
            }
        };
        if let Some(group) = place.and_then(|place| groups.get(place)?.as_ref()) {
            group.pass_on(method, params);
        }
    }
}
