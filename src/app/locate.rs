//! Whose a resource is.

use std::sync::Arc;

use crate::{
    mcp::{Caller, ListKind},
    policy::Subject,
    upstream::Content,
};

use super::endpoint::{Endpoint, Joined};

/// Whose a resource is.
pub(super) enum Owner {
    /// That of the server at this place.
    Resource(usize),
    /// That by which a tool shows itself (MCP Apps): who may call the tool may see it.
    Tool(Arc<Joined>, usize),
}

impl Owner {
    /// The place of the server.
    pub(super) fn part(&self) -> usize {
        match self {
            Self::Resource(part) => *part,
            Self::Tool(joined, place) => joined.index.at(*place).map_or(usize::MAX, |entry| entry.part),
        }
    }
}

impl Endpoint {
    /// The owner of a resource that the caller sees: listed, made by a template, shown by a tool, or on an endpoint with one server
    /// whatever that server knows. Of one that the caller does not see some owner, so that the policy says so.
    pub(super) async fn located(&self, caller: &Arc<Caller>, uri: &str, subject: Subject<'_>) -> Option<Owner> {
        if let Some(owner) = self.owner_of_ui(caller, uri) {
            return Some(owner);
        }
        if let [only] = self.members.as_slice() {
            // What is withheld is in no list, and is not there for those who know its address either.
            return (!only.upstream.withholds_resource(uri)).then_some(Owner::Resource(0));
        }
        for attempt in 0..2 {
            if attempt > 0 {
                tokio::join!(
                    self.gather(caller, ListKind::Resources, Content::TheNewest),
                    self.gather(caller, ListKind::Templates, Content::TheNewest)
                );
            }
            let resources = self.join(ListKind::Resources, &self.stocks_now(caller, ListKind::Resources));
            let templates = self.join(ListKind::Templates, &self.stocks_now(caller, ListKind::Templates));
            let listed = resources.index.candidates(uri).map(|(_, entry)| entry.part);
            let made = templates.index.find_templates(uri).map(|entry| entry.part);
            let sees = |part: &usize| self.members.get(*part).is_some_and(|member| self.sees(caller, member, subject));
            if let Some(part) = listed.chain(made).find(sees) {
                return Some(Owner::Resource(part));
            }
            if let Some(owner) = self.owner_of_ui(caller, uri) {
                return Some(owner);
            }
        }
        self.listed_owner(caller, uri).map(Owner::Resource)
    }

    /// Where a resource is listed, whoever sees it.
    fn listed_owner(&self, caller: &Caller, uri: &str) -> Option<usize> {
        let listed = self.join(ListKind::Resources, &self.stocks_now(caller, ListKind::Resources));
        listed.index.candidates(uri).next().map(|(_, entry)| entry.part)
    }

    /// The tool that shows itself by this URI: such resources need not be listed.
    fn owner_of_ui(&self, caller: &Caller, uri: &str) -> Option<Owner> {
        if !uri.starts_with("ui://") {
            return None;
        }
        let joined = self.join(ListKind::Tools, &self.stocks_now(caller, ListKind::Tools));
        let mut tools = joined.index.find_ui(uri);
        let (place, _) = tools.find(|(_, entry)| self.sees_entry(caller, &joined, entry))?;
        drop(tools);
        Some(Owner::Tool(joined, place))
    }

    /// The server that has a resource, for subscriptions of callers who may read it.
    pub(super) async fn owner_of(&self, caller: &Arc<Caller>, uri: &str) -> Option<Arc<str>> {
        let owner = self.located(caller, uri, Subject::Resource(uri)).await?;
        let member = self.members.get(owner.part())?;
        let is_seen = matches!(owner, Owner::Tool(..)) || self.sees(caller, member, Subject::Resource(uri));
        is_seen.then(|| member.upstream.name().clone())
    }
}
