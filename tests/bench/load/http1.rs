//! As much of HTTP/1.1 (RFC 9112) as a keep-alive peer on loopback needs: a head, a counted or a chunked body.
//!
//! Deliberately not a general parser: no trailers with content, no `100-continue`, no upgrade.
use anyhow::{Context, bail};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A head larger than this is an error (our own messages stay under 1 KiB).
const HEAD_LIMIT: usize = 32 * 1024;
/// A body larger than this is an error (150 tools are about 60 KiB).
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A complete head: the start line and the header lines.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Request line or status line.
    pub(crate) start: &'a str,
    fields: &'a str,
}

impl<'a> Head<'a> {
    /// The value of the first header of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.split("\r\n").find_map(|line| {
            let (key, value) = line.split_at_checked(name.len())?;
            if !key.eq_ignore_ascii_case(name) {
                return None;
            }
            value.strip_prefix(':').map(str::trim)
        })
    }

    /// The status code of a response's head.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.get(9..12)?.parse().ok()
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// One end of a connection: what was read and not yet used.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    used: usize,
    chunked_body: Vec<u8>,
}

/// Where a message of the inbox ends.
pub(crate) struct Extent {
    head: usize,
    body: Body,
}

enum Body {
    Counted(usize),
    Chunked,
}

impl Inbox {
    /// Reads one whole message; `None` when the peer closed between messages.
    pub(crate) async fn receive(&mut self, from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Option<Extent>> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(at) = memmem::find(&self.bytes, b"\r\n\r\n") {
                break at + 4;
            }
            if self.bytes.len() > HEAD_LIMIT {
                bail!("head over {HEAD_LIMIT} bytes");
            }
            if from.read_buf(&mut self.bytes).await? == 0 {
                return if self.bytes.is_empty() { Ok(None) } else { bail!("closed inside a head") };
            }
        };
        let parsed = self.head_up_to(head)?;
        let body = if parsed.is_chunked() {
            self.receive_chunks(head, from).await?;
            Body::Chunked
        } else {
            let length = parsed.field("content-length").map_or(Ok(0), str::parse).context("bad content-length")?;
            self.fill(head + length, from).await?;
            self.used = head + length;
            Body::Counted(length)
        };
        Ok(Some(Extent { head, body }))
    }

    /// The head and the body of a message that [`Inbox::receive`] has returned.
    pub(crate) fn message(&self, extent: &Extent) -> anyhow::Result<(Head<'_>, &[u8])> {
        let body = match extent.body {
            Body::Counted(length) => self.bytes.get(extent.head..extent.head + length).context("body not read")?,
            Body::Chunked => &self.chunked_body,
        };
        Ok((self.head_up_to(extent.head)?, body))
    }

    fn head_up_to(&self, end: usize) -> anyhow::Result<Head<'_>> {
        let text = std::str::from_utf8(self.bytes.get(..end - 4).context("head not read")?)?;
        let (start, fields) = text.split_once("\r\n").unwrap_or((text, ""));
        Ok(Head { start, fields })
    }

    async fn fill(&mut self, wanted: usize, from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<()> {
        if wanted > BODY_LIMIT {
            bail!("body over {BODY_LIMIT} bytes");
        }
        self.bytes.reserve(wanted.saturating_sub(self.bytes.len()));
        while self.bytes.len() < wanted {
            if from.read_buf(&mut self.bytes).await? == 0 {
                bail!("closed inside a body");
            }
        }
        Ok(())
    }

    async fn receive_chunks(&mut self, mut at: usize, from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<()> {
        self.chunked_body.clear();
        loop {
            let line_end = loop {
                if let Some(end) = self.bytes.get(at..).and_then(|rest| memmem::find(rest, b"\r\n")) {
                    break at + end;
                }
                self.fill(self.bytes.len() + 1, from).await?;
            };
            let line = std::str::from_utf8(self.bytes.get(at..line_end).context("chunk size")?)?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or(line).trim(), 16)?;
            let start = line_end + 2;
            self.fill(start + size.min(BODY_LIMIT) + 2, from).await?;
            self.chunked_body.extend_from_slice(self.bytes.get(start..start + size).context("chunk")?);
            at = start + size + 2;
            if size == 0 {
                self.used = at;
                return Ok(());
            }
        }
    }
}
