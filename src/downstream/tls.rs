//! TLS of a listener: one certificate whose files may change while connections are open.
//!
//! New connections get the certificate that was loaded last; open ones go on with theirs. A pair of files that does not load or
//! does not fit together never replaces one that works. Client certificates are not asked for.

use std::{fmt, fs::File, io, io::Read, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::settings::TlsSettings;

/// A PEM file is read up to this size: a chain of a dozen certificates has some 20 kB.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Why a certificate is not served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the certificate chain.
    #[error("cannot read the certificate chain")]
    Chain(#[source] PemError),
    /// The file with the private key.
    #[error("cannot read the private key")]
    Key(#[source] PemError),
    /// The key is of no known kind, or not that of the certificate.
    #[error("the private key does not fit the certificate")]
    Mismatch(#[source] rustls::Error),
    /// The library refused the configuration.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Why a PEM file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is larger than a megabyte.
    #[error("the file is larger than 1 MiB")]
    TooLarge,
    /// It holds something else.
    #[error(transparent)]
    Malformed(#[from] pem::Error),
    /// It holds no certificate.
    #[error("the file holds no certificate")]
    Empty,
}

/// Whether a look at the files changed what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The files are those that were loaded last.
    Unchanged,
    /// New connections get the new certificate.
    Replaced,
}

/// A listener's certificate and the files it comes from.
pub struct TlsFiles {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    served: ArcSwap<Served>,
}

impl TlsFiles {
    /// Loads certificate and key.
    ///
    /// # Errors
    /// Any [`TlsError`] but [`TlsError::Setup`].
    pub fn load(settings: &TlsSettings) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(default_provider());
        let served = PemPair::read(settings)?.served(&provider)?;
        Ok(Arc::new(Self { settings: settings.clone(), provider, served: ArcSwap::from_pointee(served) }))
    }

    /// Looks at the files again and serves them when their content changed. Reads two small files: for a thread that may block.
    ///
    /// # Errors
    /// As [`TlsFiles::load`]; what was served goes on being served.
    pub fn reload_if_changed(&self) -> Result<Reload, TlsError> {
        let pair = PemPair::read(&self.settings)?;
        if pair.fingerprint() == self.served.load().fingerprint {
            return Ok(Reload::Unchanged);
        }
        self.served.store(Arc::new(pair.served(&self.provider)?));
        Ok(Reload::Replaced)
    }

    /// The configuration for a listener that speaks HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// [`TlsError::Setup`]
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for TlsFiles {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.served.load().key.clone())
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What new connections get.
struct Served {
    key: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
}

/// SHA-256 of both files, so that no second copy of the key stays in memory.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// The content of both files.
struct PemPair {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl PemPair {
    fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let chain = read_limited(&settings.cert).map_err(TlsError::Chain)?;
        let key = read_limited(&settings.key).map_err(TlsError::Key)?;
        Ok(Self { chain, key: Zeroizing::new(key) })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        // The length keeps the border between the two files.
        context.update(&self.chain.len().to_be_bytes());
        context.update(&self.chain);
        context.update(&self.key);
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    fn served(&self, provider: &CryptoProvider) -> Result<Served, TlsError> {
        let chain = self.certificates().map_err(TlsError::Chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Key(error.into()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Mismatch)?;
        Ok(Served { key: Arc::new(key), fingerprint: self.fingerprint() })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let chain = CertificateDer::pem_slice_iter(&self.chain).collect::<Result<Vec<_>, _>>()?;
        if chain.is_empty() { Err(PemError::Empty) } else { Ok(chain) }
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, PemError> {
    let mut content = Vec::new();
    let read = File::open(path)?.take(MAX_PEM_BYTES + 1).read_to_end(&mut content)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_PEM_BYTES) { Ok(content) } else { Err(PemError::TooLarge) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;

    /// Certificate files in a directory of their own, and the certificate in them now.
    pub(crate) struct Files {
        pub(crate) dir: tempfile::TempDir,
        pub(crate) certificate: CertificateDer<'static>,
    }

    impl Files {
        pub(crate) fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let certificate = renew(dir.path());
            Self { dir, certificate }
        }

        pub(crate) fn renew(&mut self) {
            self.certificate = renew(self.dir.path());
        }

        pub(crate) fn settings(&self) -> TlsSettings {
            TlsSettings { cert: self.dir.path().join("tls.crt"), key: self.dir.path().join("tls.key") }
        }
    }

    fn renew(dir: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(dir.join("tls.crt"), made.cert.pem()).unwrap();
        fs::write(dir.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn served(files: &TlsFiles) -> CertificateDer<'static> {
        files.served.load().key.cert[0].clone()
    }

    #[test]
    fn files_rewritten_with_the_same_content_count_as_unchanged() {
        let made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        let content = fs::read(&made.settings().cert).unwrap();
        fs::write(&made.settings().cert, content).unwrap();
        assert_eq!(files.reload_if_changed().unwrap(), Reload::Unchanged);
    }

    #[test]
    fn a_new_pair_replaces_the_old_one() {
        let mut made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        made.renew();
        assert_eq!(files.reload_if_changed().unwrap(), Reload::Replaced);
        assert_eq!(served(&files), made.certificate);
    }

    #[test]
    fn a_key_of_another_certificate_keeps_the_old_pair() {
        let made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        fs::copy(Files::new().settings().cert, made.settings().cert).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Mismatch(_))));
        assert_eq!(served(&files), made.certificate);
    }

    #[test]
    fn a_missing_an_empty_and_a_huge_file_keep_the_old_pair() {
        let made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        let cert = made.settings().cert;
        fs::write(&cert, "").unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::Empty))));
        fs::write(&cert, vec![b'-'; (1 << 20) + 1]).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::TooLarge))));
        fs::remove_file(&cert).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::Io(_)))));
        assert_eq!(served(&files), made.certificate);
    }

    #[test]
    fn prints_nothing_of_the_key() {
        let made = Files::new();
        let printed = format!("{:?}", TlsFiles::load(&made.settings()).unwrap());
        assert!(!printed.contains("PRIVATE") && printed.ends_with(".. }"), "{printed}");
    }
}
