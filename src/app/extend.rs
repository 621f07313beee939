//! What is none of MCP's own methods: carried to the server whose extension it is, and to nobody else.

use std::sync::Arc;

use crate::{
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, Outcome, Params, Stage},
    policy::{Arguments, Permitted, Subject},
    route,
    upstream::{Changes, Errand, Group},
};

use super::{
    endpoint::{Endpoint, Member},
    plain::plain_errand,
};

impl Endpoint {
    /// Carries a method that nobody here knows.
    pub(super) async fn extend(&self, call: &Call, method: &str, params: Option<Raw>, stage: Stage) -> Outcome {
        let permitted = match self.owner_of_method(&call.caller, method).await {
            Ok(member) => self.permit_method(call, member, method, member),
            Err(fault) => Err(fault),
        };
        let permitted = match permitted {
            Ok(permitted) => permitted,
            Err(fault) => return Outcome::Failed(fault),
        };
        let group = match permitted.get().upstream.group(&call.caller).await {
            Ok(group) => group,
            Err(fault) => return Outcome::Failed(fault),
        };
        let _admission = match self.limits.route(call, group.server(), None).decided().await {
            Ok(admission) => admission,
            Err(fault) => return Outcome::Failed(fault),
        };
        let errand: Errand = plain_errand(call, method.to_owned().into(), Params::of(params.as_ref()), Changes::new());
        group.carry(permitted.map(|_| errand), stage).await
    }

    fn permit_method<T>(&self, call: &Call, member: &Member, method: &str, what: T) -> Result<Permitted<T>, Fault> {
        let subject = Subject::Method(method);
        self.permit(call, (member.upstream.name(), subject), Arguments::Said(None), || unknown(method), what)
    }

    /// The only server there is, or the one that declares the extension.
    async fn owner_of_method(&self, caller: &Arc<Caller>, method: &str) -> Result<&Member, Fault> {
        if let [only] = self.members.as_slice() {
            return Ok(only);
        }
        let may = |member: &Member| self.sees(caller, member, Subject::Method(method));
        let greetings = self.each(caller, may, |group| async move { group.greeting().await }).await;
        let offers = greetings.iter().map(|greeting| greeting.as_ref().map(|greeting| &greeting.offer));
        let place = route::extension_owner(method, offers).ok_or_else(|| unknown(method))?;
        self.members.get(place).ok_or_else(|| unknown(method))
    }

    /// Tells the servers of which the caller may see something that its roots changed: to the others it is nobody.
    pub(super) fn tell_roots_changed(&self, caller: &Caller) {
        let groups = self.members.iter().zip(self.groups_now(caller));
        for group in groups.filter(|(member, _)| self.knows(caller, member)).filter_map(|(_, group)| group) {
            group.roots_changed();
        }
    }

    /// Passes a legacy client's notification on: at once, to a server that is there.
    pub(super) fn tell(&self, call: &Call, method: &str, params: Option<&Raw>) {
        let caller = &call.caller;
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
        let Some(place) = place else { return };
        if let (Some(member), Some(Some(group))) = (self.members.get(place), groups.get(place))
            && let Ok(told) = self.permit_method(call, member, method, (method, params))
        {
            group.pass_on(told);
        }
    }
}

fn unknown(method: &str) -> Fault {
    Fault::UnknownMethod(method.to_owned())
}
