//! Which answer a line was that is too long to be read: told by its ends, where an id stands first or last.
//!
//! Nothing deeper is looked at: what stands inside of the result could be anybody's words. SDKs write `jsonrpc` and `id` first
//! (Python, Rust, Go, Java) or `jsonrpc` and `id` last (TypeScript).

use super::wire::stdio::Ends;

/// The id of the answer that the line was, as far as its ends tell.
pub(super) fn answered(ends: &Ends) -> Option<u64> {
    let head = valid(ends.head.utf8_chunks().next())?.trim_start().strip_prefix('{')?;
    let head = after_version(head);
    match member(head, "id") {
        Some(value) => {
            let (id, rest) = number(value)?;
            is_answer(rest.trim_start().strip_prefix(',')?).then_some(id)
        }
        None if is_answer(head) => last(valid(ends.tail.utf8_chunks().last())?),
        None => None,
    }
}

/// The id as the last member, or before the version; one brace closes the message itself.
fn last(tail: &str) -> Option<u64> {
    let (before, value) = tail.rsplit_once(",\"id\"").map(|(before, value)| (before, value.trim_start()))?;
    let (id, rest) = number(value.strip_prefix(':')?)?;
    let is_after_a_value = before.ends_with(['}', ']', '"', ' ', '\n']);
    let is_end = matches!(rest.trim(), "}" | ",\"jsonrpc\":\"2.0\"}");
    (is_after_a_value && is_end).then_some(id)
}

fn valid(chunk: Option<std::str::Utf8Chunk<'_>>) -> Option<&str> {
    chunk.map(|chunk| chunk.valid())
}

fn after_version(head: &str) -> &str {
    let version = || member(head, "jsonrpc")?.strip_prefix("\"2.0\"")?.trim_start().strip_prefix(',');
    version().unwrap_or(head)
}

fn is_answer(text: &str) -> bool {
    member(text, "result").or_else(|| member(text, "error")).is_some()
}

/// What follows the name of a member that stands here.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.trim_start().strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"')?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_start();
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn told(head: &'static str, tail: &'static str) -> Option<u64> {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        answered(&Ends { head: bytes(head), tail: bytes(tail) })
    }

    #[test]
    fn finds_an_id_that_stands_first_before_the_line_has_ended() {
        assert_eq!(told(r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"#, ""), Some(7));
        assert_eq!(told(r#"{ "jsonrpc": "2.0", "id": 7, "error": {"#, ""), Some(7));
        assert_eq!(told(r#"{"id":7,"result":{"#, ""), Some(7));
    }

    #[test]
    fn finds_an_id_that_stands_last() {
        assert_eq!(told(r#"{"result":{"content":[{"#, r#"xx"}]},"jsonrpc":"2.0","id":12}"#), Some(12));
        assert_eq!(told(r#"{"jsonrpc":"2.0","result":{"#, r#"xx"}]},"id":12}"#), Some(12));
        assert_eq!(told(r#"{"result":{"#, r#"xx"}]},"id":12,"jsonrpc":"2.0"}"#), Some(12));
    }

    #[test]
    fn takes_no_request_and_no_inner_id_for_an_answer() {
        assert_eq!(told(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list","#, ""), None);
        assert_eq!(told(r#"{"method":"roots/list","params":{"#, r#""},"jsonrpc":"2.0","id":7}"#), None);
        assert_eq!(told(r#"{"jsonrpc":"2.0","result":{"#, r#""x":1,"id":7}}"#), None);
        assert_eq!(told(r#"{"jsonrpc":"2.0","id":"seven","result":{"#, ""), None);
        assert_eq!(told(r#"{"result":{"#, ""), None);
        assert_eq!(told("xxxxxxxx", "xxxx"), None);
    }
}
