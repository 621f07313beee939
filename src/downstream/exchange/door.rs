//! Where HTTP requests come in: the path, the guard, the method, the body; then each era's own way.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use hyper::body::Incoming;

use crate::{
    downstream::listener::Peer,
    era::classify::{Arrival, Limits, classify},
    mcp::{Fault, Limit},
    telemetry::{label, metrics::METRICS},
};

use super::{
    account::{self, count_refusal},
    answer, batch,
    body::Body,
    core::Exchange,
    gate::Gate,
    hops::Awaited,
    http_sse,
    intake::{self, Accepts, Unreadable},
    legacy, modern,
    pages::Asked,
    paths::{Serves, Tokens},
    visitor::{Visitor, Way, facts},
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
            return answer::named(answer::refuse(refusal.status(), &refusal.to_string()));
        }
        let cors = self.gate.guard.cors(&parts.headers);
        let mut response = if parts.method == Method::OPTIONS {
            self.preflight(&parts)
        } else {
            self.serve(parts, body, peer, Way::Direct).await
        };
        if let Some(cors) = cors {
            response.headers_mut().extend(cors);
        }
        answer::named(response)
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

    /// Answers a request that passed the guard.
    pub(super) async fn serve(self: Arc<Self>, parts: Parts, body: Incoming, peer: Peer, way: Way) -> Response<Body> {
        let Some(serves) = self.paths.find(parts.uri.path()) else {
            return match self.gate.metadata(&parts, &self.paths) {
                Some(metadata) => metadata,
                None => self.page(parts, body, peer, way).await,
            };
        };
        let address = self.address(&parts, &peer, way);
        if let Err(fault) = self.arrive(address, serves.endpoint(), way).await {
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
        let client = peer.client.clone();
        let visitor = Visitor { principal: principal.clone(), endpoint: endpoint.clone(), address, client, way };
        let mut response = self.clone().let_in(&parts, body, visitor, serves).await;
        self.gate.challenge(&mut response, &parts, &endpoint);
        response.body_mut().until(|| self.gate.ends(&parts, &peer, &endpoint, principal));
        answer::reuse(parts.headers, &mut response);
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
            (Serves::Endpoint(_), &Method::GET | &Method::DELETE) => self.bodiless(parts, visitor).await,
            (Serves::Sse(_), &Method::GET) => http_sse::open(&self, visitor),
            (Serves::Messages(_), &Method::POST) => match self.read(body).await {
                Ok(content) => self.message(parts, content, visitor).await,
                Err(response) => response,
            },
            (Serves::Endpoint(_), _) => answer::method_not_allowed("POST, GET, DELETE"),
            (Serves::Sse(_), _) => answer::method_not_allowed("GET"),
            (Serves::Messages(_), _) => answer::method_not_allowed("POST"),
        }
    }

    /// Where a request came from: behind the proxies that are trusted, or as another gateway says.
    fn address(&self, parts: &Parts, peer: &Peer, way: Way) -> IpAddr {
        match way {
            Way::Direct => self.http.proxies.client(peer.address.ip(), &parts.headers),
            Way::Hop => peer.address.ip(),
        }
    }

    /// Whoever tries one token after the other is counted as well; whoever was sent on was counted where they came in.
    async fn arrive(&self, address: IpAddr, endpoint: &str, way: Way) -> Result<(), Fault> {
        match way {
            Way::Direct => self.limits.arrive(address, endpoint).decided().await.map(drop),
            Way::Hop => Ok(()),
        }
    }

    /// A session's stream, or its end.
    async fn bodiless(self: Arc<Self>, parts: &Parts, visitor: Visitor) -> Response<Body> {
        let is_read = parts.method == Method::GET;
        let awaited = if is_read { Awaited::Reader } else { Awaited::Nothing };
        if let Some(to) = self.stream_elsewhere(&parts.headers, visitor.way, awaited)
            && let Ok(response) = to.forward(parts, Bytes::new(), &visitor.facts()).await
        {
            return response;
        }
        match self.without_body(parts, visitor) {
            Ok(post) if is_read => legacy::open_stream(&post).await,
            Ok(post) => legacy::delete(&post),
            Err(response) => response,
        }
    }

    /// A message that belongs to a stream of the HTTP+SSE transport.
    async fn message(self: Arc<Self>, parts: &Parts, content: Bytes, visitor: Visitor) -> Response<Body> {
        if let Some(to) = http_sse::stream_of(parts).and_then(|id| self.message_elsewhere(id, visitor.way))
            && let Ok(response) = to.forward(parts, content.clone(), &visitor.facts()).await
        {
            return response;
        }
        http_sse::message(&self, &visitor, parts, content).await
    }

    /// What is at a path that is no endpoint's.
    async fn page(&self, parts: Parts, body: Incoming, peer: Peer, way: Way) -> Response<Body> {
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
        if let Some(to) = self.page_elsewhere(&parts.uri, way) {
            let facts = facts(self.address(&parts, &peer, way), peer.client.as_deref());
            if let Ok(response) = to.forward(&parts, body.clone(), &facts).await {
                return response;
            }
        }
        let Parts { method, uri, headers, .. } = parts;
        pages.answer(Asked { method, uri, headers, body, client: peer.client }).await.map(Body::full)
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Response<Body>> {
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
        let as_it_came = self.hops.as_ref().map(|_| content.clone());
        let limits = Limits { depth: self.http.max_depth, batch: self.http.max_batch };
        let post = |visitor| legacy::Post { exchange: &self, headers: &parts.headers, visitor, accepts, bytes_in };
        let arrival = match classify(&parts.headers, content, limits) {
            Ok(arrival) => arrival,
            Err(refusal) => return answer::refusal(refusal),
        };
        if let Some(content) = as_it_came
            && let Some(to) = self.elsewhere(&parts.headers, &arrival, visitor.way)
            && let Ok(response) = to.forward(parts, content, &visitor.facts()).await
        {
            return response;
        }
        match arrival {
            Arrival::Modern(request) => modern::answer(&self, *request, visitor, accepts, bytes_in).await,
            Arrival::ModernNotification => answer::empty(StatusCode::ACCEPTED),
            Arrival::Legacy(message) => legacy::answer(post(visitor), message).await,
            Arrival::LegacyBatch(elements) => batch::answer(post(visitor), elements).await,
        }
    }
}
