//! Which server a method belongs to that is none of MCP's own: the one that declares the extension it is of.
//!
//! An extension's id is `vendor.example/name`; its methods are named after the id or after the name (`skills/list` of
//! `io.modelcontextprotocol/skills`), but need not be (`resources/directory/read` of the same). Where two servers could be meant, none is:
//! trying one after the other would show each what is asked of another.
//!
//! Source: 2026-07-28 basic/versioning (Extension Negotiation).

use crate::mcp::Offer;

/// Extensions whose methods are known, or that have none: who declares only these owns no other method.
const WITHOUT_METHODS: [&str; 3] = [
    "io.modelcontextprotocol/ui",
    "io.modelcontextprotocol/oauth-client-credentials",
    "io.modelcontextprotocol/enterprise-managed-authorization",
];
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// How surely an extension has a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// Its methods are not known to be others.
    May,
    /// The method is named after the extension's name.
    ByName,
    /// The method is named after its id.
    ById,
}

/// The place of the only server that has a method best, among what the servers offer.
pub fn owner<'a>(method: &str, offers: impl Iterator<Item = Option<&'a Offer>>) -> Option<usize> {
    let claims = offers.enumerate().filter_map(|(place, offer)| Some((claim(method, offer?)?, place)));
    let claims: Vec<(Claim, usize)> = claims.collect();
    let best = claims.iter().map(|(claim, _)| *claim).max()?;
    let mut owners = claims.iter().filter(|(claim, _)| *claim == best).map(|(_, place)| *place);
    owners.next().filter(|_| owners.next().is_none())
}

fn claim(method: &str, offer: &Offer) -> Option<Claim> {
    let declared = [&offer.extensions, &offer.experimental].into_iter().flatten();
    let ids: Vec<String> = declared
        .filter_map(|declared| declared.object().ok())
        .flat_map(|declared| declared.iter().map(|(id, _)| id.to_owned()).collect::<Vec<_>>())
        .collect();
    ids.iter().filter_map(|id| claim_of(method, id)).max()
}

fn claim_of(method: &str, id: &str) -> Option<Claim> {
    let method = method.strip_prefix("notifications/").unwrap_or(method);
    let is_below =
        |space: &str| method == space || method.strip_prefix(space).is_some_and(|rest| rest.starts_with('/'));
    let name = id.rsplit('/').next().unwrap_or(id);
    if is_below(id) {
        Some(Claim::ById)
    } else if is_below(name) {
        Some(Claim::ByName)
    } else {
        (!WITHOUT_METHODS.contains(&id) && id != TASKS).then_some(Claim::May)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Raw;

    fn offers(declared: &[&str]) -> Vec<Offer> {
        let offer = |ids: &&str| {
            let members: Vec<String> =
                ids.split(' ').filter(|id| !id.is_empty()).map(|id| format!("\"{id}\":{{}}")).collect();
            let text = format!("{{\"extensions\":{{{}}}}}", members.join(","));
            Offer::read(&Raw::parse(text.into(), 8).unwrap().object().unwrap(), None)
        };
        declared.iter().map(offer).collect()
    }

    #[test]
    fn a_method_goes_to_the_one_server_that_declares_its_extension() {
        let skills = "io.modelcontextprotocol/skills";
        for (declared, method, place) in [
            (vec!["", skills], "skills/list", Some(1)),
            (vec!["a.b/other", skills], "skills/list", Some(1)),
            (vec!["a.b/x", "c.d/x"], "c.d/x/run", Some(1)),
            (vec!["a.b/x", "c.d/x"], "x/run", None),
            (vec!["a.b/x", "c.d/x"], "notifications/c.d/x/ran", Some(1)),
            (vec!["", skills], "resources/directory/read", Some(1)),
            (vec!["a.b/other", skills], "resources/directory/read", None),
            (vec!["io.modelcontextprotocol/ui", skills], "resources/directory/read", Some(1)),
            (vec!["io.modelcontextprotocol/ui", ""], "whatever", None),
            (vec!["io.modelcontextprotocol/tasks", ""], "tasks/get", Some(0)),
            (vec!["", ""], "skills/list", None),
            (vec!["", skills], "skillsets/list", Some(1)),
        ] {
            let offers = offers(&declared);
            assert_eq!(owner(method, offers.iter().map(Some)), place, "{declared:?} {method}");
        }
        assert_eq!(owner("skills/list", [None, Some(&offers(&[skills])[0])].into_iter()), Some(1));
    }
}
