//! What the `vectors` server keeps: the two collections, how they grow and shrink, and who is nearest.
//!
//! It is a list that is searched from end to end: right for a few hundred vectors, wrong for a million. It knows no
//! message and no argument.

use serde_json::{Value, json};

use super::corpus::{Article, articles};
use super::embedding::{DIMENSIONS, Embedder, Vector};
use super::rpc::{Object, object};
use super::tool::Misuse;

/// The most notes at a time.
pub(super) const NOTES_LIMIT: usize = 256;

/// Both collections, and what turns a text into a vector.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) embedder: Embedder,
    articles: Vec<Entry>,
    notes: Vec<Entry>,
}

/// A stored text and its vector.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) payload: Object,
    pub(super) vector: Vector,
}

/// One of the collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    /// The paragraphs of the articles; part of the binary.
    Articles,
    /// What callers added; gone with the process.
    Notes,
}

impl Collection {
    pub(super) const ALL: [Self; 2] = [Self::Articles, Self::Notes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Articles => "articles",
            Self::Notes => "notes",
        }
    }

    pub(super) fn uri(self) -> &'static str {
        match self {
            Self::Articles => "demo://vectors/articles",
            Self::Notes => "demo://vectors/notes",
        }
    }
}

/// What to be near to.
pub(super) struct Query<'a> {
    pub(super) vector: Vector,
    pub(super) collection: Option<Collection>,
    pub(super) filter: Option<&'a Object>,
    pub(super) k: usize,
}

impl Shelf {
    pub(super) fn fill() -> Self {
        let passages: Vec<Passage> = articles().flat_map(passages).collect();
        let (embedder, vectors) = Embedder::fit(passages.iter().map(|passage| passage.text));
        let stored = passages.into_iter().zip(vectors);
        let entries = stored.filter_map(|(passage, vector)| Some(passage.store(vector?))).collect();
        Self { embedder, articles: entries, notes: Vec::new() }
    }

    pub(super) fn entries(&self, collection: Collection) -> &[Entry] {
        match collection {
            Collection::Articles => &self.articles,
            Collection::Notes => &self.notes,
        }
    }

    /// Inserts or replaces a note, and says which.
    ///
    /// # Errors
    /// [`Misuse::Full`] for one more than [`NOTES_LIMIT`].
    pub(super) fn keep(&mut self, entry: Entry) -> Result<&'static str, Misuse> {
        match self.notes.iter().position(|note| note.id == entry.id) {
            None if self.notes.len() >= NOTES_LIMIT => Err(Misuse::Full { limit: NOTES_LIMIT }),
            None => {
                self.notes.push(entry);
                Ok("inserted")
            }
            Some(place) => {
                self.notes.splice(place..=place, [entry]);
                Ok("replaced")
            }
        }
    }

    /// Removes a note.
    ///
    /// # Errors
    /// [`Misuse::UnknownVector`].
    pub(super) fn forget(&mut self, id: &str) -> Result<(), Misuse> {
        let before = self.notes.len();
        self.notes.retain(|note| note.id != id);
        if self.notes.len() < before { Ok(()) } else { Err(Misuse::UnknownVector { id: id.to_owned() }) }
    }

    pub(super) fn resource(&self, collection: Collection) -> Value {
        let count = self.entries(collection).len();
        json!({
            "uri": collection.uri(),
            "name": collection.name(),
            "title": format!("The collection {}", collection.name()),
            "description": format!("{count} vectors of {DIMENSIONS} dimensions, compared by cosine"),
            "mimeType": "application/json",
        })
    }

    pub(super) fn description(&self, collection: Collection) -> Value {
        let ids: Vec<&str> = self.entries(collection).iter().map(|entry| entry.id.as_str()).collect();
        json!({
            "collection": collection.name(), "dimensions": DIMENSIONS, "distance": "cosine",
            "count": ids.len(), "ids": ids,
        })
    }

    pub(super) fn nearest(&self, wanted: &Query<'_>) -> Vec<(Collection, &Entry, f32)> {
        let searched = Collection::ALL.into_iter().filter(|all| wanted.collection.is_none_or(|one| one == *all));
        let mut found: Vec<_> = searched
            .flat_map(|collection| self.entries(collection).iter().map(move |entry| (collection, entry)))
            .filter(|(_, entry)| wanted.filter.is_none_or(|filter| matches(filter, &entry.payload)))
            .map(|(collection, entry)| (collection, entry, entry.vector.cosine(&wanted.vector)))
            .collect();
        found.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.1.id.cmp(&b.1.id)));
        found.truncate(wanted.k);
        found
    }
}

/// A paragraph of an article.
struct Passage {
    article: Article,
    number: usize,
    text: &'static str,
}

fn passages(article: Article) -> impl Iterator<Item = Passage> {
    (1..).zip(article.paragraphs()).map(move |(number, text)| Passage { article, number, text })
}

impl Passage {
    fn store(self, vector: Vector) -> Entry {
        let Self { article, number, text } = self;
        let payload = json!({"title": article.title, "topic": article.topic, "url": article.url()});
        Entry { id: format!("{}#{number}", article.slug), text: text.to_owned(), payload: object(payload), vector }
    }
}

fn matches(filter: &Object, payload: &Object) -> bool {
    filter.iter().all(|(name, value)| payload.get(name) == Some(value))
}
