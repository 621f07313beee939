//! The embedded corpus: short articles, and longer documents in pages.
//!
//! Everything borrows from the binary; nothing is copied and nothing is read from disk. It knows no tool.

/// A short article. In its file: a title line, a topic line, an empty line, the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Article {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) topic: &'static str,
    pub(super) body: &'static str,
}

impl Article {
    pub(super) fn url(&self) -> String {
        format!("demo://articles/{}", self.slug)
    }

    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &'static str> + use<> {
        paragraphs(self.body)
    }
}

/// A longer text, whose pages are parted by [`PAGE_BREAK`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Document {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) topic: &'static str,
    body: &'static str,
}

const PAGE_BREAK: &str = "<!-- page -->";

impl Document {
    /// The pages in order; the first one has number 1.
    pub(super) fn pages(&self) -> impl Iterator<Item = (u32, &'static str)> {
        (1..).zip(self.body.split(PAGE_BREAK).map(str::trim))
    }

    pub(super) fn page_count(&self) -> u32 {
        self.pages().map(|(number, _)| number).last().unwrap_or(0)
    }

    pub(super) fn uri(&self) -> String {
        format!("demo://documents/{}", self.slug)
    }
}

/// The parts of a text between empty lines.
pub(super) fn paragraphs(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty())
}

/// Embeds `corpus/<folder>/<slug>.md` as (slug, text).
macro_rules! embed {
    ($folder:literal, [$($slug:literal),* $(,)?]) => {
        &[$(($slug, include_str!(concat!("corpus/", $folder, "/", $slug, ".md")))),*]
    };
}

const ARTICLES: &[(&str, &str)] = embed!(
    "articles",
    [
        "action-potential",
        "axon-diameter",
        "backpressure",
        "bounded-queues",
        "cache-invalidation",
        "circuit-breaker",
        "clock-and-deadline",
        "conduction-velocity",
        "content-addressing",
        "demyelination",
        "fail-safe-defaults",
        "hedged-requests",
        "human-factors",
        "idempotency",
        "json-rpc",
        "load-shedding",
        "myelin-sheath",
        "nodes-of-ranvier",
        "oligodendrocytes",
        "protocol-versioning",
        "redundancy",
        "reflex-arc",
        "saltatory-conduction",
        "sampling-profilers",
        "server-sent-events",
        "structured-logging",
        "synapse",
        "tail-latency",
        "tcp-congestion",
        "token-bucket",
        "tracing-context",
        "write-ahead-log",
    ]
);

const DOCUMENTS: &[(&str, &str)] = embed!(
    "documents",
    ["a-short-history-of-nerve-conduction", "field-guide-to-overload", "postmortem-of-a-quiet-queue",]
);

/// All articles, by slug.
pub(super) fn articles() -> impl Iterator<Item = Article> {
    ARTICLES.iter().map(|(slug, text)| {
        let (title, topic, body) = front_matter(text);
        Article { slug, title, topic, body }
    })
}

/// All documents, by slug.
pub(super) fn documents() -> impl Iterator<Item = Document> {
    DOCUMENTS.iter().map(|(slug, text)| {
        let (title, topic, body) = front_matter(text);
        Document { slug, title, topic, body }
    })
}

fn front_matter(text: &'static str) -> (&'static str, &'static str, &'static str) {
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (topic, body) = rest.split_once('\n').unwrap_or((rest, ""));
    (title.trim_start_matches("# "), topic.trim_start_matches("topic: "), body.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_title_a_topic_and_a_body_of_fair_length() {
        for article in articles() {
            let words = article.body.split_whitespace().count();
            assert!((120..=420).contains(&words), "{}: {words} words", article.slug);
            assert!(!article.title.is_empty() && !article.title.starts_with('#'), "{}", article.slug);
            assert!(!article.topic.is_empty() && !article.topic.contains(' '), "{}", article.slug);
        }
    }

    #[test]
    fn slugs_are_sorted_and_unique() {
        let slugs: Vec<&str> = articles().map(|article| article.slug).collect();
        assert!(slugs.windows(2).all(|pair| pair[0] < pair[1]), "{slugs:?}");
        assert!(slugs.len() >= 24);
    }

    #[test]
    fn every_document_has_several_pages_with_text() {
        for document in documents() {
            assert!(document.page_count() >= 3, "{}", document.slug);
            assert!(document.pages().all(|(_, text)| text.split_whitespace().count() > 80), "{}", document.slug);
        }
    }
}
