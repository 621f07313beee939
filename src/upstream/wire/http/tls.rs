//! Whom to trust: the machine's authorities, or the one the operator named.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use super::fault::ClientFault;

/// ALPN names in order of preference (RFC 7301; RFC 9113, section 3.2).
const ALPN: [&[u8]; 2] = [ALPN_HTTP2, b"http/1.1"];
pub(super) const ALPN_HTTP2: &[u8] = b"h2";

pub(super) fn connector(ca: Option<&Path>) -> Result<TlsConnector, ClientFault> {
    let roots = match ca {
        Some(file) => named_authority(file)?,
        None => machine_authorities(),
    };
    if roots.is_empty() {
        return Err(ClientFault::NoAuthorities);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn named_authority(file: &Path) -> Result<RootCertStore, ClientFault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(ClientFault::Authority)? {
        roots.add(certificate.map_err(ClientFault::Authority)?)?;
    }
    Ok(roots)
}

/// Certificates of the machine's store that cannot be read are left out, as every client does.
fn machine_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
