//! What is none of MCP's own methods: carried to the server whose extension it is, and to nobody else.

use std::sync::Arc;

use crate::{
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, Outcome, Stage},
    policy::{Arguments, Subject},
    route,
    upstream::{Errand, Group},
};

use super::{
    endpoint::{Endpoint, Member},
    plain::plain_errand,
};

impl Endpoint {
    /// Carries a method that nobody here knows.
    pub(super) async fn extend(&self, call: &Call, method: &str, params: Option<Raw>, stage: Stage) -> Outcome {
        let found = match self.owner_of_method(&call.caller, method).await {
            Ok(group) => {
                let server = group.server().clone();
                let absent = || unknown(method);
                self.permit(call, (&server, Subject::Method(method)), Arguments::None, absent, group)
            }
            Err(fault) => Err(fault),
        };
        match found {
            Ok(permitted) => {
                let group = permitted.get().clone();
                let _admission = match self.limits.route(call, group.server(), None).decided().await {
                    Ok(admission) => admission,
                    Err(fault) => return Outcome::Failed(fault),
                };
                call.trace.goes_to(group.server());
                let errand: Errand = plain_errand(call, method, params, Vec::new());
                group.carry(permitted.map(|_| errand), stage).await
            }
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// The only server there is, or the one that declares the extension.
    async fn owner_of_method(&self, caller: &Arc<Caller>, method: &str) -> Result<Arc<Group>, Fault> {
        let may = |member: &Member| self.sees(caller, member, Subject::Method(method));
        if let [only] = self.members.as_slice() {
            return if may(only) { only.upstream.group(caller).await } else { Err(unknown(method)) };
        }
        let greetings = self.each(caller, may, |group| async move { group.greeting().await }).await;
        let offers = greetings.iter().map(|greeting| greeting.as_ref().map(|greeting| &greeting.offer));
        let place = route::extension_owner(method, offers).ok_or_else(|| unknown(method))?;
        self.members.get(place).ok_or_else(|| unknown(method))?.upstream.group(caller).await
    }

    /// Passes a legacy client's notification on: at once, to a server that is there.
    pub(super) fn tell(&self, caller: &Arc<Caller>, method: &str, params: Option<&Raw>) {
        let may = |member: &Member| self.sees(caller, member, Subject::Method(method));
        let groups = self.members.iter().zip(self.groups_now(caller));
        let groups: Vec<Option<Arc<Group>>> = groups.map(|(member, group)| group.filter(|_| may(member))).collect();
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

fn unknown(method: &str) -> Fault {
    Fault::UnknownMethod(method.to_owned())
}
