//! What goes along with a request that its home cannot know: where the client is, and what certificate it showed.
//!
//! Clients may send headers of these names; they are taken out before a hop, and read after one only.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

const ADDRESS: HeaderName = HeaderName::from_static("myelin-client-address");
/// The chain in DER, the leaf first, each in base64, as in RFC 9440 but in one list.
const CHAIN: HeaderName = HeaderName::from_static("myelin-client-chain");

/// What is known of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it is, behind the proxies that are trusted.
    pub address: IpAddr,
    /// The certificates that it showed, the leaf first; none when it showed none.
    pub chain: Vec<Vec<u8>>,
}

/// Writes them into the headers of a request, in the place of what its client may have put there.
pub fn write(facts: &Facts, headers: &mut HeaderMap) {
    hide(headers);
    if let Ok(address) = HeaderValue::from_str(&facts.address.to_string()) {
        headers.insert(ADDRESS, address);
    }
    let chain: Vec<String> = facts.chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
    if let (false, Ok(chain)) = (chain.is_empty(), HeaderValue::from_str(&chain.join(","))) {
        headers.insert(CHAIN, chain);
    }
}

/// Reads them. `None` when the request does not come from a gateway of this version.
pub fn read(headers: &HeaderMap) -> Option<Facts> {
    let address = headers.get(ADDRESS)?.to_str().ok()?.parse().ok()?;
    let chain = match headers.get(CHAIN) {
        Some(chain) => {
            let certificates = chain.to_str().ok()?.split(',').map(|certificate| STANDARD.decode(certificate));
            certificates.collect::<Result<_, _>>().ok()?
        }
        None => Vec::new(),
    };
    Some(Facts { address, chain })
}

/// Takes them out.
pub fn hide(headers: &mut HeaderMap) {
    headers.remove(ADDRESS);
    headers.remove(CHAIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_a_client_wrote_is_not() {
        let facts = Facts { address: "2001:db8::7".parse().unwrap(), chain: vec![vec![0, 255, 7], vec![1]] };
        let mut headers = HeaderMap::new();
        headers.insert(ADDRESS, HeaderValue::from_static("10.0.0.1"));
        headers.append(CHAIN, HeaderValue::from_static("AAAA"));
        write(&facts, &mut headers);
        assert_eq!(read(&headers), Some(facts.clone()));
        headers.append(CHAIN, HeaderValue::from_static("AAAA"));
        write(&Facts { chain: Vec::new(), ..facts }, &mut headers);
        assert!(read(&headers).unwrap().chain.is_empty());
        hide(&mut headers);
        assert_eq!(read(&headers), None);
    }
}
