//! Whom to trust and whom to be: the machine's authorities or the one the operator named, and the certificate that servers are shown.
//!
//! Files are looked at again while the gateway runs: what changed holds for new connections, and those at rest are not used again.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::fault::ClientFault;
use crate::upstream::settings::{HttpSettings, IdentitySettings};

/// ALPN names in order of preference (RFC 7301; RFC 9113, section 3.2).
const ALPN: [&[u8]; 2] = [ALPN_HTTP2, b"http/1.1"];
pub(super) const ALPN_HTTP2: &[u8] = b"h2";

/// A PEM file is read up to this size: a chain of a dozen certificates has some 20 kB.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Whether a look at the files changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    Unchanged,
    Replaced,
}

/// This side of TLS, shared by all replicas of a server.
pub(super) struct Tls {
    ca: Option<PathBuf>,
    identity: Option<IdentitySettings>,
    current: ArcSwap<Current>,
}

struct Current {
    connector: TlsConnector,
    fingerprint: Fingerprint,
}

/// SHA-256 of all files, so that no second copy of the key stays in memory.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

impl Tls {
    /// Reads the files, and the machine's authorities where none is named.
    pub(super) fn load(settings: &HttpSettings) -> Result<Arc<Self>, ClientFault> {
        let (ca, identity) = (settings.ca.clone(), settings.identity.clone());
        let current = Files::read(ca.as_deref(), identity.as_ref())?.current()?;
        Ok(Arc::new(Self { ca, identity, current: ArcSwap::from_pointee(current) }))
    }

    pub(super) fn connector(&self) -> TlsConnector {
        self.current.load().connector.clone()
    }

    /// Looks at the files again. Reads a few small files: for a thread that may block.
    ///
    /// # Errors
    /// As at the start; what was in force stays.
    pub(super) fn reload_if_changed(&self) -> Result<Reload, ClientFault> {
        if self.ca.is_none() && self.identity.is_none() {
            return Ok(Reload::Unchanged);
        }
        let files = Files::read(self.ca.as_deref(), self.identity.as_ref())?;
        if files.fingerprint() == self.current.load().fingerprint {
            return Ok(Reload::Unchanged);
        }
        // Made anew, so that no session is resumed that was opened as somebody else.
        self.current.store(Arc::new(files.current()?));
        Ok(Reload::Replaced)
    }
}

/// The content of the files.
struct Files {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Files {
    fn read(ca: Option<&Path>, identity: Option<&IdentitySettings>) -> Result<Self, ClientFault> {
        let pair = |files: &IdentitySettings| {
            let chain = read_limited(&files.cert).map_err(ClientFault::Identity)?;
            let key = read_limited(&files.key).map_err(ClientFault::Identity)?;
            Ok::<_, ClientFault>((chain, Zeroizing::new(key)))
        };
        let ca = ca.map(read_limited).transpose().map_err(ClientFault::Authority)?;
        Ok(Self { ca, identity: identity.map(pair).transpose()? })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        let pair = self.identity.as_ref();
        let files = [self.ca.as_deref(), pair.map(|(chain, _)| chain.as_slice()), pair.map(|(_, key)| key.as_slice())];
        for file in files.into_iter().flatten() {
            // The length keeps the border between two files.
            context.update(&file.len().to_be_bytes());
            context.update(file);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    fn current(&self) -> Result<Current, ClientFault> {
        let roots = match &self.ca {
            Some(pem) => named_authority(pem)?,
            None => machine_authorities(),
        };
        if roots.is_empty() {
            return Err(ClientFault::NoAuthorities);
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
                let chain = chain.map_err(ClientFault::Identity)?;
                if chain.is_empty() {
                    return Err(ClientFault::Identity(pem::Error::NoItemsFound));
                }
                let key = PrivateKeyDer::from_pem_slice(key).map_err(ClientFault::Identity)?;
                builder.with_client_auth_cert(chain, key).map_err(ClientFault::Mismatch)?
            }
        };
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Current { connector: TlsConnector::from(Arc::new(config)), fingerprint: self.fingerprint() })
    }
}

fn named_authority(pem: &[u8]) -> Result<RootCertStore, ClientFault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
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

fn read_limited(path: &Path) -> Result<Vec<u8>, pem::Error> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut content));
    match read.map_err(pem::Error::Io)? {
        read if u64::try_from(read).is_ok_and(|read| read <= MAX_PEM_BYTES) => Ok(content),
        _ => Err(pem::Error::Io(std::io::ErrorKind::FileTooLarge.into())),
    }
}
