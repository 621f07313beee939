//! The operator's requests that name users or change something: `/api/…`.
//!
//! Whoever reaches the listener may see health and metrics; this needs more. A browser cannot send it for its user: every request carries a
//! header that only a program sets, and a change is JSON, both of which a page of another origin must ask for, and nobody answers. Beyond
//! loopback the operator's token is needed; on loopback it is where there is one.

use std::sync::Arc;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Query, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    operator::Operator,
    report::NoServer,
    tail::{self, Until},
};
use crate::{downstream::drain::Drain, redact::Redacted, upstream::Restart};

/// A change names a principal and a server.
const MAX_BODY_BYTES: usize = 16 << 10;
/// Readers of logs at the same time: as many terminals as operators look at, and a quarter of the listener's connections.
const MAX_READERS: usize = 16;
/// The header that no page of another origin can send unasked.
const HEADER: &str = "x-myelin-admin";

/// Who may ask, and who answers.
pub struct Api {
    /// Who answers.
    pub operator: Arc<dyn Operator>,
    /// What must be presented as a bearer token.
    pub token: Option<Redacted<String>>,
    /// From where the listener is reached.
    pub reached: Reached,
}

/// From where the listener is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// From this machine only.
    Locally,
    /// From others as well.
    Remotely,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    principal: String,
    server: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestartWish {
    server: String,
    /// Whether calls in flight are cut off.
    #[serde(default)]
    now: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogWish {
    server: String,
    lines: usize,
    follow: bool,
}

/// What answers need beside the operator.
struct Desk {
    api: Api,
    readers: Arc<Semaphore>,
    drain: Drain,
}

pub(super) fn routes(api: Api, drain: Drain) -> Router {
    let api = Arc::new(Desk { api, readers: Arc::new(Semaphore::new(MAX_READERS)), drain });
    Router::new()
        .route("/api/connections", get(connections))
        .route("/api/connections/revoke", post(revoke))
        .route("/api/servers", get(servers))
        .route("/api/restart", post(restart))
        .route("/api/logs", get(logs))
        // Of these routes alone: what is nowhere is not found, whoever asks.
        .route_layer(middleware::from_fn_with_state(api.clone(), guard))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(api)
}

async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    match desk.api.refusal(request.headers()) {
        Some((status, problem)) => refuse(status, problem),
        None => next.run(request).await,
    }
}

impl Api {
    fn refusal(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        if !headers.contains_key(HEADER) {
            return Some((StatusCode::FORBIDDEN, "send the header X-Myelin-Admin"));
        }
        match (&self.token, self.reached) {
            (None, Reached::Locally) => None,
            (None, Reached::Remotely) => {
                Some((StatusCode::FORBIDDEN, "this listener is reached from other machines: configure admin.token"))
            }
            (Some(token), _) => (!presents(headers, token)).then_some((StatusCode::UNAUTHORIZED, "the token is wrong")),
        }
    }
}

/// Takes the same time whatever the answer.
fn presents(headers: &HeaderMap, token: &Redacted<String>) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let presented = digest(&SHA256, value.strip_prefix("Bearer ").unwrap_or_default().as_bytes());
    let own = digest(&SHA256, token.expose().as_bytes());
    verify_slices_are_equal(presented.as_ref(), own.as_ref()).is_ok()
}

async fn connections(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({ "connections": desk.api.operator.connections() })).into_response()
}

async fn revoke(State(desk): State<Arc<Desk>>, wish: Result<Json<Revocation>, JsonRejection>) -> Response {
    let Ok(Json(Revocation { principal, server })) = wish else {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON: {\"principal\": …, \"server\": …}");
    };
    match desk.api.operator.revoke(principal, server).await {
        true => Json(json!({ "revoked": true })).into_response(),
        false => refuse(StatusCode::NOT_FOUND, "there is no such connection"),
    }
}

async fn servers(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({ "servers": desk.api.operator.servers() })).into_response()
}

async fn restart(State(desk): State<Arc<Desk>>, wish: Result<Json<RestartWish>, JsonRejection>) -> Response {
    let Ok(Json(RestartWish { server, now })) = wish else {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON: {\"server\": …}");
    };
    let how = if now { Restart::AtOnce } else { Restart::WhenCallsAreDone };
    match desk.api.operator.restart(&server, how).await {
        Ok(report) => Json(report).into_response(),
        Err(fault) => no_server(&server, fault),
    }
}

async fn logs(State(desk): State<Arc<Desk>>, wish: Result<Query<LogWish>, QueryRejection>) -> Response {
    let Ok(Query(LogWish { server, lines, follow })) = wish else {
        return refuse(StatusCode::BAD_REQUEST, "ask with ?server=…&lines=…&follow=true or false");
    };
    let Ok(place) = desk.readers.clone().try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many read logs already");
    };
    let until = if follow { Until::Gone } else { Until::Now };
    match desk.api.operator.log(&server) {
        Ok(log) => {
            let body = tail::body(log, lines, until, place, desk.drain.clone());
            ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
        }
        Err(fault) => no_server(&server, fault),
    }
}

fn no_server(server: &str, fault: NoServer) -> Response {
    let near = fault.near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    refuse(StatusCode::NOT_FOUND, &format!("there is no server `{server}`{near}"))
}

fn refuse(status: StatusCode, problem: &str) -> Response {
    (status, Json(json!({ "error": problem }))).into_response()
}
