//! What lies beside the endpoints and is none of MCP: a few documents and pages that somebody else makes.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};

use crate::downstream::tls::TlsClient;

/// Makes pages.
pub trait Pages: Send + Sync {
    /// Whether there is something at a path.
    fn serves(&self, path: &str) -> bool;

    /// The home of what a page is about, where it is another gateway.
    fn elsewhere(&self, uri: &Uri) -> Option<String>;

    /// What is there. The request passed the guard of hosts and origins, and nobody was asked for a token.
    fn answer(&self, asked: Asked) -> Answered<'_>;
}

/// A page on its way.
pub type Answered<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

/// A request for a page.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The content, within the listener's limits.
    pub body: Bytes,
    /// Who is at the other end of the connection, where TLS knows.
    pub client: Option<Arc<TlsClient>>,
}
