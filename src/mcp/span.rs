//! Where a call stands in a distributed trace: what came with it in either of two places, and what goes on with it.
//!
//! The gateway is one hop: it keeps the trace's id, flags, state and baggage and puts its own span in the place of the parent. What is not
//! formed as the specifications say is dropped. A call without a trace gets none.
//!
//! Sources: W3C Trace Context (level 1, sections 3.2 and 3.3), W3C Baggage; 2026-07-28 basic/index (`_meta`).

/// The longest `tracestate` that is carried: what W3C Trace Context, section 3.3.1.5, asks to be carried at least.
const MAX_STATE_BYTES: usize = 512;
/// Members of a `tracestate` at the most (section 3.3.1.1).
const MAX_STATE_MEMBERS: usize = 32;
/// The longest `baggage` that is carried: what W3C Baggage, section 3.3.2, asks to be carried at least.
const MAX_BAGGAGE_BYTES: usize = 8192;
/// Members of a `baggage` at the most (section 3.3.2: at least 64).
const MAX_BAGGAGE_MEMBERS: usize = 180;

/// The three members of `_meta`, and headers, that carry a trace.
pub const TRACE_MEMBERS: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// What is known of a call's trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    parent: Option<Parent>,
    state: Option<Box<str>>,
    baggage: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    trace: Box<str>,
    span: Box<str>,
    flags: Box<str>,
}

impl TraceContext {
    /// Reads what came in one place, each by its name; what is not well-formed is left out.
    pub fn read(traceparent: Option<&str>, tracestate: Option<&str>, baggage: Option<&str>) -> Self {
        let parent = traceparent.and_then(Parent::read);
        // Without a parent, a state is of no trace (section 3.3: must be discarded).
        let state = tracestate.filter(|state| parent.is_some() && is_state(state)).map(Box::from);
        Self { parent, state, baggage: baggage.filter(|baggage| is_baggage(baggage)).map(Box::from) }
    }

    /// This one where it knows a trace or baggage, the other one otherwise.
    #[must_use]
    pub fn or(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let baggage = self.baggage.or(other.baggage);
        match self.parent {
            Some(_) => Self { baggage, ..self },
            None => Self { baggage, ..other },
        }
    }

    /// The same trace with another span as its parent: this hop's.
    #[must_use]
    pub fn under(mut self, span: [u8; 8]) -> Self {
        if let Some(parent) = &mut self.parent {
            parent.span = hex(span);
        }
        self
    }

    /// The id of the trace.
    pub fn trace_id(&self) -> Option<&str> {
        self.parent.as_ref().map(|parent| &*parent.trace)
    }

    /// Whether it knows a trace, in which a span has a place.
    pub const fn has_trace(&self) -> bool {
        self.parent.is_some()
    }

    /// What goes on, by its name; `None` for what is not there and must not go on either.
    pub fn members(&self) -> [(&'static str, Option<String>); 3] {
        let [parent, state, baggage] = TRACE_MEMBERS;
        let traceparent =
            self.parent.as_ref().map(|parent| format!("00-{}-{}-{}", parent.trace, parent.span, parent.flags));
        [
            (parent, traceparent),
            (state, self.state.as_deref().map(str::to_owned)),
            (baggage, self.baggage.as_deref().map(str::to_owned)),
        ]
    }
}

impl Parent {
    /// `version-trace-span-flags`. A later version may have more after a dash; of its flags only the two known ones mean anything.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_first = version == "00";
        let is_formed = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace, 32)
            && is_hex(span, 16)
            && is_hex(flags, 2)
            && (!is_first || parts.next().is_none());
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        if !is_formed || is_zero(trace) || is_zero(span) {
            return None;
        }
        let known = u8::from_str_radix(flags, 16).ok()? & 0b11;
        let flags = if is_first { flags.into() } else { hex([known]) };
        Some(Self { trace: trace.into(), span: span.into(), flags })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex<const N: usize>(bytes: [u8; N]) -> Box<str> {
    let digits = bytes.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>().into()
}

/// A list of `key=value`, without control characters; spaces around members and empty members are allowed.
fn is_state(text: &str) -> bool {
    let is_key = |key: &str| {
        let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
        (1..=256).contains(&key.len()) && key.bytes().all(is_inner)
    };
    let is_value = |value: &str| {
        (1..=256).contains(&value.len()) && value.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'=')
    };
    let is_pair = |member: &str| member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value));
    is_list(text, (MAX_STATE_BYTES, MAX_STATE_MEMBERS), is_pair)
}

/// A list of `key=value;properties`, percent-encoded.
fn is_baggage(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_value = |byte: u8| (0x20..=0x7e).contains(&byte) && !matches!(byte, b'"' | b',' | b'\\');
    let is_pair = |member: &str| {
        member.split_once('=').is_some_and(|(key, value)| {
            let key = key.trim();
            !key.is_empty() && key.bytes().all(is_token) && value.bytes().all(is_value)
        })
    };
    is_list(text, (MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS), is_pair)
}

fn is_list(text: &str, (bytes, members): (usize, usize), is_member: impl Fn(&str) -> bool) -> bool {
    let mut parts = text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let count = parts.clone().count();
    text.len() <= bytes && (1..=members).contains(&count) && parts.all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn members(context: &TraceContext) -> [Option<String>; 3] {
        context.members().map(|(_, value)| value)
    }

    #[test]
    fn a_hop_keeps_the_trace_and_takes_the_place_of_its_parent() {
        let context = TraceContext::read(Some(PARENT), Some("a=1, b@c=2"), Some("u=1;p,v=%20"));
        assert_eq!(context.trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));
        let [parent, state, baggage] = members(&context.under([0, 1, 2, 3, 4, 5, 6, 255]));
        assert_eq!(parent.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-00010203040506ff-01"));
        assert_eq!((state.as_deref(), baggage.as_deref()), (Some("a=1, b@c=2"), Some("u=1;p,v=%20")));
    }

    #[test]
    fn what_is_not_well_formed_is_dropped_and_a_state_with_its_parent() {
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\n",
        ] {
            assert_eq!(TraceContext::read(Some(bad), Some("a=1"), None), TraceContext::default(), "{bad}");
        }
        for bad in ["", "a", "A=1", "a=\u{7f}", "a=b=c", &"a=1,".repeat(33), &format!("a={}", "x".repeat(511))] {
            assert_eq!(TraceContext::read(Some(PARENT), Some(bad), None).state, None, "{bad}");
        }
        for bad in ["", "a", "=1", "a=\"x\"", "a=ü", &format!("a={}", "x".repeat(8191))] {
            assert_eq!(TraceContext::read(None, None, Some(bad)), TraceContext::default(), "{bad}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = TraceContext::read(Some("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fd-x"), None, None);
        let expected = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(members(&later)[0].as_deref(), Some(expected));
    }

    #[test]
    fn a_trace_and_baggage_are_each_taken_from_where_they_are() {
        let body = TraceContext::read(None, None, Some("of=body"));
        let headers = TraceContext::read(Some(PARENT), Some("a=1"), Some("of=headers"));
        let [parent, state, baggage] = members(&body.or(Some(headers)));
        assert_eq!(parent.as_deref(), Some(PARENT));
        assert_eq!((state.as_deref(), baggage.as_deref()), (Some("a=1"), Some("of=body")));
    }
}
