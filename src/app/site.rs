//! What the gateway serves beside its endpoints: the keys that it signs with, and where they are.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::{
    downstream::exchange::{Answered, Asked, Pages},
    upstream::credential::Wallet,
};

/// Where the public keys are (RFC 7517 section 5 leaves it open).
const KEYS: &str = "/.well-known/jwks.json";
/// Where those look who know the issuer only.
const METADATA: &str = "/.well-known/openid-configuration";

/// The pages.
pub(super) struct Site {
    wallet: Arc<Wallet>,
}

impl Site {
    pub(super) const fn new(wallet: Arc<Wallet>) -> Self {
        Self { wallet }
    }

    fn document(&self, path: &str) -> Option<Bytes> {
        match path {
            KEYS => self.wallet.keys(),
            METADATA => self.wallet.metadata(KEYS),
            _ => None,
        }
    }
}

impl Pages for Site {
    fn serves(&self, path: &str) -> bool {
        self.document(path).is_some()
    }

    fn answer(&self, asked: Asked) -> Answered<'_> {
        Box::pin(async move {
            match self.document(asked.uri.path()) {
                Some(document) if asked.method == Method::GET => json(document),
                Some(_) => plain(StatusCode::METHOD_NOT_ALLOWED),
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
