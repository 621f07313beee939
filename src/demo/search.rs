//! The `search` server: full-text search over the articles, like a small web search.
//!
//! The index is built on the first query, so that the process starts at once. There are no resources and no state.
//! Source of the ranking: `bm25`.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::bm25::{Hit, Index};
use super::corpus::{Article, articles};
use super::offer::{Identity, Offer};
use super::text::{Term, terms};
use super::tool::{Answer, Exchange, Misuse, Tool};

/// The longest query, in bytes.
const QUERY_LIMIT_BYTES: usize = 1_000;
/// The most results of one query, and how many there are unless told.
const RESULTS: (u32, u32) = (20, 5);
/// How much text a snippet shows around the best match, in bytes.
const SNIPPET_BYTES: usize = 240;
/// A word in the title counts as often as this many in the body, as in BM25F with one weight per field.
const TITLE_WEIGHT: usize = 2;

/// The state of the server.
#[derive(Debug, Default)]
pub(super) struct Search {
    index: Option<Index>,
}

impl Offer for Search {
    const IDENTITY: Identity = Identity {
        name: "myelin-demo-search",
        title: "Myelin demo: search",
        description: "Full-text search over a small embedded set of articles",
        instructions: "Find articles with web_search, then read one with fetch_article and its url.",
    };

    fn capabilities() -> Value {
        json!({"tools": {}})
    }

    fn tools() -> &'static [&'static dyn Tool<Self>] {
        &[&FetchArticle, &WebSearch]
    }
}

impl Search {
    fn index(&mut self) -> &Index {
        self.index.get_or_insert_with(build_index)
    }
}

fn build_index() -> Index {
    let mut index = Index::default();
    for article in articles() {
        let title = std::iter::repeat_n(article.title, TITLE_WEIGHT).flat_map(terms);
        index.add(title.chain(terms(article.body)).map(|term| term.stem));
    }
    index
}

struct WebSearch;

impl Tool<Search> for WebSearch {
    fn name(&self) -> &'static str {
        "web_search"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Search the web of articles",
            "description": "Ranks articles by how well they fit the query (BM25) and shows where. \
                            Nerves, networks, queues, caches, protocols, observability and safety are covered.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "The words to look for", "minLength": 1},
                    "limit": {"type": "integer", "description": "The most results to return",
                              "minimum": 1, "maximum": RESULTS.0, "default": RESULTS.1},
                },
                "required": ["query"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "total": {"type": "integer", "description": "How many articles have any of the words"},
                    "results": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "rank": {"type": "integer"},
                            "url": {"type": "string"},
                            "title": {"type": "string"},
                            "topic": {"type": "string"},
                            "score": {"type": "number"},
                            "snippet": {"type": "string"},
                        },
                        "required": ["rank", "url", "title", "topic", "score", "snippet"],
                    }},
                },
                "required": ["query", "total", "results"],
            },
            "annotations": {"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, state: &mut Search, arguments: &Arguments, _: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let query = arguments.text("query", QUERY_LIMIT_BYTES)?;
        let limit = arguments.integer("limit", 1..=RESULTS.0)?.unwrap_or(RESULTS.1);
        let wanted = distinct_stems(query);
        if wanted.is_empty() {
            return Err(Misuse::NoWords);
        }
        let index = state.index();
        let hits = index.rank(&wanted);
        let ranked = (1..=limit).zip(&hits).filter_map(|(rank, hit)| result(rank, hit, index, &wanted));
        let results: Vec<Value> = ranked.collect();
        Ok(Answer::new(json!({"query": query, "total": hits.len(), "results": results})))
    }
}

fn distinct_stems(query: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    terms(query).map(|term| term.stem).filter(|stem| seen.insert(stem.clone())).collect()
}

fn result(rank: u32, hit: &Hit, index: &Index, wanted: &[String]) -> Option<Value> {
    let article = articles().nth(hit.document)?;
    Some(json!({
        "rank": rank,
        "url": article.url(),
        "title": article.title,
        "topic": article.topic,
        "score": (hit.score * 1e4).round() / 1e4,
        "snippet": snippet(article.body, wanted, |stem| index.idf(stem)),
    }))
}

/// The part of the text whose distinct wanted words weigh most, the earliest of equals.
fn snippet(text: &str, wanted: &[String], weight: impl Fn(&str) -> f64) -> String {
    let matches: Vec<Term> = terms(text).filter(|term| wanted.contains(&term.stem)).collect();
    let mut best = (0..0, 0.0);
    for (first, start) in matches.iter().enumerate() {
        let window = matches.iter().skip(first).take_while(|term| term.at.end - start.at.start <= SNIPPET_BYTES);
        let mut seen = HashSet::new();
        let distinct = window.clone().filter(|term| seen.insert(term.stem.as_str()));
        let worth: f64 = distinct.map(|term| weight(&term.stem)).sum();
        if worth > best.1 {
            best = (start.at.start..window.last().map_or(start.at.end, |term| term.at.end), worth);
        }
    }
    cut(text, &best.0)
}

/// Cuts a window around a range, at word borders, and marks what was left out.
fn cut(text: &str, around: &Range<usize>) -> String {
    let spare = SNIPPET_BYTES.saturating_sub(around.len()) / 2;
    let from = word_start(text, around.start.saturating_sub(spare));
    let to = word_end(text, around.end.saturating_add(spare).min(text.len()));
    let words: Vec<&str> = text.get(from..to).unwrap_or_default().split_whitespace().collect();
    let lead = if from > 0 { "… " } else { "" };
    let tail = if to < text.len() { " …" } else { "" };
    format!("{lead}{}{tail}", words.join(" "))
}

fn word_start(text: &str, near: usize) -> usize {
    let near = text.floor_char_boundary(near);
    let before = text.get(..near).unwrap_or_default();
    before.rfind(char::is_whitespace).map_or(0, |at| text.ceil_char_boundary(at + 1))
}

fn word_end(text: &str, near: usize) -> usize {
    let near = text.ceil_char_boundary(near);
    let after = text.get(near..).unwrap_or_default();
    after.find(char::is_whitespace).map_or(text.len(), |at| near + at)
}

struct FetchArticle;

impl Tool<Search> for FetchArticle {
    fn name(&self) -> &'static str {
        "fetch_article"
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name(),
            "title": "Fetch an article",
            "description": "Returns the whole text of an article found with web_search.",
            "inputSchema": {
                "type": "object",
                "properties": {"url": {"type": "string", "description": "A url from the results of web_search"}},
                "required": ["url"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "url": {"type": "string"},
                    "title": {"type": "string"},
                    "topic": {"type": "string"},
                    "text": {"type": "string"},
                },
                "required": ["url", "title", "topic", "text"],
            },
            "annotations": {"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false},
        })
    }

    fn call(&self, _: &mut Search, arguments: &Arguments, _: &mut Exchange<'_>) -> Result<Answer, Misuse> {
        let url = arguments.text("url", QUERY_LIMIT_BYTES)?;
        let article: Option<Article> = articles().find(|article| article.url() == url);
        let article = article.ok_or_else(|| Misuse::UnknownArticle { url: url.to_owned() })?;
        Ok(Answer::new(json!({
            "url": url, "title": article.title, "topic": article.topic, "text": article.body,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{call, misuse};
    use super::*;

    fn first_url(query: &str) -> String {
        let found = call(&mut Search::default(), "web_search", json!({"query": query}));
        found["results"][0]["url"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_article_on_a_subject_comes_first() {
        for (query, slug) in [
            ("saltatory conduction", "saltatory-conduction"),
            ("token bucket rate limiting", "token-bucket"),
            ("myelin lost in multiple sclerosis", "demyelination"),
            ("tail latency percentiles", "tail-latency"),
        ] {
            assert_eq!(first_url(query), format!("demo://articles/{slug}"), "{query}");
        }
    }

    #[test]
    fn scores_fall_and_every_result_shows_a_wanted_word() {
        let found = call(&mut Search::default(), "web_search", json!({"query": "queues limits", "limit": 20}));
        let results = found["results"].as_array().unwrap();
        assert!(results.len() > 3);
        assert!(results.windows(2).all(|pair| pair[0]["score"].as_f64() >= pair[1]["score"].as_f64()));
        for result in results {
            let shown =
                terms(result["snippet"].as_str().unwrap()).any(|term| ["queue", "limit"].contains(&&*term.stem));
            let titled = terms(result["title"].as_str().unwrap()).any(|term| ["queue", "limit"].contains(&&*term.stem));
            assert!(shown || titled, "{result}");
        }
    }

    #[test]
    fn a_query_without_meaning_says_what_to_do() {
        let mut state = Search::default();
        assert!(misuse(&mut state, "web_search", json!({"query": "the of and"})).contains("use other words"));
        assert!(misuse(&mut state, "web_search", json!({"query": "x", "limit": 21})).contains("between 1 and 20"));
        assert!(misuse(&mut state, "web_search", json!({})).contains("query is missing"));
        let unknown = misuse(&mut state, "fetch_article", json!({"url": "demo://articles/none"}));
        assert!(unknown.contains("take a url from the results"));
    }

    #[test]
    fn a_query_for_nothing_known_has_no_results() {
        let found = call(&mut Search::default(), "web_search", json!({"query": "zyzzyva"}));
        assert_eq!(found, json!({"query": "zyzzyva", "total": 0, "results": []}));
    }

    #[test]
    fn every_article_can_be_fetched() {
        for article in articles() {
            let fetched = call(&mut Search::default(), "fetch_article", json!({"url": article.url()}));
            assert_eq!(fetched["text"], article.body);
        }
    }

    #[test]
    fn the_snippet_shows_where_the_words_stand_together() {
        let filler = "filler ".repeat(60);
        let text = format!("apple {filler} apple pear together {filler}");
        let shown = snippet(&text, &["appl".to_owned(), "pear".to_owned()], |_| 1.0);
        assert!(shown.contains("apple pear together"), "{shown}");
        assert!(shown.starts_with("… ") && shown.ends_with(" …"));
        assert!(shown.len() < SNIPPET_BYTES + 40);
    }
}
