//! TLS of a listener: one certificate whose files may change while connections are open.
//!
//! New connections get the certificate that was loaded last; open ones go on with theirs. A pair of files that does not load or
//! does not fit together never replaces one that works. Clients are asked for a certificate where authorities for them are named; those
//! files are read anew as well, and a connection whose certificate no longer holds is nobody's from then on.
//!
//! Sources: RFC 8446 section 4.3.2 (certificate requests); RFC 5280 section 5 (revocation lists).

use std::{
    fmt,
    fs::File,
    io,
    io::Read,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem, pem::PemObject},
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use zeroize::Zeroizing;

use super::settings::{ClientAuth, ClientTlsSettings, TlsSettings};
use crate::{auth::Certificate, clock};

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
    /// The file with the authorities of clients.
    #[error("cannot read the authorities of clients' certificates")]
    ClientCa(#[source] PemError),
    /// The file with revoked certificates.
    #[error("cannot read the revocation lists of clients' certificates")]
    Crl(#[source] PemError),
    /// One of the authorities of clients is no certificate that can issue any.
    #[error("an authority of clients' certificates is not usable")]
    Authority(#[source] rustls::Error),
    /// The authorities of clients and the revocation lists do not fit together.
    #[error("clients' certificates cannot be verified with these files")]
    Clients(#[source] VerifierBuilderError),
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
    /// It holds nothing of what it should.
    #[error("the file holds no certificate or list")]
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
    /// Any [`TlsError`].
    pub fn load(settings: &TlsSettings) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(default_provider());
        let served = Pem::read(settings)?.served(settings, &provider, 0)?;
        Ok(Arc::new(Self { settings: settings.clone(), provider, served: ArcSwap::from_pointee(served) }))
    }

    /// Looks at the files again and serves them when their content changed. Reads a few small files: for a thread that may block.
    ///
    /// # Errors
    /// As [`TlsFiles::load`]; what was served goes on being served.
    pub fn reload_if_changed(&self) -> Result<Reload, TlsError> {
        let pem = Pem::read(&self.settings)?;
        let served = self.served.load();
        if pem.fingerprint() == served.fingerprint {
            return Ok(Reload::Unchanged);
        }
        let generation = served.generation + 1;
        self.served.store(Arc::new(pem.served(&self.settings, &self.provider, generation)?));
        Ok(Reload::Replaced)
    }

    /// What a new connection is opened with, over HTTP/2 or HTTP/1.1.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.served.load().config.clone()
    }

    /// The client at the other end of a connection whose handshake is done, if it has a certificate.
    pub fn client(self: &Arc<Self>, connection: &ServerConnection) -> Option<Arc<TlsClient>> {
        let chain: Vec<_> = connection.peer_certificates()?.iter().cloned().map(CertificateDer::into_owned).collect();
        let certificate = Certificate::read(chain.first()?)?;
        // Its handshake may have begun with what was served before: it is judged again when it first matters.
        Some(Arc::new(TlsClient { certificate, chain, files: self.clone(), judged: Mutex::new(None) }))
    }
}

impl TlsFiles {
    /// A client that showed these certificates to another gateway, the leaf first.
    pub fn known(self: &Arc<Self>, chain: &[Vec<u8>]) -> Option<Arc<TlsClient>> {
        let chain: Vec<_> = chain.iter().cloned().map(CertificateDer::from).collect();
        let certificate = Certificate::read(chain.first()?)?;
        Some(Arc::new(TlsClient { certificate, chain, files: self.clone(), judged: Mutex::new(None) }))
    }
}

/// A client with a certificate.
pub struct TlsClient {
    certificate: Arc<Certificate>,
    chain: Vec<CertificateDer<'static>>,
    files: Arc<TlsFiles>,
    /// What came of the last look at it, and under which files.
    judged: Mutex<Option<(u64, Standing)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    Bad,
}

impl TlsClient {
    /// The certificates that it showed in DER, the leaf first.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|certificate| certificate.to_vec()).collect()
    }

    /// Its certificate, as long as the files of now vouch for it.
    pub fn certificate(&self) -> Option<&Certificate> {
        let served = self.files.served.load();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = match *judged {
            Some((generation, standing)) if generation == served.generation => standing,
            _ => served.judge(&self.chain),
        };
        *judged = Some((served.generation, standing));
        (standing == Standing::Good).then_some(&*self.certificate)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What new connections get. Replaced whole, so that no session is resumed that was opened under other files.
struct Served {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    fingerprint: Fingerprint,
    generation: u64,
}

impl Served {
    fn judge(&self, chain: &[CertificateDer<'_>]) -> Standing {
        let (Some(verifier), Some((leaf, others))) = (&self.clients, chain.split_first()) else { return Standing::Bad };
        let now = UnixTime::since_unix_epoch(clock::unix_time());
        verifier.verify_client_cert(leaf, others, now).map_or(Standing::Bad, |_| Standing::Good)
    }
}

/// SHA-256 of all files, so that no second copy of the key stays in memory.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// The content of the files.
struct Pem {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    clients: Option<ClientPem>,
}

struct ClientPem {
    ca: Vec<u8>,
    crl: Option<Vec<u8>>,
}

impl Pem {
    fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let chain = read_limited(&settings.cert).map_err(TlsError::Chain)?;
        let key = read_limited(&settings.key).map_err(TlsError::Key)?;
        let clients = settings.clients.as_ref().map(ClientPem::read).transpose()?;
        Ok(Self { chain, key: Zeroizing::new(key), clients })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        let clients = self.clients.as_ref();
        let ca = clients.map(|clients| clients.ca.as_slice());
        let crl = clients.and_then(|clients| clients.crl.as_deref());
        for file in [Some(self.chain.as_slice()), Some(self.key.as_slice()), ca, crl].into_iter().flatten() {
            // The length keeps the border between two files.
            context.update(&file.len().to_be_bytes());
            context.update(file);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    fn served(
        &self,
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
        generation: u64,
    ) -> Result<Served, TlsError> {
        let chain = certificates(&self.chain).map_err(TlsError::Chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Key(error.into()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Mismatch)?;
        let clients = match (&self.clients, &settings.clients) {
            (Some(pem), Some(settings)) => Some(pem.verifier(settings, provider)?),
            _ => None,
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Served { config: Arc::new(config), clients, fingerprint: self.fingerprint(), generation })
    }
}

impl ClientPem {
    fn read(settings: &ClientTlsSettings) -> Result<Self, TlsError> {
        let ca = read_limited(&settings.ca).map_err(TlsError::ClientCa)?;
        let crl = settings.crl.as_deref().map(read_limited).transpose().map_err(TlsError::Crl)?;
        Ok(Self { ca, crl })
    }

    /// With lists, the certificate of a client must be covered by one: an authority whose list is missing is not believed.
    fn verifier(
        &self,
        settings: &ClientTlsSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.ca).map_err(TlsError::ClientCa)? {
            roots.add(authority).map_err(TlsError::Authority)?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        if let Some(crl) = &self.crl {
            let lists = CertificateRevocationListDer::pem_slice_iter(crl).collect::<Result<Vec<_>, _>>();
            let lists = lists.map_err(|error| TlsError::Crl(error.into()))?;
            if lists.is_empty() {
                return Err(TlsError::Crl(PemError::Empty));
            }
            builder = builder.with_crls(lists).only_check_end_entity_revocation();
        }
        if settings.auth == ClientAuth::Optional {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map_err(TlsError::Clients)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() { Err(PemError::Empty) } else { Ok(chain) }
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
            let file = |name| self.dir.path().join(name);
            TlsSettings { cert: file("tls.crt"), key: file("tls.key"), clients: None }
        }
    }

    fn renew(dir: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(dir.join("tls.crt"), made.cert.pem()).unwrap();
        fs::write(dir.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn served(files: &TlsFiles) -> Fingerprint {
        files.served.load().fingerprint
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
        let (old, opened) = (served(&files), files.server_config());
        made.renew();
        assert_eq!(files.reload_if_changed().unwrap(), Reload::Replaced);
        assert_ne!(served(&files), old);
        assert!(!Arc::ptr_eq(&files.server_config(), &opened), "no session of the old one is resumed");
    }

    #[test]
    fn a_key_of_another_certificate_keeps_the_old_pair() {
        let made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        let old = served(&files);
        fs::copy(Files::new().settings().cert, made.settings().cert).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Mismatch(_))));
        assert_eq!(served(&files), old);
    }

    #[test]
    fn a_missing_an_empty_and_a_huge_file_keep_the_old_pair() {
        let made = Files::new();
        let files = TlsFiles::load(&made.settings()).unwrap();
        let old = served(&files);
        let cert = made.settings().cert;
        fs::write(&cert, "").unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::Empty))));
        fs::write(&cert, vec![b'-'; (1 << 20) + 1]).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::TooLarge))));
        fs::remove_file(&cert).unwrap();
        assert!(matches!(files.reload_if_changed(), Err(TlsError::Chain(PemError::Io(_)))));
        assert_eq!(served(&files), old);
    }

    #[test]
    fn prints_nothing_of_the_key() {
        let made = Files::new();
        let printed = format!("{:?}", TlsFiles::load(&made.settings()).unwrap());
        assert!(!printed.contains("PRIVATE") && printed.ends_with(".. }"), "{printed}");
    }
}
