//! BM25: which documents fit a query best.
//!
//! It is an index in memory, built once; it does not change and knows nothing of articles.
//! Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3; the
//! inverse document frequency is the Robertson/Sparck Jones weight with one added inside the logarithm, as Lucene has
//! it, so that a word in most of the documents does not count against them.

use std::collections::HashMap;

/// Term frequency saturation; the book's usual value.
const K1: f64 = 1.2;
/// Length normalisation; the book's usual value.
const B: f64 = 0.75;

#[derive(Debug, Clone, Copy)]
struct Posting {
    document: usize,
    frequency: u32,
}

/// An inverted index.
#[derive(Debug, Default)]
pub(super) struct Index {
    postings: HashMap<String, Vec<Posting>>,
    /// Terms in each document.
    lengths: Vec<u32>,
}

/// A document that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// The document's place in the order of indexing.
    pub(super) document: usize,
    pub(super) score: f64,
}

impl Index {
    /// Adds the next document.
    pub(super) fn add(&mut self, terms: impl Iterator<Item = String>) {
        let document = self.lengths.len();
        let mut length = 0;
        for term in terms {
            length += 1;
            let postings = self.postings.entry(term).or_default();
            match postings.last_mut() {
                Some(posting) if posting.document == document => posting.frequency += 1,
                _ => postings.push(Posting { document, frequency: 1 }),
            }
        }
        self.lengths.push(length);
    }

    /// ln(1 + (N - n + 0.5) / (n + 0.5)) for a term in n of N documents; zero for an unknown term.
    pub(super) fn idf(&self, term: &str) -> f64 {
        let Some(postings) = self.postings.get(term) else { return 0.0 };
        let (all, with) = (count(self.lengths.len()), count(postings.len()));
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }

    /// The documents with any of the terms, best first; equals stay in the order of indexing.
    pub(super) fn rank(&self, terms: &[String]) -> Vec<Hit> {
        let mut scores: HashMap<usize, f64> = HashMap::new();
        let mean = self.mean_length();
        for term in terms {
            let idf = self.idf(term);
            for posting in self.postings.get(term).into_iter().flatten() {
                *scores.entry(posting.document).or_default() += idf * self.saturation(*posting, mean);
            }
        }
        let mut hits: Vec<Hit> = scores.into_iter().map(|(document, score)| Hit { document, score }).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.document.cmp(&b.document)));
        hits
    }

    fn saturation(&self, posting: Posting, mean_length: f64) -> f64 {
        let frequency = f64::from(posting.frequency);
        let length = self.lengths.get(posting.document).copied().map_or(mean_length, f64::from);
        frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length / mean_length))
    }

    fn mean_length(&self) -> f64 {
        let total: u32 = self.lengths.iter().sum();
        f64::from(total.max(1)) / count(self.lengths.len().max(1))
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(documents: &[&str]) -> Index {
        let mut index = Index::default();
        for document in documents {
            index.add(document.split_whitespace().map(str::to_owned));
        }
        index
    }

    fn rank(index: &Index, query: &str) -> Vec<Hit> {
        index.rank(&query.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn scores_as_computed_by_hand() {
        let index = index(&["nerve nerve signal", "signal", "cache limit queue signal"]);
        // N = 3, lengths 3, 1, 4, mean 8/3. "nerve": n = 1, idf = ln(1 + 2.5/1.5) = ln(8/3) = 0.980829.
        // tf = 2: 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / (8/3))) = 4.4 / 3.3125 = 1.328302. Product: 1.302837.
        let hits = rank(&index, "nerve");
        assert_eq!(hits.len(), 1);
        assert!((hits[0].score - 1.302_837).abs() < 1e-5, "{hits:?}");
        // "signal" is everywhere: idf = ln(1 + 0.5/3.5) = 0.133531; in document 1 (length 1):
        // 2.2 / (1 + 1.2 * (0.25 + 0.75 * 0.375)) = 2.2 / 1.6375 = 1.343511. Product: 0.179401.
        let hits = rank(&index, "signal");
        assert_eq!(hits[0].document, 1);
        assert!((hits[0].score - 0.179_401).abs() < 1e-5, "{hits:?}");
    }

    #[test]
    fn a_rare_word_weighs_more_than_a_common_one() {
        let index = index(&["common rare", "common", "common", "common"]);
        assert!(index.idf("rare") > index.idf("common"));
        assert!(index.idf("common") > 0.0);
        assert!(index.idf("absent").abs() < f64::EPSILON);
    }

    #[test]
    fn more_of_a_word_helps_ever_less() {
        let index = index(&["w x x x", "w w x x", "w w w x", "x x x x"]);
        let score = |document| rank(&index, "w").iter().find(|hit| hit.document == document).unwrap().score;
        assert!(score(0) < score(1) && score(1) < score(2));
        assert!(score(1) - score(0) > score(2) - score(1));
    }

    #[test]
    fn the_shorter_of_two_documents_ranks_higher() {
        let index = index(&["word and many others beside it", "word"]);
        assert_eq!(rank(&index, "word")[0].document, 1);
    }

    #[test]
    fn an_empty_index_and_an_unknown_word_find_nothing() {
        assert!(rank(&Index::default(), "word").is_empty());
        assert!(rank(&index(&["a b"]), "c").is_empty());
    }
}
