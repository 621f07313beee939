//! What of an endpoint a caller sees: the policy's answers for the things of its lists.

use std::{collections::HashSet, sync::Arc};

use crate::{
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, ListKind},
    policy::{Arguments, Asked, Permitted, Request, Subject, Thing},
    route::Exposed,
};

use super::{
    endpoint::{Endpoint, Joined, Member},
    seen::View,
};

impl Endpoint {
    /// What the caller sees of a joined list.
    pub(super) fn view(&self, caller: &Caller, joined: &Joined) -> Arc<View> {
        if self.policies.are_none() {
            return joined.views.everything(joined.index.entries().len());
        }
        let is_lasting = !self.policies.change_with_time();
        if let Some(view) = joined.views.of(&caller.principal).filter(|_| is_lasting) {
            return view;
        }
        let view = joined.views.of_places(self.seen(caller, joined));
        if is_lasting {
            joined.views.remember(&caller.principal, view.clone());
        }
        view
    }

    /// The places of what the caller sees; of one name the first that is seen.
    fn seen(&self, caller: &Caller, joined: &Joined) -> Box<[usize]> {
        let mut names = HashSet::new();
        let all = joined.index.all().into_iter();
        let seen = all.filter(|(_, entry)| self.sees_entry(caller, joined, entry) && names.insert(&*entry.name));
        seen.map(|(place, _)| place).collect()
    }

    /// Whether the caller may know of an entry.
    pub(super) fn sees_entry(&self, caller: &Caller, joined: &Joined, entry: &Exposed) -> bool {
        let Some(member) = self.members.get(entry.part) else { return false };
        self.sees(caller, member, subject(joined, entry))
    }

    /// Whether the caller may know of something of a server.
    pub(super) fn sees(&self, caller: &Caller, member: &Member, subject: Subject<'_>) -> bool {
        self.policies.show(&self.asked(caller, member.upstream.name(), subject), caller)
    }

    /// Whether the caller may see something of that kind on a server, whatever it has.
    pub(super) fn sees_some(&self, caller: &Caller, member: &Member, kind: ListKind) -> bool {
        self.policies.are_none() || self.sees(caller, member, Subject::Some(kind))
    }

    /// Whether there may be anything for the caller on a server.
    pub(super) fn knows(&self, caller: &Caller, member: &Member) -> bool {
        [ListKind::Tools, ListKind::Prompts, ListKind::Resources]
            .into_iter()
            .any(|kind| self.sees_some(caller, member, kind))
    }

    /// Permits a call to a server.
    pub(super) fn permit<T>(
        &self,
        call: &Call,
        (server, subject): (&Arc<str>, Subject<'_>),
        arguments: Arguments<'_>,
        absent: impl FnOnce() -> Fault,
        permitted: T,
    ) -> Result<Permitted<T>, Fault> {
        // Also where it ends here: the log says of which server.
        call.trace.goes_to(server);
        if let Subject::Tool(thing) | Subject::Prompt(thing) = subject
            && thing.own != thing.name
        {
            call.trace.goes_by(thing.own);
        }
        if let Subject::Tool(Thing { entry: Some(entry), .. }) = subject {
            call.trace.is_of(entry);
        }
        let request = Request { caller: &call.caller, arguments, trace: &call.trace };
        self.policies.permit(&self.asked(&call.caller, server, subject), request, absent, permitted)
    }

    fn asked<'a>(&'a self, caller: &'a Caller, server: &'a str, subject: Subject<'a>) -> Asked<'a> {
        Asked { principal: &caller.principal, endpoint: &self.path, server, subject }
    }
}

/// What a call of an entry is about.
pub(super) fn subject<'a>(joined: &Joined, entry: &'a Exposed) -> Subject<'a> {
    let thing =
        |raw: Option<&'a Raw>| Thing { name: &entry.name, own: &entry.own, entry: raw, version: joined.version };
    match joined.kind {
        ListKind::Tools => Subject::Tool(thing(Some(&entry.raw))),
        ListKind::Prompts => Subject::Prompt(thing(None)),
        // A template is judged by its own text: rules speak of how URIs begin, and so does a template. Were it seen wherever any resource
        // is, its text would tell of others.
        ListKind::Resources | ListKind::Templates => Subject::Resource(&entry.own),
    }
}
