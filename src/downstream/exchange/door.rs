//! Where HTTP requests come in: the path, the guard, the method, the body; then each era's own way.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, request::Parts};
use hyper::body::Incoming;

use crate::{
    downstream::listener::Peer,
    era::classify::{Arrival, Limits, classify},
    mcp::Limit,
    telemetry::{label, metrics::METRICS},
};

use super::{
    account::{self, count_refusal},
    answer, batch,
    body::Body,
    core::Exchange,
    gate::Gate,
    http_sse,
    intake::{self, Accepts, Unreadable},
    legacy, modern,
    pages::Asked,
    paths::{Serves, Tokens},
    visitor::Visitor,
};

impl Exchange {
    /// Answers a request.
    ///
    /// # Cancel safety
    /// Dropped, it cancels a modern request; a legacy one whose stream began goes on for its client to come back.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Err(refusal) = self.gate.guard.check(&parts.headers, parts.uri.authority()) {
            let address = self.http.proxies.client(peer.address.ip(), &parts.headers);
            self.audit_refusal(&parts, address, refusal.status());
            return answer::refuse(refusal.status(), &refusal.to_string());
        }
        let cors = self.gate.guard.cors(&parts.headers);
        let mut response =
            if parts.method == Method::OPTIONS { self.preflight(&parts) } else { self.serve(parts, body, peer).await };
        if let Some(cors) = cors {
            response.headers_mut().extend(cors);
        }
        response
    }

    fn preflight(&self, parts: &Parts) -> Response<Body> {
        match self.gate.guard.preflight(&parts.headers) {
            Some(headers) => {
                let mut response = answer::empty(StatusCode::NO_CONTENT);
                response.headers_mut().extend(headers);
                response
            }
            None => answer::method_not_allowed("POST, GET, DELETE"),
        }
    }

    async fn serve(self: Arc<Self>, parts: Parts, body: Incoming, peer: Peer) -> Response<Body> {
        let Some(serves) = self.paths.find(parts.uri.path()) else {
            return match self.gate.metadata(&parts, &self.paths) {
                Some(metadata) => metadata,
                None => self.page(parts, body, peer).await,
            };
        };
        let address = self.http.proxies.client(peer.address.ip(), &parts.headers);
        // Whoever tries one token after the other is counted as well.
        if let Err(fault) = self.limits.arrive(address, serves.endpoint()).decided().await {
            account::count_fault(&fault);
            self.audit_refusal(&parts, address, StatusCode::TOO_MANY_REQUESTS);
            return answer::too_many(fault);
        }
        // Before a byte of the body is read: whoever is nobody costs nothing.
        let principal = match self.gate.admit(&parts, &peer, serves.endpoint()).await {
            Ok(principal) if self.paths.tokens(serves.endpoint()) == Tokens::Kept => Gate::bearing(principal, &parts),
            Ok(principal) => principal,
            Err(response) => {
                self.audit_refusal(&parts, address, response.status());
                return *response;
            }
        };
        let endpoint = serves.endpoint().clone();
        let visitor = Visitor { principal: principal.clone(), endpoint: endpoint.clone(), address };
        let mut response = self.clone().let_in(&parts, body, visitor, serves).await;
        self.gate.challenge(&mut response, &parts, &endpoint);
        response.body_mut().until(|| self.gate.ends(&parts, &peer, &endpoint, principal));
        response
    }

    async fn let_in(
        self: Arc<Self>,
        parts: &Parts,
        body: Incoming,
        visitor: Visitor,
        serves: Serves,
    ) -> Response<Body> {
        match (serves, &parts.method) {
            (Serves::Endpoint(_), &Method::POST) => self.post(parts, body, visitor).await,
            (Serves::Endpoint(_), &Method::GET) => match self.without_body(parts, visitor) {
                Ok(post) => legacy::open_stream(&post).await,
                Err(response) => response,
            },
            (Serves::Endpoint(_), &Method::DELETE) => match self.without_body(parts, visitor) {
                Ok(post) => legacy::delete(&post),
                Err(response) => response,
            },
            (Serves::Sse(_), &Method::GET) => http_sse::open(&self, visitor),
            (Serves::Messages(_), &Method::POST) => match self.read(body).await {
                Ok(content) => http_sse::message(&self, &visitor, parts, content).await,
                Err(response) => response,
            },
            (Serves::Endpoint(_), _) => answer::method_not_allowed("POST, GET, DELETE"),
            (Serves::Sse(_), _) => answer::method_not_allowed("GET"),
            (Serves::Messages(_), _) => answer::method_not_allowed("POST"),
        }
    }

    /// What is at a path that is no endpoint's.
    async fn page(&self, parts: Parts, body: Incoming, peer: Peer) -> Response<Body> {
        let none = || answer::refuse(StatusCode::NOT_FOUND, "There is no endpoint at this path");
        let Some(pages) = self.pages.as_ref().filter(|pages| pages.serves(parts.uri.path())) else { return none() };
        let Ok(_slot) = self.slots.try_acquire() else {
            count_refusal(&Limit::Requests);
            return answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "Too many requests in flight; try again");
        };
        let body = match self.read(body).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        let Parts { method, uri, headers, .. } = parts;
        pages.answer(Asked { method, uri, headers, body, client: peer.client }).await.map(Body::full)
    }

    async fn read(&self, body: Incoming) -> Result<bytes::Bytes, Response<Body>> {
        intake::read(body, &self.http).await.map_err(|fault| {
            if fault == Unreadable::TooLarge {
                METRICS.refused.of(label::Limit::Body).inc();
            }
            answer::refuse(fault.status(), fault.sentence())
        })
    }

    /// GET and DELETE exist only in the legacy era (2026-07-28 streamable-http, Earlier Streamable HTTP Revisions).
    #[expect(clippy::result_large_err, reason = "the refusal is the response itself, made once and moved once")]
    fn without_body<'a>(
        self: &'a Arc<Self>,
        parts: &'a Parts,
        visitor: Visitor,
    ) -> Result<legacy::Post<'a>, Response<Body>> {
        let version = parts.headers.get("mcp-protocol-version").and_then(|version| version.to_str().ok());
        match version {
            Some(version) if crate::era::Revision::claims_modern(version) => {
                return Err(answer::method_not_allowed("POST"));
            }
            Some(version) if !legacy::is_served(version) => {
                let sentence = "MCP-Protocol-Version names no revision that is served";
                return Err(answer::refuse(StatusCode::BAD_REQUEST, sentence));
            }
            _ => (),
        }
        let accepts = Accepts::read(&parts.headers);
        Ok(legacy::Post { exchange: self, headers: &parts.headers, visitor, accepts, bytes_in: 0 })
    }

    async fn post(self: Arc<Self>, parts: &Parts, body: Incoming, visitor: Visitor) -> Response<Body> {
        let Ok(_slot) = self.slots.try_acquire() else {
            count_refusal(&Limit::Requests);
            return answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "Too many requests in flight; try again");
        };
        let accepts = Accepts::read(&parts.headers);
        if !accepts.json && !accepts.stream {
            return answer::refuse(
                StatusCode::NOT_ACCEPTABLE,
                "Accept must list application/json and text/event-stream",
            );
        }
        if !intake::is_json(&parts.headers) {
            return answer::refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Content-Type must be application/json, uncompressed",
            );
        }
        let content = match self.read(body).await {
            Ok(content) => content,
            Err(response) => return response,
        };
        let bytes_in = content.len();
        let limits = Limits { depth: self.http.max_depth, batch: self.http.max_batch };
        let post = |visitor| legacy::Post { exchange: &self, headers: &parts.headers, visitor, accepts, bytes_in };
        match classify(&parts.headers, content, limits) {
            Ok(Arrival::Modern(request)) => modern::answer(&self, *request, visitor, accepts, bytes_in).await,
            Ok(Arrival::ModernNotification) => answer::empty(StatusCode::ACCEPTED),
            Ok(Arrival::Legacy(message)) => legacy::answer(post(visitor), message).await,
            Ok(Arrival::LegacyBatch(elements)) => batch::answer(post(visitor), elements).await,
            Err(refusal) => answer::refusal(refusal),
        }
    }
}
