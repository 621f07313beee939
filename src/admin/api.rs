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
    extract::{DefaultBodyLimit, Request, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::operator::Operator;
use crate::redact::Redacted;

/// A change names a principal and a server.
const MAX_BODY_BYTES: usize = 16 << 10;
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

pub(super) fn routes(api: Api) -> Router {
    let api = Arc::new(api);
    Router::new()
        .route("/api/connections", get(connections))
        .route("/api/connections/revoke", post(revoke))
        // Of these routes alone: what is nowhere is not found, whoever asks.
        .route_layer(middleware::from_fn_with_state(api.clone(), guard))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(api)
}

async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match api.refusal(request.headers()) {
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

async fn connections(State(api): State<Arc<Api>>) -> Response {
    Json(json!({ "connections": api.operator.connections() })).into_response()
}

async fn revoke(State(api): State<Arc<Api>>, wish: Result<Json<Revocation>, JsonRejection>) -> Response {
    let Ok(Json(Revocation { principal, server })) = wish else {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON: {\"principal\": …, \"server\": …}");
    };
    match api.operator.revoke(principal, server).await {
        true => Json(json!({ "revoked": true })).into_response(),
        false => refuse(StatusCode::NOT_FOUND, "there is no such connection"),
    }
}

fn refuse(status: StatusCode, problem: &'static str) -> Response {
    (status, Json(json!({ "error": problem }))).into_response()
}
