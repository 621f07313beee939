//! Whether a URI is one that a URI template makes (RFC 6570, levels 1 to 3, seen from the result).

/// Whether `uri` can be an expansion of `template`: the literal parts come in order, and every expression stands for something.
pub(super) fn matches(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut parts = literals(template).into_iter().peekable();
    let Some(first) = parts.next() else { return uri.is_empty() };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() && part.is_empty() {
            return !rest.is_empty();
        }
        if parts.peek().is_none() {
            return rest.len() > part.len() && rest.ends_with(part);
        }
        let Some((_, after)) = split_after(rest, part) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// The text after the first occurrence of `part` that leaves at least one character before it.
fn split_after<'a>(text: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let skip = text.chars().next()?.len_utf8();
    let at = skip + text.get(skip..)?.find(part)?;
    Some((text.get(..at)?, text.get(at + part.len()..)?))
}

/// The literal parts around the expressions: one more than there are expressions.
fn literals(template: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        parts.push(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_expansions_from_other_uris() {
        for (template, uri, expected) in [
            ("file:///{path}", "file:///a/b", true),
            ("file:///{path}", "file:///", false),
            ("demo://docs/{slug}/pages/{page}", "demo://docs/x/pages/2", true),
            ("demo://docs/{slug}/pages/{page}", "demo://docs/x/pages/", false),
            ("demo://docs/{slug}/pages/{page}", "demo://docs//pages/2", false),
            ("a://{x}/end", "a://b/end", true),
            ("a://{x}/end", "a://b/ending", false),
            ("a://fixed", "a://fixed", true),
            ("a://fixed", "a://fixed2", false),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }
}
