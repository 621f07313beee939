//! Words: where they are in a text, which of them carry no meaning, and their stems.
//!
//! It is made for English and keeps every word it does not understand; it knows no ranking.
//! Source: M. F. Porter, "An algorithm for suffix stripping" (1980), steps 1a, 1b, 1c and 5a: plurals, -ed, -ing and a
//! final e or y. The later steps would also join words that a reader tells apart.

use std::ops::Range;

/// Words so common that they say nothing about a text.
const STOP_WORDS: [&str; 73] = [
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because", "been", "but", "by",
    "can", "do", "does", "each", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it",
    "its", "me", "more", "my", "no", "not", "of", "on", "one", "only", "or", "other", "our", "so", "some", "such",
    "than", "that", "the", "their", "then", "there", "they", "this", "to", "was", "we", "were", "what", "when",
    "where", "which", "while", "who", "why", "will", "with", "without", "would", "you", "your",
];

/// A word that carries meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) stem: String,
    /// Where the word stands, in bytes.
    pub(super) at: Range<usize>,
}

/// The meaningful words of a text, in order.
pub(super) fn terms(text: &str) -> impl Iterator<Item = Term> + '_ {
    words(text).filter_map(|(word, at)| {
        let lower = word.to_lowercase();
        (STOP_WORDS.binary_search(&lower.as_str()).is_err()).then(|| Term { stem: stem(lower), at })
    })
}

fn words(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..)?;
        let start = rest + tail.find(char::is_alphanumeric)?;
        let word = text.get(start..)?.split(|c: char| !c.is_alphanumeric()).next()?;
        rest = start + word.len();
        Some((word, start..rest))
    })
}

/// The stem of a lower-case word. Words that are not plain ASCII letters, or short, are their own stem.
fn stem(mut word: String) -> String {
    if word.len() < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word;
    }
    drop_plural(&mut word);
    drop_ed_and_ing(&mut word);
    if word.ends_with('y') && has_vowel(before(&word, 1)) {
        word.truncate(word.len() - 1);
        word.push('i');
    }
    drop_final_e(&mut word);
    word
}

/// Step 1a.
fn drop_plural(word: &mut String) {
    if word.ends_with("sses") || word.ends_with("ies") {
        word.truncate(word.len() - 2);
    } else if word.ends_with('s') && !word.ends_with("ss") {
        word.truncate(word.len() - 1);
    }
}

/// Step 1b.
fn drop_ed_and_ing(word: &mut String) {
    if word.ends_with("eed") {
        if measure(before(word, 3)) > 0 {
            word.truncate(word.len() - 1);
        }
        return;
    }
    let suffix = ["ed", "ing"].into_iter().find(|suffix| word.ends_with(suffix)).map_or(0, str::len);
    if suffix == 0 || !has_vowel(before(word, suffix)) {
        return;
    }
    word.truncate(word.len() - suffix);
    let needs_e = ["at", "bl", "iz"].iter().any(|ending| word.ends_with(ending));
    if needs_e || (measure(word.as_bytes()) == 1 && ends_short(word.as_bytes())) {
        word.push('e');
    } else if ends_doubled(word.as_bytes()) {
        word.truncate(word.len() - 1);
    }
}

/// Step 5a.
fn drop_final_e(word: &mut String) {
    if !word.ends_with('e') {
        return;
    }
    let rest = before(word, 1);
    let measure = measure(rest);
    if measure > 1 || (measure == 1 && !ends_short(rest)) {
        word.truncate(word.len() - 1);
    }
}

fn before(word: &str, suffix: usize) -> &[u8] {
    let end = word.len().saturating_sub(suffix);
    word.as_bytes().get(..end).unwrap_or_default()
}

/// Whether each letter is a vowel; y is one after a consonant.
fn vowels(word: &[u8]) -> impl Iterator<Item = bool> + '_ {
    word.iter().scan(true, |after_vowel, letter| {
        let vowel = matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u') || (*letter == b'y' && !*after_vowel);
        *after_vowel = vowel;
        Some(vowel)
    })
}

fn has_vowel(word: &[u8]) -> bool {
    vowels(word).any(|vowel| vowel)
}

/// Porter's m: how often a run of vowels is followed by a run of consonants.
fn measure(word: &[u8]) -> usize {
    vowels(word).zip(vowels(word).skip(1)).filter(|pair| *pair == (true, false)).count()
}

/// Porter's *d, without the l, s and z that stay doubled.
fn ends_doubled(word: &[u8]) -> bool {
    let doubled = matches!(word, [.., a, b] if a == b && !matches!(b, b'l' | b's' | b'z'));
    doubled && vowels(word).last() == Some(false)
}

/// Porter's *o: consonant, vowel, consonant, and the last is not w, x or y.
fn ends_short(word: &[u8]) -> bool {
    let shape = vowels(word).skip(word.len().saturating_sub(3));
    word.len() > 2 && shape.eq([false, true, false]) && !matches!(word.last(), Some(b'w' | b'x' | b'y'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        terms(text).map(|term| term.stem).collect()
    }

    #[test]
    fn stop_words_are_sorted_so_that_they_can_be_found() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for forms in
            ["queue queues", "limit limits limited limiting", "cache caches caching cached", "latency latencies"]
        {
            let stems = stems(forms);
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{stems:?}");
        }
    }

    #[test]
    fn follows_the_examples_of_the_paper() {
        let pairs = [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("caress", "caress"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("motoring", "motor"),
            ("sing", "sing"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("hissing", "hiss"),
            ("failing", "fail"),
            ("filing", "file"),
            ("happy", "happi"),
            ("probate", "probat"),
            ("rate", "rate"),
        ];
        for (word, expected) in pairs {
            assert_eq!(stem(word.to_owned()), expected, "{word}");
        }
    }

    #[test]
    fn a_term_knows_where_it_stands() {
        let text = "The naïve “node of Ranvier”, 2 µm wide";
        let found: Vec<&str> = terms(text).filter_map(|term| text.get(term.at)).collect();
        assert_eq!(found, ["naïve", "node", "Ranvier", "2", "µm", "wide"]);
    }
}
