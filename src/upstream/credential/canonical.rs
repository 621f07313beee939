//! The canonical address of a server: what tokens for it are bound to.
//!
//! Sources: RFC 8707 section 2; MCP 2026-07-28 basic/authorization (Canonical Server URI).

use http::Uri;

/// Scheme and host in lower case, no usual port, no fragment, no slash at the end; path and query as they are.
pub fn canonical(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https").to_ascii_lowercase();
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let usual = if scheme == "http" { 80 } else { 443 };
    let port = url.port_u16().filter(|port| *port != usual).map_or_else(String::new, |port| format!(":{port}"));
    let path = url.path().trim_end_matches('/');
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("{scheme}://{host}{port}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mean_the_same_are_written_alike() {
        for (url, expected) in [
            ("HTTPS://Tools.Example/mcp/", "https://tools.example/mcp"),
            ("https://tools.example:443", "https://tools.example"),
            ("https://tools.example:8443/a/B?x=1", "https://tools.example:8443/a/B?x=1"),
            ("http://[::1]:80/mcp", "http://[::1]/mcp"),
        ] {
            assert_eq!(canonical(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
