//! Where a run of plain bytes of a string ends.

/// How many bytes come before one that ends a run of plain string bytes: the quote, the backslash or a control character.
///
/// Eight at a time, sixteen where it is long: most of a message is names and texts, and a byte at a time this was a tenth of a call's
/// cost. The usual short name is told here, and the rest elsewhere, so that it needs none of what that needs.
#[inline]
pub(in crate::jsonrpc) fn plain(text: &[u8]) -> usize {
    match text.first_chunk().copied().map(first_special) {
        Some(Some(place)) => place,
        Some(None) => 8 + plain_long(text.get(8..).unwrap_or_default()),
        None => plain_short(text),
    }
}

/// The same where less than eight bytes are left of the whole text.
#[cold]
fn plain_short(text: &[u8]) -> usize {
    text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len())
}

/// The same for what goes on.
#[inline(never)]
fn plain_long(text: &[u8]) -> usize {
    // Without an early end the compiler makes a few instructions of sixteen comparisons.
    let is = u8::from;
    let special = |all, byte: &u8| all | is(*byte < 0x20) | is(*byte == b'"') | is(*byte == b'\\');
    let has_special = |chunk: &[u8; 16]| chunk.iter().fold(0, special) != 0;
    let mut at = text.as_chunks().0.iter().take_while(|chunk| !has_special(chunk)).count() * 16;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match rest.first_chunk().copied().map(first_special) {
            Some(Some(place)) => return at + place,
            Some(None) => at += 8,
            None => return at + plain_short(rest),
        }
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

/// The place of the first of eight bytes that is special.
#[inline]
fn first_special(eight: [u8; 8]) -> Option<usize> {
    let special = specials(u64::from_le_bytes(eight));
    // The lowest mark is the first of these bytes.
    (special != 0).then(|| usize::try_from(special.trailing_zeros() / 8).unwrap_or_default())
}

/// The high bit of each byte that is special. Above the lowest one others may be marked, too: a byte borrows from the next one.
///
/// Source: Anderson, Bit Twiddling Hacks, "Determine if a word has a zero byte" and "… a byte less than n".
const fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    let (quotes, backslashes) = (word ^ QUOTES, word ^ BACKSLASHES);
    let found = (quotes.wrapping_sub(ONES) & !quotes) | (backslashes.wrapping_sub(ONES) & !backslashes);
    (found | (word.wrapping_sub(SPACES) & !word)) & HIGH
}
