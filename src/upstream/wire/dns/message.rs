//! Questions for SRV records and their answers, byte by byte.
//!
//! Source: RFC 1035 section 4 (messages, compression), RFC 2782 (SRV), RFC 6891 section 6 (the size that we take).

/// The size of an answer over UDP that we take; beyond it packets are cut into pieces, which networks lose (RFC 9715 section 3.1).
pub(super) const MAX_UDP_BYTES: u16 = 1232;

const SRV: u16 = 33;
const OPT: u16 = 41;
const INTERNET: u16 = 1;
/// A name has so many bytes at the most, and a label (RFC 1035 section 2.3.4).
const MAX_NAME_BYTES: usize = 255;
const MAX_LABEL_BYTES: usize = 63;
/// Records of one answer that are read, at the most.
const MAX_RECORDS: u16 = 1024;
/// A response; truncated; the code of what came of it; recursion is desired (RFC 1035 section 4.1.1).
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const CODE: u16 = 0x000f;
const RECURSE: u16 = 0x0100;
const NO_SUCH_NAME: u16 = 3;

/// A host that a service is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) port: u16,
    pub(super) host: String,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The service is there; nowhere, when there is none.
    Found(Vec<Service>),
    /// There is no such name.
    Unknown,
    /// It did not fit.
    Truncated,
    /// The name server cannot say.
    Failed,
}

/// A question for the service of that name. `None` when it is no name.
pub(super) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    // One question, no answer, no authority, one addition.
    for number in [id, RECURSE, 1, 0, 0, 1] {
        message.extend(number.to_be_bytes());
    }
    for label in name.trim_end_matches('.').split('.') {
        let length =
            u8::try_from(label.len()).ok().filter(|length| (1..=MAX_LABEL_BYTES).contains(&usize::from(*length)))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    // Twelve bytes are the header's.
    if message.len() - 12 > MAX_NAME_BYTES {
        return None;
    }
    for number in [SRV, INTERNET] {
        message.extend(number.to_be_bytes());
    }
    message.push(0);
    for number in [OPT, MAX_UDP_BYTES, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    Some(message)
}

/// Reads the answer to the question with that id. `None` when it is none.
pub(super) fn answer(message: &[u8], id: u16) -> Option<Answer> {
    let mut reader = Reader { message, at: 0 };
    let [own, flags, questions, answers, _, _] = [0; 6].map(|_: u16| reader.number());
    let (flags, questions, answers) = (flags?, questions?, answers?);
    if own? != id || flags & RESPONSE == 0 || questions > 1 {
        return None;
    }
    match flags & CODE {
        0 if flags & TRUNCATED != 0 => return Some(Answer::Truncated),
        0 => {}
        NO_SUCH_NAME => return Some(Answer::Unknown),
        _ => return Some(Answer::Failed),
    }
    for _ in 0..questions {
        reader.name()?;
        reader.take(4)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers.min(MAX_RECORDS) {
        found.extend(reader.record()?);
    }
    Some(Answer::Found(found))
}

/// A place in a message.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// The next record: a service, if it is one. Outside it is `None` when the message ends before.
    fn record(&mut self) -> Option<Option<Service>> {
        self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        // How long it may be kept: it is asked for again when the configuration says so.
        self.take(4)?;
        let length = usize::from(self.number()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        let service = if (kind, class) == (SRV, INTERNET) { self.service(end) } else { None };
        self.at = end;
        Some(service)
    }

    fn service(&mut self, end: usize) -> Option<Service> {
        let (priority, _weight, port) = (self.number()?, self.number()?, self.number()?);
        let host = self.name().filter(|host| !host.is_empty() && self.at == end)?;
        Some(Service { priority, port, host })
    }

    /// A name, perhaps by way of places before it (RFC 1035 section 4.1.4): each way back leads further back, so that there is an end.
    fn name(&mut self) -> Option<String> {
        let (mut name, mut at, mut after, mut before) = (String::new(), self.at, None, self.at);
        loop {
            let length = *self.message.get(at)?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + usize::from(length))?;
                    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
                    let label = str::from_utf8(label).ok().filter(|label| label.as_bytes().iter().all(is_name))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(label);
                    at += 1 + usize::from(length);
                }
                192.. => {
                    let low = *self.message.get(at + 1)?;
                    let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    after.get_or_insert(at + 2);
                    if to >= before {
                        return None;
                    }
                    (at, before) = (to, to);
                }
                _ => return None,
            }
            if name.len() > MAX_NAME_BYTES {
                return None;
            }
        }
        self.at = after.unwrap_or(at + 1);
        Some(name)
    }
}
