//! Texts as vectors: TF-IDF weights hashed into a fixed number of dimensions, compared by their cosine.
//!
//! It is honest about being lexical: texts are near when they share (stems of) words, weighted by how rare those are.
//! It has learned nothing of meaning. Words collide in a dimension about once in [`DIMENSIONS`]; the random sign makes
//! collisions cancel in the mean.
//! Source: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009); sublinear term frequency
//! from Manning, Raghavan, Schütze, "Introduction to Information Retrieval" (2008), 6.4.1.

use std::collections::HashMap;

use super::text::terms;

/// The length of every vector.
pub(super) const DIMENSIONS: usize = 512;

/// Knows how rare each word is, from the texts it was fitted to.
#[derive(Debug)]
pub(super) struct Embedder {
    idf: HashMap<String, f32>,
    unseen: f32,
}

/// A vector of length one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vector(Vec<f32>);

impl Embedder {
    /// Counts in how many of the texts each word stands, and embeds the texts on the way: each is taken apart once.
    pub(super) fn fit<'a>(texts: impl Iterator<Item = &'a str>) -> (Self, Vec<Option<Vector>>) {
        let texts: Vec<Counts> = texts.map(count).collect();
        let mut frequency: HashMap<&str, u16> = HashMap::new();
        for (stem, _) in texts.iter().flatten() {
            let count = frequency.entry(stem).or_default();
            *count = count.saturating_add(1);
        }
        let all = u16::try_from(texts.len()).map_or(f32::from(u16::MAX), f32::from);
        let idf = |count: u16| ((1.0 + all) / (1.0 + f32::from(count))).ln() + 1.0;
        let known = frequency.into_iter().map(|(stem, count)| (stem.to_owned(), idf(count))).collect();
        let embedder = Self { idf: known, unseen: idf(0) };
        let vectors = texts.iter().map(|counts| embedder.weigh(counts)).collect();
        (embedder, vectors)
    }

    /// The vector of a text; `None` if it has no meaningful word.
    pub(super) fn embed(&self, text: &str) -> Option<Vector> {
        self.weigh(&count(text))
    }

    fn weigh(&self, counts: &Counts) -> Option<Vector> {
        let mut sums = vec![0.0_f32; DIMENSIONS];
        for (stem, count) in counts {
            let idf = self.idf.get(stem).copied().unwrap_or(self.unseen);
            let (dimension, sign) = place(stem);
            if let Some(sum) = sums.get_mut(dimension) {
                *sum += sign * (1.0 + f32::from(*count).ln()) * idf;
            }
        }
        Vector::normalised(sums)
    }
}

/// How often each word stands in a text; sorted, so that sums of floats come out the same on every run.
type Counts = Vec<(String, u16)>;

fn count(text: &str) -> Counts {
    let mut stems: Vec<String> = terms(text).map(|term| term.stem).collect();
    stems.sort_unstable();
    let mut counts: Counts = Vec::new();
    for stem in stems {
        match counts.last_mut() {
            Some((last, count)) if *last == stem => *count = count.saturating_add(1),
            _ => counts.push((stem, 1)),
        }
    }
    counts
}

impl Vector {
    fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length <= f32::EPSILON {
            return None;
        }
        for value in &mut values {
            *value /= length;
        }
        Some(Self(values))
    }

    /// The cosine of the angle between two vectors: 1 for the same direction, 0 for nothing in common.
    pub(super) fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

/// The dimension and the sign of a word: FNV-1a, whose low bits choose the place and whose top bit the sign.
fn place(stem: &str) -> (usize, f32) {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = stem.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let modulus = u64::try_from(DIMENSIONS).unwrap_or(1);
    let dimension = usize::try_from((hash >> 8) % modulus).unwrap_or(0);
    (dimension, if hash >> 63 == 0 { 1.0 } else { -1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 3] = ["nerve signal speed", "queue signal limit", "cache signal entry"];

    fn cosine(a: &str, b: &str) -> f32 {
        let (embedder, _) = Embedder::fit(TEXTS.into_iter());
        embedder.embed(a).unwrap().cosine(&embedder.embed(b).unwrap())
    }

    #[test]
    fn a_text_is_nearest_to_itself_whatever_the_order_and_length() {
        assert!((cosine("nerve signal", "signal nerve") - 1.0).abs() < 1e-6);
        assert!((cosine("nerve speed", "nerves and the speed of nerves") - 1.0).abs() < 0.05);
    }

    #[test]
    fn the_cosine_is_symmetric_and_bounded() {
        for a in TEXTS {
            for b in TEXTS {
                assert!((cosine(a, b) - cosine(b, a)).abs() < 1e-6);
                assert!(cosine(a, b).abs() <= 1.0 + 1e-6);
            }
        }
    }

    #[test]
    fn texts_without_a_common_word_are_apart() {
        assert!(cosine("nerve speed", "queue limit").abs() < 1e-6);
    }

    #[test]
    fn a_rare_word_in_common_brings_texts_nearer_than_a_frequent_one() {
        assert!(cosine("nerve signal", "nerve cache") > cosine("nerve signal", "signal cache"));
    }

    #[test]
    fn a_hand_computed_cosine_comes_out() {
        // "signal" is in 3 of 3 texts: idf = ln(4/4) + 1 = 1. "nerve" in 1: ln(4/2) + 1 = 1.693147.
        // (1.693147, 1) against (0, 1): 1 / sqrt(1.693147^2 + 1) = 0.508542.
        assert!((cosine("nerve signal", "signal") - 0.508_542).abs() < 1e-5);
    }

    #[test]
    fn fitting_embeds_as_embedding_does() {
        let (embedder, vectors) = Embedder::fit(TEXTS.into_iter());
        let again: Vec<Option<Vector>> = TEXTS.into_iter().map(|text| embedder.embed(text)).collect();
        assert_eq!(vectors, again);
    }

    #[test]
    fn a_text_without_words_has_no_vector() {
        assert_eq!(Embedder::fit(TEXTS.into_iter()).0.embed("the of ..."), None);
    }
}
