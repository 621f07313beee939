//! The `vectors` server: similarity search over the paragraphs of the articles, and over notes that callers add.
//!
//! Two collections: `articles` is part of the binary, `notes` lives in this process and is gone with it. The vectors
//! are computed on the first call that needs them. Each collection is a resource; a change of the notes is told.
//! Source of the vectors: `embedding`.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::dress::Freshness;
use super::embedding::Embedder;
use super::offer::{Identity, Offer};
use super::shelf::{Collection, Entry, NOTES_LIMIT, Query, Shelf};
use super::tool::{Answer, Change, Exchange, Misuse, Tool};

/// The longest text to compare or to keep, in bytes.
const TEXT_LIMIT_BYTES: usize = 8_192;
/// The longest id, in bytes.
const ID_LIMIT_BYTES: usize = 128;
/// The largest payload, in bytes of JSON.
const PAYLOAD_LIMIT_BYTES: usize = 4_096;
/// The most neighbours of one query, and how many there are unless told.
const NEIGHBOURS: (u32, u32) = (50, 5);

/// The state of the server.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    shelf: Option<Shelf>,
}

impl Offer for Vectors {
    const IDENTITY: Identity = Identity {
        name: "myelin-demo-vectors",
        title: "Myelin demo: vectors",
        description: "Similarity search over article paragraphs and your own notes",
        instructions: "Ask with query_vectors; keep something for later with upsert_vector. Notes last as long as this process.",
    };

    fn capabilities() -> Value {
        json!({"tools": {}, "resources": {"subscribe": true, "listChanged": true}})
    }

    fn tools() -> &'static [&'static dyn Tool<Self>] {
        &[&DeleteVector, &QueryVectors, &UpsertVector]
    }

    fn resource_freshness() -> Freshness {
        Freshness::Live
    }

    fn resources(&mut self) -> Vec<Value> {
        let shelf = self.shelf();
        Collection::ALL.into_iter().map(|collection| shelf.resource(collection)).collect()
    }

    fn read_resource(&mut self, uri: &str) -> Option<Vec<Value>> {
        let collection = Collection::ALL.into_iter().find(|collection| collection.uri() == uri)?;
        let text = self.shelf().description(collection).to_string();
        Some(vec![json!({"uri": uri, "mimeType": "application/json", "text": text})])
    }

    fn watchable(uri: &str) -> bool {
        Collection::ALL.into_iter().any(|collection| collection.uri() == uri)
    }
}

impl Vectors {
    fn shelf(&mut self) -> &mut Shelf {
        self.shelf.get_or_insert_with(Shelf::fill)
    }
}

fn read_query<'a>(arguments: &'a Arguments, embedder: &Embedder) -> Result<Query<'a>, Misuse> {
    let vector = embedder.embed(arguments.text("text", TEXT_LIMIT_BYTES)?).ok_or(Misuse::NoWords)?;
    let collection = arguments.optional_text("collection", ID_LIMIT_BYTES)?.map(collection_named).transpose()?;
    let k = arguments.integer("k", 1..=NEIGHBOURS.0)?.unwrap_or(NEIGHBOURS.1);
    let k = usize::try_from(k).unwrap_or(usize::MAX);
    Ok(Query { vector, collection, filter: arguments.object("filter")?, k })
}

fn collection_named(name: &str) -> Result<Collection, Misuse> {
    let known = Collection::ALL.into_iter().find(|collection| collection.name() == name);
    known.ok_or_else(|| Misuse::UnknownCollection { collection: name.to_owned() })
}

/// What every change of the notes means to others: the list shows their number, the resource their ids.
fn tell_of_notes(exchange: &mut Exchange<'_>) {
    exchange.changed(Change::ResourceList);
    exchange.changed(Change::Resource(Collection::Notes.uri().to_owned()));
}

struct QueryVectors;

impl Tool<Vectors> for QueryVectors {
    fn name(&self) -> &'static str {
        "query_vectors"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Find similar texts",
            "description": "Returns the stored texts most similar to a text, by the cosine of their TF-IDF vectors.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "description": "The text to compare with", "minLength": 1},
                    "k": {"type": "integer", "description": "How many neighbours to return",
                          "minimum": 1, "maximum": NEIGHBOURS.0, "default": NEIGHBOURS.1},
                    "filter": {"type": "object",
                               "description": "Only entries whose payload has these members, e.g. {\"topic\": \"nerves\"}"},
                    "collection": {"type": "string", "enum": ["articles", "notes"],
                                   "description": "Search only this collection"},
                },
                "required": ["text"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {"matches": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "collection": {"type": "string"},
                        "score": {"type": "number", "description": "Cosine, 1 is the same direction"},
                        "text": {"type": "string"},
                        "payload": {"type": "object"},
                    },
                    "required": ["id", "collection", "score", "text", "payload"],
                }}},
                "required": ["matches"],
            },
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, state: &mut Vectors, arguments: &Arguments, _: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let shelf = state.shelf();
        let query = read_query(arguments, &shelf.embedder)?;
        let describe = |(collection, entry, score): (Collection, &Entry, f32)| {
            json!({
                "id": entry.id,
                "collection": collection.name(),
                "score": (f64::from(score) * 1e4).round() / 1e4,
                "text": entry.text,
                "payload": entry.payload,
            })
        };
        let matches: Vec<Value> = shelf.nearest(&query).into_iter().map(describe).collect();
        Ok(Answer::new(json!({"matches": matches})))
    }
}

struct UpsertVector;

impl Tool<Vectors> for UpsertVector {
    fn name(&self) -> &'static str {
        "upsert_vector"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Keep a note",
            "description": format!("Stores a text and its vector in the collection notes, or replaces the one \
                                    with the same id. At most {NOTES_LIMIT} notes, until this process ends."),
            "inputSchema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "description": "The name to keep it under",
                           "minLength": 1, "maxLength": ID_LIMIT_BYTES},
                    "text": {"type": "string", "description": "The text to keep", "minLength": 1},
                    "payload": {"type": "object", "description": "Anything to return and to filter by"},
                },
                "required": ["id", "text"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "outcome": {"type": "string", "enum": ["inserted", "replaced"]},
                    "count": {"type": "integer"},
                },
                "required": ["id", "outcome", "count"],
            },
            "annotations": {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, state: &mut Vectors, arguments: &Arguments, exchange: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let shelf = state.shelf();
        let entry = read_entry(arguments, &shelf.embedder)?;
        let id = entry.id.clone();
        let outcome = shelf.keep(entry)?;
        tell_of_notes(exchange);
        Ok(Answer::new(json!({"id": id, "outcome": outcome, "count": shelf.entries(Collection::Notes).len()})))
    }
}

fn read_entry(arguments: &Arguments, embedder: &Embedder) -> Result<Entry, Misuse> {
    let id = arguments.text("id", ID_LIMIT_BYTES)?.to_owned();
    let text = arguments.text("text", TEXT_LIMIT_BYTES)?.to_owned();
    let payload = arguments.small_object("payload", PAYLOAD_LIMIT_BYTES)?.cloned().unwrap_or_default();
    let vector = embedder.embed(&text).ok_or(Misuse::NoWords)?;
    Ok(Entry { id, text, payload, vector })
}

struct DeleteVector;

impl Tool<Vectors> for DeleteVector {
    fn name(&self) -> &'static str {
        "delete_vector"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Delete a note",
            "description": "Removes a vector from the collection notes. The articles cannot be changed.",
            "inputSchema": {
                "type": "object",
                "properties": {"id": {"type": "string", "description": "The id it was kept under"}},
                "required": ["id"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["id", "count"],
            },
            "annotations": {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false},
        })
    }

    fn call(&self, state: &mut Vectors, arguments: &Arguments, exchange: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let id = arguments.text("id", ID_LIMIT_BYTES)?;
        let shelf = state.shelf();
        shelf.forget(id)?;
        tell_of_notes(exchange);
        Ok(Answer::new(json!({"id": id, "count": shelf.entries(Collection::Notes).len()})))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{call, misuse};
    use super::*;

    #[test]
    fn the_nearest_paragraph_is_about_the_same_thing() {
        let found =
            call(&mut Vectors::default(), "query_vectors", json!({"text": "a bucket of tokens limits the rate"}));
        assert_eq!(found["matches"][0]["payload"]["title"], "The token bucket");
    }

    #[test]
    fn a_filter_keeps_only_what_has_the_payload() {
        let arguments = json!({"text": "signal speed", "filter": {"topic": "nerves"}, "k": 50});
        let found = call(&mut Vectors::default(), "query_vectors", arguments);
        let matches = found["matches"].as_array().unwrap();
        assert!(!matches.is_empty());
        assert!(matches.iter().all(|entry| entry["payload"]["topic"] == "nerves"));
    }

    #[test]
    fn a_note_is_found_replaced_and_deleted() {
        let mut state = Vectors::default();
        let note = json!({"id": "n1", "text": "wombats dig burrows", "payload": {"by": "me"}});
        assert_eq!(call(&mut state, "upsert_vector", note.clone())["outcome"], "inserted");
        let found = call(&mut state, "query_vectors", json!({"text": "wombat burrow", "k": 1}));
        assert_eq!(found["matches"][0]["id"], "n1");
        assert_eq!(found["matches"][0]["payload"], json!({"by": "me"}));
        assert_eq!(call(&mut state, "upsert_vector", note)["outcome"], "replaced");
        assert_eq!(call(&mut state, "delete_vector", json!({"id": "n1"})), json!({"id": "n1", "count": 0}));
        assert!(misuse(&mut state, "delete_vector", json!({"id": "n1"})).contains("no vector n1"));
    }

    #[test]
    fn refuses_one_note_more_than_the_limit_but_replaces_at_the_limit() {
        let mut state = Vectors::default();
        for number in 0..NOTES_LIMIT {
            call(&mut state, "upsert_vector", json!({"id": number.to_string(), "text": "word"}));
        }
        assert!(misuse(&mut state, "upsert_vector", json!({"id": "more", "text": "word"})).contains("delete one"));
        assert_eq!(call(&mut state, "upsert_vector", json!({"id": "0", "text": "changed"}))["outcome"], "replaced");
    }

    #[test]
    fn a_payload_over_the_limit_is_refused() {
        let payload = json!({"x": "y".repeat(PAYLOAD_LIMIT_BYTES)});
        let arguments = json!({"id": "a", "text": "word", "payload": payload});
        assert!(misuse(&mut Vectors::default(), "upsert_vector", arguments).contains("longer than 4096 bytes"));
    }
}
