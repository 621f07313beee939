//! The router and its listener.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceExt;

use super::{
    api::{self, Api},
    readiness::{Phase, Status},
};
use crate::{
    downstream::{
        drain::Drain,
        guard::Guard,
        listener::{Bound, Served},
        proxies::ProxySettings,
        settings::HttpSettings,
    },
    telemetry::METRICS,
};

/// The media type of [`crate::telemetry::metrics::Metrics::encode`]: OpenMetrics 1.0, §Protocol Negotiation.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the operator until the drain. It should be another drain than that of the clients' listener, and start later: a gateway
/// that finishes its calls must still be able to say so.
///
/// # Cancel safety
/// Dropping it closes the socket and cuts every connection off.
pub async fn serve(bound: Bound, status: Arc<dyn Status>, api: Api, drain: Drain) -> Served {
    let http = limits();
    let guard = Arc::new(Guard::new(&http, bound.address()));
    let router = router(status).merge(api::routes(api, drain.clone()));
    let service = move |request: Request<hyper::body::Incoming>, _peer| answer(guard.clone(), router.clone(), request);
    crate::downstream::listener::serve(bound, Arc::new(http), service, drain).await
}

async fn answer(guard: Arc<Guard>, router: Router, request: Request<hyper::body::Incoming>) -> Response {
    match guard.check(request.headers(), request.uri().authority()) {
        // A router's error is `Infallible`.
        Ok(()) => router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
        Err(refusal) => (refusal.status(), refusal.to_string()).into_response(),
    }
}

/// Some probes, some scrapers and a person need no more.
fn limits() -> HttpSettings {
    HttpSettings {
        max_body_bytes: 0,
        max_header_bytes: 16 << 10,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(90),
        body_timeout: Duration::from_secs(10),
        max_connections: 64,
        max_requests: 64,
        keep_alive: Duration::from_secs(15),
        write_timeout: Duration::from_secs(60),
        max_depth: 0,
        max_batch: 0,
        allowed_origins: Vec::new(),
        allowed_hosts: Vec::new(),
        max_streams: 0,
        proxies: ProxySettings::default(),
    }
}

fn router(status: Arc<dyn Status>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(status)
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(status): State<Arc<dyn Status>>) -> Response {
    let readiness = status.ready();
    let code = if readiness.phase == Phase::Serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

async fn metrics() -> Response {
    ([(CONTENT_TYPE, OPENMETRICS)], METRICS.encode()).into_response()
}
