//! Following the Services of one namespace, or of all: a list, then a watch from where it was, for as long as somebody wants to know.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use crate::{
    clock, seal,
    telemetry::{label::Success, metrics::METRICS},
};

use super::{
    ask::Ask,
    board::Board,
    fault::AskFault,
    picture::{Room, Scope},
    service::{Raw, ServiceId},
};

/// Pages of a list at the most: with fifty Services each, more than a namespace has.
const MAX_PAGES: usize = 200;
/// The pause after a failure, and the longest: doubled from the one to the other, and each shortened by up to half.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A watch that ends sooner without a word counts as a failure: asking again at once would go on for ever.
const SHORTEST_WATCH: Duration = Duration::from_millis(500);
/// What a dead connection may be late: the server's end of a watch is not to the second.
const GRACE: Duration = Duration::from_secs(5);

/// One line of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What an `ERROR` carries.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

/// Where to go on.
enum Next {
    /// With a watch from this version.
    From(String),
    /// With a list.
    Anew,
}

/// Follows them until it is dropped.
pub(super) async fn follow(ask: Ask, place: usize, board: Board) {
    let mut next = Next::Anew;
    let mut failures = 0_u32;
    loop {
        let begun = clock::now();
        let step = match &mut next {
            Next::Anew => list(&ask, place, &board).await.map(Next::From),
            Next::From(version) => watch(&ask, place, &board, version).await,
        };
        METRICS.discovery_requests.of(if step.is_ok() { Success::Ok } else { Success::Failed }).inc();
        match step {
            Ok(then) => {
                next = then;
                failures = 0;
            }
            Err(fault) => {
                // What went well for so long says nothing about the next time.
                if clock::now().saturating_duration_since(begun) > PAUSE.1 {
                    failures = 0;
                }
                // Whatever it is, the next list tells all; a connection that broke is gone on with.
                if !matches!(fault, AskFault::Broken(_) | AskFault::Silent) {
                    next = Next::Anew;
                }
                board.failed(place, ask.namespace.as_deref(), &fault);
                if failures > 0 || !matches!(fault, AskFault::Gone) {
                    sleep(pause(failures)).await;
                }
                failures += 1;
            }
        }
    }
}

fn pause(failures: u32) -> Duration {
    seal::jittered(PAUSE.0.saturating_mul(1 << failures.min(10)).min(PAUSE.1))
}

/// All there are; the version of that.
async fn list(ask: &Ask, place: usize, board: &Board) -> Result<String, AskFault> {
    let limit = ask.settings().max_servers;
    let (mut scope, mut next) = (Scope::default(), String::new());
    for _ in 0..MAX_PAGES {
        let page = ask.page(&next).await?;
        for service in page.items.into_iter().filter_map(Raw::service) {
            scope.put(service, limit);
        }
        next = page.metadata.next;
        if next.is_empty() {
            board.listed(place, scope);
            return Ok(page.metadata.resource_version);
        }
    }
    Err(AskFault::TooLarge)
}

/// Hears what changes; where to go on when the server ended that. `version` goes along, so that it is the last one where it fails.
async fn watch(ask: &Ask, place: usize, board: &Board, version: &mut String) -> Result<Next, AskFault> {
    let begun = clock::now();
    let mut lines = ask.watch(version).await?;
    board.works(place);
    // A bookmark or the end comes before this; what is silent for longer is no connection any more.
    let silence = ask.settings().watch_timeout + GRACE.min(ask.settings().timeout);
    let mut heard = 0_usize;
    while let Some(line) = timeout(silence, lines.next()).await.map_err(|_| AskFault::Silent)?? {
        heard += 1;
        if let Some(Next::Anew) = hear(&line, (place, ask.settings().max_servers), board, version)? {
            return Ok(Next::Anew);
        }
    }
    if heard == 0 && clock::now().saturating_duration_since(begun) < SHORTEST_WATCH {
        return Err(AskFault::Silent);
    }
    Ok(Next::From(version.clone()))
}

/// Takes one line in; an answer where the watch is not to go on.
fn hear(
    line: &[u8],
    (place, limit): (usize, usize),
    board: &Board,
    version: &mut String,
) -> Result<Option<Next>, AskFault> {
    let event: Event<'_> = serde_json::from_slice(line).map_err(AskFault::Content)?;
    let text = event.object.get();
    if event.kind == "ERROR" {
        let status: Status = serde_json::from_str(text).map_err(AskFault::Content)?;
        let status = http::StatusCode::from_u16(status.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        return Err(if status == http::StatusCode::GONE { AskFault::Gone } else { AskFault::Status(status) });
    }
    let raw: Raw = serde_json::from_str(text).map_err(AskFault::Content)?;
    if !raw.metadata.resource_version.is_empty() {
        version.clone_from(&raw.metadata.resource_version);
    }
    let service = match event.kind.as_str() {
        "ADDED" | "MODIFIED" | "DELETED" => raw.service(),
        // `BOOKMARK`, and what later versions may add.
        _ => None,
    };
    let Some(service) = service else { return Ok(None) };
    if event.kind != "DELETED" {
        board.change(place, |scope| scope.put(service, limit));
        return Ok(None);
    }
    let id: ServiceId = service.id;
    let mut room = Room::Enough;
    board.change(place, |scope| {
        scope.remove(&id);
        room = scope.room;
    });
    // There is room for one that was left aside, and only a list knows which.
    Ok((room == Room::Exceeded).then_some(Next::Anew))
}
