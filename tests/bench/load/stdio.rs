//! The fake upstream as a child process: one message per line in, one per line out.
use crate::answer::{Options, Question, Voice};
use memchr::memchr;
use std::io::{BufRead, BufReader, Write};

/// Answers lines of standard input until it closes.
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let voice = Voice::new(options);
    let mut input = BufReader::with_capacity(64 * 1024, std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let (mut line, mut out) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line)? > 0 {
        let question: Question<'_> = serde_json::from_slice(&line)?;
        if question.id.is_some() && question.method.is_some() {
            voice.respond(&question, &mut out);
            out.push(b'\n');
        }
        // Everything that arrived in one read is answered in one write: a pipe's wake-up costs more than an answer.
        if memchr(b'\n', input.buffer()).is_none() {
            output.write_all(&out)?;
            output.flush()?;
            out.clear();
        }
        line.clear();
    }
    Ok(())
}
