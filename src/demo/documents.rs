//! The `documents` server: a shelf of longer texts, listed, read page by page, and scanned for a passage.
//!
//! The shelf is part of the binary and never changes, so that nothing is watched here. A scan looks at the text itself;
//! there is no index, which is what makes its progress worth telling.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::corpus::{Document, documents, paragraphs};
use super::era::Level;
use super::fault::Fault;
use super::offer::{Completion, Identity, Offer, Reference};
use super::rpc::{Object, object};
use super::text::terms;
use super::tool::{Answer, Exchange, Misuse, Tool};

/// The longest slug or text in an argument, in bytes.
const TEXT_LIMIT_BYTES: usize = 1_000;
/// The most passages that one scan returns.
const PASSAGE_LIMIT: usize = 20;
/// No document has more pages.
const PAGE_LIMIT: u32 = 10_000;

const PAGE_TEMPLATE: &str = "demo://documents/{slug}/pages/{page}";
const PROMPT: &str = "summarise_document";
const LOGGER: &str = "scan";
const MIME_TYPE: &str = "text/markdown";

/// The server; all it knows is in the corpus.
#[derive(Debug)]
pub(super) struct Documents;

impl Offer for Documents {
    const IDENTITY: Identity = Identity {
        name: "myelin-demo-documents",
        title: "Myelin demo: documents",
        description: "A shelf of a few longer texts",
        instructions: "See list_documents, look for a passage with find_in_document, then read around it with read_pages.",
    };

    fn capabilities() -> Value {
        json!({"tools": {}, "resources": {}, "prompts": {}, "completions": {}, "logging": {}})
    }

    fn tools() -> &'static [&'static dyn Tool<Self>] {
        &[&FindInDocument, &ListDocuments, &ReadPages]
    }

    fn resources(&mut self) -> Vec<Value> {
        documents().map(|document| resource(&document)).collect()
    }

    fn resource_templates() -> Vec<Value> {
        vec![json!({
            "uriTemplate": PAGE_TEMPLATE,
            "name": "page",
            "title": "One page of a document",
            "description": "The pages of a document count from 1.",
            "mimeType": MIME_TYPE,
        })]
    }

    fn read_resource(&mut self, uri: &str) -> Option<Vec<Value>> {
        let path = uri.strip_prefix("demo://documents/")?;
        let contents = |uri: String, text: &str| json!({"uri": uri, "mimeType": MIME_TYPE, "text": text});
        let Some((slug, number)) = path.split_once("/pages/") else {
            let document = document(path)?;
            return Some(vec![contents(document.uri(), &whole_text(&document))]);
        };
        let document = document(slug)?;
        let (number, text) = document.pages().find(|(page, _)| page.to_string() == number)?;
        Some(vec![contents(page_uri(&document, number), text)])
    }

    fn prompts() -> Vec<Value> {
        vec![json!({
            "name": PROMPT,
            "title": "Summarise a document",
            "description": "Asks for a summary of a whole document, which comes with the prompt.",
            "arguments": [{"name": "document", "description": "The slug of the document", "required": true}],
        })]
    }

    fn prompt(&mut self, name: &str, arguments: &Object) -> Result<Object, Fault> {
        if name != PROMPT {
            return Err(Fault::UnknownPrompt { name: name.to_owned() });
        }
        let slug = arguments.get("document").and_then(Value::as_str);
        let document = slug.and_then(document).ok_or(Fault::PromptArgument { argument: "document" })?;
        Ok(summary_prompt(&document))
    }

    fn complete(&mut self, wanted: &Completion<'_>) -> Result<Vec<String>, Fault> {
        match (wanted.reference, wanted.argument) {
            (Reference::Prompt(PROMPT), "document") | (Reference::Resource(PAGE_TEMPLATE), "slug") => {
                Ok(documents().map(|document| document.slug.to_owned()).collect())
            }
            (Reference::Resource(PAGE_TEMPLATE), "page") => Ok(page_numbers(wanted.settled)),
            _ => Err(Fault::UnknownCompletion),
        }
    }
}

fn document(slug: &str) -> Option<Document> {
    documents().find(|document| document.slug == slug)
}

fn document_or_misuse(slug: &str) -> Result<Document, Misuse> {
    document(slug).ok_or_else(|| {
        let known: Vec<&str> = documents().map(|document| document.slug).collect();
        Misuse::UnknownDocument { slug: slug.to_owned(), known: known.join(", ") }
    })
}

fn page_uri(document: &Document, page: u32) -> String {
    format!("{}/pages/{page}", document.uri())
}

fn whole_text(document: &Document) -> String {
    document.pages().map(|(_, text)| text).collect::<Vec<_>>().join("\n\n")
}

fn resource(document: &Document) -> Value {
    json!({
        "uri": document.uri(),
        "name": document.slug,
        "title": document.title,
        "description": format!("{} pages on {}", document.page_count(), document.topic),
        "mimeType": MIME_TYPE,
        "size": whole_text(document).len(),
    })
}

/// The page numbers of the settled document, or those that any document has.
fn page_numbers(settled: Option<&Object>) -> Vec<String> {
    let slug = settled.and_then(|settled| settled.get("slug")).and_then(Value::as_str);
    let shelf = documents().filter(|document| slug.is_none_or(|slug| slug == document.slug));
    let most = shelf.map(|document| document.page_count()).max().unwrap_or(0);
    (1..=most).map(|page| page.to_string()).collect()
}

fn summary_prompt(document: &Document) -> Object {
    let request = format!(
        "Summarise “{}” for a colleague who has five minutes: the main claim first, then what supports it, then what \
         it leaves open. Name the page of each point.",
        document.title
    );
    let pages = document.pages().map(|(page, text)| {
        let contents = json!({"uri": page_uri(document, page), "mimeType": MIME_TYPE, "text": text});
        json!({"role": "user", "content": {"type": "resource", "resource": contents}})
    });
    let request = json!({"role": "user", "content": {"type": "text", "text": request}});
    let messages: Vec<Value> = std::iter::once(request).chain(pages).collect();
    object(json!({"description": format!("A summary of {}", document.title), "messages": messages}))
}

struct ListDocuments;

impl Tool<Documents> for ListDocuments {
    fn name(&self) -> &'static str {
        "list_documents"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "List the documents",
            "description": "Names every document on the shelf, with its number of pages.",
            "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
            "outputSchema": {
                "type": "object",
                "properties": {"documents": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "document": {"type": "string", "description": "The slug the other tools take"},
                        "title": {"type": "string"},
                        "topic": {"type": "string"},
                        "pages": {"type": "integer"},
                        "uri": {"type": "string"},
                    },
                    "required": ["document", "title", "topic", "pages", "uri"],
                }}},
                "required": ["documents"],
            },
            "annotations": {"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, _: &mut Documents, _: &Arguments, _: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let entry = |document: Document| {
            json!({
                "document": document.slug, "title": document.title, "topic": document.topic,
                "pages": document.page_count(), "uri": document.uri(),
            })
        };
        let link = |document: Document| {
            let mut link = object(resource(&document));
            link.insert("type".to_owned(), json!("resource_link"));
            Value::Object(link)
        };
        let entries: Vec<Value> = documents().map(entry).collect();
        Ok(Answer::with_links(json!({"documents": entries}), documents().map(link).collect()))
    }
}

struct ReadPages;

impl Tool<Documents> for ReadPages {
    fn name(&self) -> &'static str {
        "read_pages"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Read pages",
            "description": "Returns pages of a document. Pages count from 1; both ends are included.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "document": {"type": "string", "description": "A slug from list_documents"},
                    "from": {"type": "integer", "description": "The first page", "minimum": 1, "default": 1},
                    "to": {"type": "integer", "description": "The last page; the first one unless told", "minimum": 1},
                },
                "required": ["document"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "document": {"type": "string"},
                    "title": {"type": "string"},
                    "total": {"type": "integer", "description": "How many pages the document has"},
                    "pages": {"type": "array", "items": {
                        "type": "object",
                        "properties": {"page": {"type": "integer"}, "text": {"type": "string"}},
                        "required": ["page", "text"],
                    }},
                },
                "required": ["document", "title", "total", "pages"],
            },
            "annotations": {"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, _: &mut Documents, arguments: &Arguments, _: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let document = document_or_misuse(arguments.text("document", TEXT_LIMIT_BYTES)?)?;
        let from = arguments.integer("from", 1..=PAGE_LIMIT)?.unwrap_or(1);
        let to = arguments.integer("to", 1..=PAGE_LIMIT)?.unwrap_or(from);
        let pages = document.page_count();
        if from > to || to > pages {
            return Err(Misuse::Pages { slug: document.slug.to_owned(), from, to, pages });
        }
        let wanted = document.pages().filter(|(page, _)| (from..=to).contains(page));
        let read: Vec<Value> = wanted.map(|(page, text)| json!({"page": page, "text": text})).collect();
        Ok(Answer::new(json!({
            "document": document.slug, "title": document.title, "total": pages, "pages": read,
        })))
    }
}

struct FindInDocument;

impl Tool<Documents> for FindInDocument {
    fn name(&self) -> &'static str {
        "find_in_document"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Find a passage",
            "description": "Returns the paragraphs in which all the words of a text stand, in any form and order. \
                            Without a document the whole shelf is scanned, with progress.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "document": {"type": "string", "description": "A slug from list_documents; all unless told"},
                    "text": {"type": "string", "description": "The words to look for", "minLength": 1},
                },
                "required": ["text"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "total": {"type": "integer", "description": "How many passages were found"},
                    "passages": {"type": "array", "maxItems": PASSAGE_LIMIT, "items": {
                        "type": "object",
                        "properties": {
                            "document": {"type": "string"},
                            "page": {"type": "integer"},
                            "uri": {"type": "string", "description": "The page as a resource"},
                            "text": {"type": "string"},
                        },
                        "required": ["document", "page", "uri", "text"],
                    }},
                },
                "required": ["total", "passages"],
            },
            "annotations": {"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, _: &mut Documents, arguments: &Arguments, exchange: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let wanted: HashSet<String> = terms(arguments.text("text", TEXT_LIMIT_BYTES)?).map(|term| term.stem).collect();
        if wanted.is_empty() {
            return Err(Misuse::NoWords);
        }
        let shelf = match arguments.optional_text("document", TEXT_LIMIT_BYTES)? {
            Some(slug) => vec![document_or_misuse(slug)?],
            None => documents().collect(),
        };
        let mut passages = scan(&shelf, &wanted, exchange);
        let total = passages.len();
        passages.truncate(PASSAGE_LIMIT);
        Ok(Answer::new(json!({"total": total, "passages": passages})))
    }
}

fn scan(shelf: &[Document], wanted: &HashSet<String>, exchange: &mut Exchange<'_>) -> Vec<Value> {
    let total = shelf.iter().map(Document::page_count).sum();
    exchange.log(Level::Info, LOGGER, &json!({"event": "scan started", "documents": shelf.len(), "pages": total}));
    let pages = shelf.iter().flat_map(|document| document.pages().map(move |(page, text)| (document, page, text)));
    let mut passages = Vec::new();
    for (done, (document, page, text)) in (1..).zip(pages) {
        let before = passages.len();
        let fitting = paragraphs(text).filter(|paragraph| has_all(paragraph, wanted));
        passages.extend(fitting.map(
            |text| json!({"document": document.slug, "page": page, "uri": page_uri(document, page), "text": text}),
        ));
        let found = passages.len() - before;
        exchange.log(
            Level::Debug,
            LOGGER,
            &json!({"event": "page scanned", "document": document.slug, "page": page, "found": found}),
        );
        exchange.progress(done, total, &format!("{}, page {page}", document.title));
    }
    if passages.is_empty() {
        exchange.log(Level::Notice, LOGGER, &json!({"event": "nothing found", "pages": total}));
    }
    passages
}

fn has_all(paragraph: &str, wanted: &HashSet<String>) -> bool {
    let present: HashSet<String> = terms(paragraph).map(|term| term.stem).collect();
    wanted.is_subset(&present)
}

#[cfg(test)]
mod tests {
    use super::super::kit::{call, misuse};
    use super::*;

    const SLUG: &str = "field-guide-to-overload";

    #[test]
    fn every_listed_document_can_be_read_to_its_last_page() {
        let listed = call(&mut Documents, "list_documents", json!({}));
        for entry in listed["documents"].as_array().unwrap() {
            let arguments = json!({"document": entry["document"], "from": 1, "to": entry["pages"]});
            let read = call(&mut Documents, "read_pages", arguments);
            assert_eq!(
                read["pages"].as_array().map(Vec::len),
                entry["pages"].as_u64().map(|n| usize::try_from(n).unwrap())
            );
        }
    }

    #[test]
    fn pages_outside_the_document_are_refused_with_its_range() {
        for (from, to) in [(1, 99), (3, 2)] {
            let refusal = misuse(&mut Documents, "read_pages", json!({"document": SLUG, "from": from, "to": to}));
            assert!(refusal.contains("has the pages 1 to"), "{refusal}");
        }
    }

    #[test]
    fn an_unknown_document_is_answered_with_the_known_ones() {
        assert!(misuse(&mut Documents, "read_pages", json!({"document": "x"})).contains(SLUG));
    }

    #[test]
    fn a_found_passage_stands_on_its_page_and_has_all_the_words() {
        let found = call(&mut Documents, "find_in_document", json!({"text": "queues growing"}));
        let passages = found["passages"].as_array().unwrap();
        assert!(!passages.is_empty());
        for passage in passages {
            let contents = Documents.read_resource(passage["uri"].as_str().unwrap()).unwrap();
            assert!(contents[0]["text"].as_str().unwrap().contains(passage["text"].as_str().unwrap()));
        }
    }

    #[test]
    fn only_pages_that_exist_are_resources() {
        let exists = |uri: &str| Documents.read_resource(uri).is_some();
        assert!(exists("demo://documents/field-guide-to-overload/pages/1"));
        for uri in [
            "demo://documents/x",
            "demo://documents/field-guide-to-overload/pages/0",
            "file:///etc/passwd",
            "demo://documents/field-guide-to-overload/pages/01",
            "demo://documents/field-guide-to-overload/pages/99",
        ] {
            assert!(!exists(uri), "{uri}");
        }
    }
}
