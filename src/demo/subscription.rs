//! Who wants to hear of changes: modern listens, and the one legacy session there can be on a pipe.
//!
//! It decides what is sent to whom; it sends nothing itself. Both tables have a limit.
//! Source: MCP 2026-07-28 subscriptions; 2025-11-25 resources, "Subscriptions".

use serde_json::{Value, json};

use super::era::{Level, Revision, SUBSCRIPTION_ID_KEY};
use super::fault::Fault;
use super::rpc::{Object, notification, object, result};
use super::tool::Change;

/// Open listens per process; a gateway needs one per filter, so that this is generous.
const LISTEN_LIMIT: usize = 64;
/// Resource URIs per listen and per legacy session.
const WATCH_LIMIT: usize = 256;

/// What a server can tell of, from its capabilities.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tellable {
    pub(super) resource_list: bool,
    pub(super) resources: fn(&str) -> bool,
}

#[derive(Debug)]
struct Listen {
    id: Value,
    resource_list: bool,
    uris: Vec<String>,
}

/// The open `subscriptions/listen` requests.
#[derive(Debug, Default)]
pub(super) struct Listens(Vec<Listen>);

impl Listens {
    /// Opens a listen and returns its acknowledgement, which names the part of the filter that is honoured.
    ///
    /// # Errors
    /// [`Fault::Param`], [`Fault::IdInUse`], [`Fault::TooManySubscriptions`].
    pub(super) fn open(&mut self, id: &Value, params: &Object, tellable: Tellable) -> Result<Value, Fault> {
        let filter = params.get("notifications").and_then(Value::as_object);
        let filter = filter.ok_or(Fault::Param { member: "notifications", expected: "an object" })?;
        if self.0.iter().any(|listen| listen.id == *id) {
            return Err(Fault::IdInUse);
        }
        if self.0.len() >= LISTEN_LIMIT {
            return Err(Fault::TooManySubscriptions);
        }
        let listen = Listen {
            id: id.clone(),
            resource_list: tellable.resource_list && wants_resource_list(filter)?,
            uris: wanted_uris(filter, tellable)?,
        };
        let acknowledgement = listen.tagged("notifications/subscriptions/acknowledged", listen.honoured());
        self.0.push(listen);
        Ok(acknowledgement)
    }

    /// Closes the listen with this id, if there is one: a late cancellation is no error.
    pub(super) fn close(&mut self, id: &Value) {
        self.0.retain(|listen| listen.id != *id);
    }

    /// The notifications a change causes.
    pub(super) fn tell(&self, change: &Change) -> Vec<Value> {
        self.0.iter().filter_map(|listen| listen.tell(change)).collect()
    }

    /// Ends every listen gracefully: the results they were waiting for.
    pub(super) fn end(&mut self) -> Vec<Value> {
        let ended = std::mem::take(&mut self.0);
        let answer = |listen: Listen| {
            result(&listen.id, object(json!({"resultType": "complete", "_meta": {SUBSCRIPTION_ID_KEY: listen.id}})))
        };
        ended.into_iter().map(answer).collect()
    }
}

fn wants_resource_list(filter: &Object) -> Result<bool, Fault> {
    let wanted = filter.get("resourcesListChanged").map_or(Some(false), Value::as_bool);
    wanted.ok_or(Fault::Param { member: "notifications.resourcesListChanged", expected: "a boolean" })
}

fn wanted_uris(filter: &Object, tellable: Tellable) -> Result<Vec<String>, Fault> {
    let fault = || Fault::Param { member: "notifications.resourceSubscriptions", expected: "an array of strings" };
    let Some(wanted) = filter.get("resourceSubscriptions") else { return Ok(Vec::new()) };
    let wanted: Option<Vec<&str>> = wanted.as_array().ok_or_else(fault)?.iter().map(Value::as_str).collect();
    let known = wanted.ok_or_else(fault)?.into_iter().filter(|uri| (tellable.resources)(uri));
    Ok(known.take(WATCH_LIMIT).map(str::to_owned).collect())
}

impl Listen {
    fn honoured(&self) -> Object {
        let mut filter = Object::new();
        if self.resource_list {
            filter.insert("resourcesListChanged".to_owned(), json!(true));
        }
        if !self.uris.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), json!(self.uris));
        }
        object(json!({"notifications": filter}))
    }

    fn tell(&self, change: &Change) -> Option<Value> {
        let wanted = match change {
            Change::ResourceList => self.resource_list,
            Change::Resource(uri) => self.uris.contains(uri),
        };
        let (method, params) = wording(change);
        wanted.then(|| self.tagged(method, params))
    }

    fn tagged(&self, method: &str, mut params: Object) -> Value {
        params.insert("_meta".to_owned(), json!({SUBSCRIPTION_ID_KEY: self.id}));
        notification(method, params)
    }
}

fn wording(change: &Change) -> (&'static str, Object) {
    match change {
        Change::ResourceList => ("notifications/resources/list_changed", Object::new()),
        Change::Resource(uri) => ("notifications/resources/updated", object(json!({"uri": uri}))),
    }
}

/// The memory that a legacy client relies on, from `initialize` on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) revision: Revision,
    pub(super) log_level: Option<Level>,
    ready: bool,
    uris: Vec<String>,
}

impl Session {
    pub(super) fn new(revision: Revision) -> Self {
        Self { revision, log_level: None, ready: false, uris: Vec::new() }
    }

    /// The client has sent `notifications/initialized`: from now on it may be told of changes.
    pub(super) fn make_ready(&mut self) {
        self.ready = true;
    }

    /// # Errors
    /// [`Fault::TooManySubscriptions`].
    pub(super) fn subscribe(&mut self, uri: &str) -> Result<(), Fault> {
        if self.uris.iter().any(|known| known == uri) {
            return Ok(());
        }
        if self.uris.len() >= WATCH_LIMIT {
            return Err(Fault::TooManySubscriptions);
        }
        self.uris.push(uri.to_owned());
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, uri: &str) {
        self.uris.retain(|known| known != uri);
    }

    /// The notification a change causes, if any. A list change needs no opt-in in this era.
    pub(super) fn tell(&self, change: &Change) -> Option<Value> {
        let wanted = match change {
            Change::ResourceList => true,
            Change::Resource(uri) => self.uris.contains(uri),
        };
        let (method, params) = wording(change);
        (self.ready && wanted).then(|| notification(method, params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TELLABLE: Tellable = Tellable { resource_list: true, resources: |uri| uri == "demo://a" };

    fn open(listens: &mut Listens, id: i64, filter: &Value) -> Result<Value, Fault> {
        listens.open(&json!(id), &object(json!({"notifications": filter})), TELLABLE)
    }

    #[test]
    fn acknowledges_only_what_it_will_honour() {
        let filter = json!({"resourcesListChanged": true, "toolsListChanged": true, "resourceSubscriptions": ["demo://a", "x:"]});
        let acknowledged = open(&mut Listens::default(), 3, &filter).unwrap();
        let honoured = json!({"resourcesListChanged": true, "resourceSubscriptions": ["demo://a"]});
        assert_eq!(acknowledged["params"]["notifications"], honoured);
        assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION_ID_KEY], 3);
    }

    #[test]
    fn a_listen_hears_only_what_it_asked_for_until_it_is_closed() {
        let mut listens = Listens::default();
        open(&mut listens, 1, &json!({"resourceSubscriptions": ["demo://a"]})).unwrap();
        assert!(listens.tell(&Change::ResourceList).is_empty());
        assert_eq!(listens.tell(&Change::Resource("demo://a".to_owned())).len(), 1);
        listens.close(&json!(1));
        assert!(listens.tell(&Change::Resource("demo://a".to_owned())).is_empty());
    }

    #[test]
    fn refuses_one_listen_more_than_the_limit_and_an_id_in_use() {
        let mut listens = Listens::default();
        for id in 0..64 {
            open(&mut listens, id, &json!({})).unwrap();
        }
        assert_eq!(open(&mut listens, 64, &json!({})), Err(Fault::TooManySubscriptions));
        listens.close(&json!(0));
        assert_eq!(open(&mut listens, 1, &json!({})), Err(Fault::IdInUse));
        assert!(open(&mut listens, 64, &json!({})).is_ok());
    }

    #[test]
    fn a_legacy_client_hears_nothing_before_it_is_ready() {
        let mut session = Session::new(Revision::V2025_06_18);
        assert_eq!(session.tell(&Change::ResourceList), None);
        session.make_ready();
        assert!(session.tell(&Change::ResourceList).is_some());
        assert_eq!(session.tell(&Change::Resource("demo://a".to_owned())), None);
        session.subscribe("demo://a").unwrap();
        assert!(session.tell(&Change::Resource("demo://a".to_owned())).is_some());
    }
}
