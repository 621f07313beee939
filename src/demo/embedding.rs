//! Texts as vectors: TF-IDF weights hashed into a fixed number of dimensions, compared by their cosine.
//!
//! It is honest about being lexical: texts are near when they share (stems of) words, weighted by how rare those are.
//! It has learned nothing of meaning. Words collide in a dimension about once in [`DIMENSIONS`]; the random sign makes
//! collisions cancel in the mean.
//! Source: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009); sublinear term frequency
//! from Manning, Raghavan, Schütze, "Introduction to Information Retrieval" (2008), 6.4.1.

use std::collections::{HashMap, HashSet};

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
    /// Counts in how many of the texts each word stands.
    pub(super) fn fit<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut frequency: HashMap<String, u16> = HashMap::new();
        let mut all: u16 = 0;
        for text in texts {
            all = all.saturating_add(1);
            for stem in terms(text).map(|term| term.stem).collect::<HashSet<_>>() {
                let count = frequency.entry(stem).or_default();
                *count = count.saturating_add(1);
            }
        }
        let idf = |count: u16| ((1.0 + f32::from(all)) / (1.0 + f32::from(count))).ln() + 1.0;
        let unseen = idf(0);
        Self { idf: frequency.into_iter().map(|(stem, count)| (stem, idf(count))).collect(), unseen }
    }

    /// The vector of a text; `None` if it has no meaningful word.
    pub(super) fn embed(&self, text: &str) -> Option<Vector> {
        let mut counts: HashMap<String, u16> = HashMap::new();
        for term in terms(text) {
            let count = counts.entry(term.stem).or_default();
            *count = count.saturating_add(1);
        }
        // Sorted, so that sums of floats come out the same on every run.
        let mut counts: Vec<(String, u16)> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut sums = vec![0.0_f32; DIMENSIONS];
        for (stem, count) in counts {
            let idf = self.idf.get(&stem).copied().unwrap_or(self.unseen);
            let (dimension, sign) = place(&stem);
            if let Some(sum) = sums.get_mut(dimension) {
                *sum += sign * (1.0 + f32::from(count).ln()) * idf;
            }
        }
        Vector::normalised(sums)
    }
}

impl Vector {
    fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length <= f32::EPSILON {
            return None;
        }
        values.iter_mut().for_each(|value| *value /= length);
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
        let embedder = Embedder::fit(TEXTS.into_iter());
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
    fn a_text_without_words_has_no_vector() {
        assert_eq!(Embedder::fit(TEXTS.into_iter()).embed("the of ..."), None);
    }
}
