//! Which page is where.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, header};

use crate::{
    downstream::exchange::{Answered, Asked, Pages},
    seal::Purpose,
    upstream::credential::CLIENT_DOCUMENT,
};

use super::{
    consent::{CALLBACK, INVITED},
    core::Site,
    form::Fields,
    sign_in::SIGNED_IN,
};

/// Where the public keys are (RFC 7517 section 5 leaves it open).
const KEYS: &str = "/.well-known/jwks.json";
/// Where those look who know the issuer only.
const METADATA: &str = "/.well-known/openid-configuration";

/// What is at a path.
enum At<'a> {
    Document(Bytes),
    Invited(&'a str),
    Back(&'a str),
    SignedIn(&'a str),
}

impl Site {
    fn at<'a>(&self, path: &'a str) -> Option<At<'a>> {
        match path {
            KEYS => self.wallet.keys().map(At::Document),
            METADATA => self.wallet.metadata(KEYS).map(At::Document),
            CLIENT_DOCUMENT => {
                let upstreams = self.gateway.upstreams();
                let mut servers = upstreams.iter().filter(|upstream| upstream.oauth().is_some()).peekable();
                servers.peek()?;
                let names = servers.map(|upstream| &**upstream.name());
                Some(At::Document(self.wallet.client_document(names)))
            }
            path => path
                .strip_prefix(INVITED)
                .map(At::Invited)
                .or_else(|| path.strip_prefix(CALLBACK).map(At::Back))
                .or_else(|| path.strip_prefix(SIGNED_IN).map(At::SignedIn))
                .filter(|_| self.gateway.upstreams().iter().any(|upstream| upstream.oauth().is_some())),
        }
    }
}

impl Pages for Site {
    fn serves(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    fn elsewhere(&self, uri: &Uri) -> Option<String> {
        match self.at(uri.path())? {
            At::Document(_) => None,
            At::Invited(id) => self.ring.elsewhere(Purpose::Page, id),
            At::Back(_) | At::SignedIn(_) => {
                let state = Fields::read(uri.query().unwrap_or_default()).text("state")?;
                self.ring.elsewhere(Purpose::Page, &state)
            }
        }
    }

    fn answer(&self, asked: Asked) -> Answered<'_> {
        Box::pin(async move {
            match self.at(asked.uri.path()) {
                Some(At::Document(document)) if asked.method == Method::GET => json(document),
                Some(At::Document(_)) => plain(StatusCode::METHOD_NOT_ALLOWED),
                Some(At::Invited(id)) => self.invited(&asked, id).await,
                Some(At::Back(server)) => self.back(&asked, server).await,
                Some(At::SignedIn(issuer)) => self.signed_in(&asked, issuer).await,
                None => plain(StatusCode::NOT_FOUND),
            }
        })
    }
}

fn json(document: Bytes) -> Response<Bytes> {
    let mut response = Response::new(document);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

fn plain(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
