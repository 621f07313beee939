//! As much of Rust's lexical grammar as it takes to tell code from comments and literals.

/// The text with comments and the insides of literals replaced by spaces; line breaks and lengths in bytes stay.
pub(crate) fn blank(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < out.len() {
        let end = at + length(&text.as_bytes()[at..], at.checked_sub(1).map(|before| text.as_bytes()[before]));
        let is_code = end == at + 1;
        if !is_code {
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    String::from_utf8(out).unwrap()
}

/// How long the comment or literal is that starts here; 1 when none does.
fn length(rest: &[u8], before: Option<u8>) -> usize {
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest),
        [b'r' | b'b' | b'c', ..] if !in_word => raw_string(rest).unwrap_or(1),
        [b'\'', ..] => character(rest).unwrap_or(1),
        _ => 1,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

/// `r"…"`, `br#"…"#` and their like.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().position(|byte| !matches!(byte, b'r' | b'b' | b'c'))?;
    if !rest[..prefix].contains(&b'r') || prefix > 2 {
        return None;
    }
    let hashes = rest[prefix..].iter().position(|byte| *byte != b'#')?;
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close = [vec![b'"'], vec![b'#'; hashes]].concat();
    let inside = rest[open + 1..].windows(close.len()).position(|window| window == close)?;
    Some(open + 1 + inside + close.len())
}

/// A character; a lifetime is none.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(rest[3..].iter().position(|byte| *byte == b'\'')? + 4);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(8)])
        .or_else(|error| std::str::from_utf8(&rest[1..=error.valid_up_to()]))
        .ok()?;
    let width = text.chars().next()?.len_utf8();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The byte after the brace that closes the one at `open`, in text that went through [`blank`].
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Whether the byte can be part of a name.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where a word occurs as a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| code.as_bytes().get(before));
        let after = code.as_bytes().get(at + word.len());
        ![before, after].into_iter().flatten().any(|byte| is_word(*byte))
    })
}

#[test]
fn blanks_comments_and_literals_and_nothing_else() {
    let text = "a(\"x\\\"//\", 'c', '\\'', r#\"fn \"\"#, &'a b) /* fn /* */ */ // fn\nfn";
    assert_eq!(blank(text).split_whitespace().collect::<String>(), "a(,,,,&'ab)fn");
    assert_eq!(blank(text).len(), text.len());
}
