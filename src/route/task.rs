//! Whose task an id names: the sealed id under which clients know a task.
//!
//! A server's own id says nothing of the server, and whoever learned it could ask for the task. The id that leaves here names the
//! server, the principal and the form, and nobody can make one; any gateway with the key can serve it (docs/adr/0015), or knows which can.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock,
    mcp::{Caller, TaskForm},
    seal::{KeyRing, Purpose},
};

/// The least time for which an id is good: a server may keep a task for longer than it said at first.
const LEAST: Duration = Duration::from_secs(24 * 3600);
/// The most, also where a server keeps its tasks for ever.
const MOST: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a task's id says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskAddress {
    /// The server that has it.
    pub server: Arc<str>,
    /// The server's own id.
    pub id: String,
    /// The only peer that knows it, where not all of the server's do.
    pub peer: Option<Arc<str>>,
    /// The tool whose call it is, by the name that its caller used: whoever may no longer call that has no task of it.
    pub tool: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(rename = "s")]
    server: String,
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(rename = "p")]
    principal: String,
    #[serde(rename = "f")]
    form: Form,
    /// In seconds since 1970.
    #[serde(rename = "x")]
    expires: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    #[serde(rename = "c")]
    Core,
    #[serde(rename = "e")]
    Extension,
}

impl Form {
    const fn of(form: TaskForm) -> Option<Self> {
        match form {
            TaskForm::Unspoken => None,
            TaskForm::Core => Some(Self::Core),
            TaskForm::Extension => Some(Self::Extension),
        }
    }
}

impl TaskAddress {
    /// The id for the caller who made the task; `ttl` is for how long its server keeps it, if not for ever. `None` for a caller who
    /// cannot be told of tasks, or when the machine has no randomness.
    pub fn seal(&self, ring: &KeyRing, caller: &Caller, ttl: Option<Duration>) -> Option<String> {
        let lifetime = ttl.map_or(MOST, |ttl| ttl.clamp(LEAST, MOST));
        self.seal_until(ring, caller, clock::expiry(lifetime))
    }

    fn seal_until(&self, ring: &KeyRing, caller: &Caller, expires: u64) -> Option<String> {
        let form = Form::of(caller.capabilities.tasks)?;
        let sealed = Sealed {
            server: self.server.to_string(),
            id: self.id.clone(),
            peer: self.peer.as_deref().map(str::to_owned),
            tool: self.tool.as_deref().map(str::to_owned),
            principal: caller.principal.id().to_owned(),
            form,
            expires,
        };
        let content = serde_json::to_vec(&sealed).ok()?;
        // A peer is known to its own gateway only.
        let seal = if self.peer.is_some() { KeyRing::seal_here } else { KeyRing::seal };
        seal(ring, Purpose::Task, &content).ok()
    }

    /// What an id says to this caller. `None` when it is forged, expired, of another principal or of the other form: all alike, so that
    /// nothing is learned.
    pub fn open(ring: &KeyRing, id: &str, caller: &Caller) -> Option<Self> {
        let content = ring.open(Purpose::Task, id).ok()?;
        let sealed: Sealed = serde_json::from_slice(&content).ok()?;
        let is_callers =
            sealed.principal == caller.principal.id() && Form::of(caller.capabilities.tasks) == Some(sealed.form);
        let (peer, tool) = (sealed.peer.map(Into::into), sealed.tool.map(Into::into));
        let address = Self { server: sealed.server.into(), id: sealed.id, peer, tool };
        (is_callers && clock::unix_time().as_secs() < sealed.expires).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::{Capabilities, LogInterest, Principal};

    fn caller(id: &str, tasks: TaskForm) -> Caller {
        Caller {
            principal: Principal::new(id),
            session: None,
            client_info: None,
            capabilities: Capabilities { tasks, ..Capabilities::none() },
            log: LogInterest::Off,
            address: None,
        }
    }

    fn address() -> TaskAddress {
        TaskAddress { server: "files".into(), id: "t-1".to_owned(), peer: Some("child".into()), tool: Some("t".into()) }
    }

    #[test]
    fn any_replica_with_the_key_opens_an_id_for_its_owner() {
        let owner = caller("alice", TaskForm::Extension);
        let id = address().seal(&KeyRing::new(["k"]).unwrap(), &owner, None).unwrap();
        assert_eq!(TaskAddress::open(&KeyRing::new(["k"]).unwrap(), &id, &owner), Some(address()));
        assert!(!id.contains("t-1"));
    }

    #[test]
    fn refuses_another_principal_the_other_form_another_key_and_a_changed_id() {
        let ring = KeyRing::new(["k"]).unwrap();
        let owner = caller("alice", TaskForm::Extension);
        let id = address().seal(&ring, &owner, Some(Duration::from_secs(1))).unwrap();
        assert!(TaskAddress::open(&ring, &id, &owner).is_some());
        assert_eq!(TaskAddress::open(&ring, &id, &caller("bob", TaskForm::Extension)), None);
        assert_eq!(TaskAddress::open(&ring, &id, &caller("alice", TaskForm::Core)), None);
        assert_eq!(TaskAddress::open(&ring, &id, &caller("alice", TaskForm::Unspoken)), None);
        assert_eq!(TaskAddress::open(&KeyRing::new(["other"]).unwrap(), &id, &owner), None);
        assert_eq!(TaskAddress::open(&ring, &format!("{id}A"), &owner), None);
        assert_eq!(TaskAddress::open(&ring, "t-1", &owner), None);
    }

    #[test]
    fn an_id_is_good_for_a_while_and_not_for_ever() {
        let ring = KeyRing::new(["k"]).unwrap();
        let owner = caller("alice", TaskForm::Core);
        let now = clock::unix_time().as_secs();
        let opens = |expires| {
            let id = address().seal_until(&ring, &owner, expires).unwrap();
            TaskAddress::open(&ring, &id, &owner).is_some()
        };
        assert!(opens(now + 60) && !opens(now));
        assert_eq!(address().seal(&ring, &caller("alice", TaskForm::Unspoken), None), None);
    }
}
