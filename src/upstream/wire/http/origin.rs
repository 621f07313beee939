//! Where requests go: scheme, host and port of one upstream, and the forms in which HTTP writes them.

use std::net::IpAddr;

use http::{
    HeaderValue, Request, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::fault::ClientFault;
use crate::upstream::wire::dns;

/// RFC 9112, section 3.2: which form of the request target a connection wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Path and query, with a `Host` header: HTTP/1.1.
    Origin,
    /// Scheme and authority too, in place of `Host`: HTTP/2.
    Absolute,
}

#[derive(Clone, Debug)]
pub(super) struct Origin {
    scheme: Scheme,
    /// As the operator wrote it.
    authority: Authority,
    /// As it is sent: a service is asked for under the name of what it is a service of.
    sent: Authority,
    /// The host without the brackets of an IPv6 address.
    host: Box<str>,
    port: u16,
    /// The authority as a header.
    host_header: HeaderValue,
    path: PathAndQuery,
    /// The path as a request target.
    endpoint: Uri,
}

impl Origin {
    pub(super) fn parse(url: &Uri) -> Result<Self, ClientFault> {
        let scheme = url.scheme().filter(|scheme| default_port(scheme).is_some()).ok_or(ClientFault::Scheme)?.clone();
        let authority = url.authority().ok_or(ClientFault::Host)?.clone();
        if authority.as_str().contains('@') {
            return Err(ClientFault::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(ClientFault::Host);
        }
        let sent = match dns::domain(authority.host()) {
            own if own == authority.host() => authority.clone(),
            // The records say the port.
            domain => domain.parse().map_err(|_| ClientFault::Host)?,
        };
        let path = url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self {
            host: host.into(),
            port: authority.port_u16().or(default_port(&scheme)).ok_or(ClientFault::Scheme)?,
            host_header: HeaderValue::from_str(sent.as_str()).map_err(|_| ClientFault::Host)?,
            sent,
            endpoint: Uri::from(path.clone()),
            path,
            scheme,
            authority,
        })
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Who answers there: what certificates say, and what the server knows itself as.
    pub(super) fn name(&self) -> &str {
        dns::domain(&self.host)
    }

    /// Host and port as the operator wrote them.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is on this machine: an address of it, or the one name that needs no resolver (RFC 6761 section 6.3).
    pub(super) fn is_here(&self) -> bool {
        &*self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether scheme, host and port are those of another (RFC 6454 section 5).
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.scheme, self.port) == (&other.scheme, other.port) && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// The request target of the endpoint itself.
    pub(super) fn endpoint(&self) -> Uri {
        self.endpoint.clone()
    }

    /// The request target of another URI, if it lies on this origin.
    pub(super) fn target(&self, uri: Uri) -> Option<Uri> {
        if uri.authority().is_none() {
            return Some(uri);
        }
        let scheme = uri.scheme()?;
        let port = uri.port_u16().or(default_port(scheme));
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let is_same = *scheme == self.scheme && port == Some(self.port) && host.eq_ignore_ascii_case(self.name());
        is_same.then(|| uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from))
    }

    /// The request target that a reference found at the endpoint means (RFC 3986, section 5.2, without dot segments), if it lies on
    /// this origin.
    pub(super) fn resolve(&self, reference: &str) -> Option<Uri> {
        let directory = self.path.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        let resolved = if reference.starts_with("//") {
            format!("{}:{reference}", self.scheme)
        } else if reference.starts_with('/') || reference.contains("://") {
            reference.to_owned()
        } else if reference.starts_with('?') {
            format!("{}{reference}", self.path.path())
        } else {
            format!("{directory}/{reference}")
        };
        self.target(resolved.parse().ok()?)
    }

    /// Puts a request into the form its connection wants.
    pub(super) fn put_into<B>(&self, form: Form, request: &mut Request<B>) {
        match form {
            Form::Origin => {
                if request.uri().authority().is_some() {
                    let path = request.uri().path_and_query().cloned();
                    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
                }
                *request.version_mut() = Version::HTTP_11;
                request.headers_mut().insert(header::HOST, self.host_header.clone());
            }
            Form::Absolute => {
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(self.scheme.clone());
                parts.authority = Some(self.sent.clone());
                *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(header::HOST);
            }
        }
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::parse(&Uri::from_static("http://tools.example:8080/v1/sse?x=1")).unwrap()
    }

    #[test]
    fn resolves_references_on_the_same_origin_only() {
        let cases = [
            ("/messages?s=1", Some("/messages?s=1")),
            ("messages?s=1", Some("/v1/messages?s=1")),
            ("?s=1", Some("/v1/sse?s=1")),
            ("http://TOOLS.example:8080/m", Some("/m")),
            ("//tools.example:8080/m", Some("/m")),
            ("http://tools.example/m", None),
            ("https://tools.example:8080/m", None),
            ("http://evil.example:8080/m", None),
            ("//evil.example/m", None),
            ("/with space", None),
        ];
        for (reference, expected) in cases {
            let resolved = origin().resolve(reference).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn refuses_urls_that_name_no_http_host() {
        let cases = ["ftp://a/", "/path", "http://user:secret@a/"];
        for url in cases {
            assert!(Origin::parse(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert_eq!(Origin::parse(&Uri::from_static("https://[::1]/")).unwrap().host(), "::1");
    }

    #[test]
    fn a_service_is_asked_for_under_the_name_of_its_domain() {
        let origin = Origin::parse(&Uri::from_static("http://_mcp._tcp.tools.example/mcp")).unwrap();
        assert_eq!((origin.host(), origin.name()), ("_mcp._tcp.tools.example", "tools.example"));
        let mut request = Request::new(());
        origin.put_into(Form::Origin, &mut request);
        assert_eq!(request.headers()["host"], "tools.example");
    }

    #[test]
    fn a_request_can_change_its_form_and_back() {
        let mut request = Request::new(());
        *request.uri_mut() = origin().endpoint();
        origin().put_into(Form::Absolute, &mut request);
        assert_eq!(request.uri(), "http://tools.example:8080/v1/sse?x=1");
        origin().put_into(Form::Origin, &mut request);
        assert_eq!(
            (request.uri().to_string().as_str(), request.headers()["host"].as_bytes()),
            ("/v1/sse?x=1", &b"tools.example:8080"[..])
        );
    }
}
