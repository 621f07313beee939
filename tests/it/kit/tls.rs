//! Connections over TLS, and clients with certificates of an authority that the tests play.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Gateway, soon};

/// An authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// What a client shows.
pub(crate) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate with that serial number for a workload, perhaps one that ended long ago.
    pub(crate) fn issue(&self, serial: u64, workload: &str, ends: i32) -> Shown {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(ends, 1, 1);
        params.subject_alt_names = vec![SanType::URI(format!("spiffe://prod/{workload}").try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Shown { chain: vec![certificate.der().clone()], key }
    }

    /// Its list of what is revoked.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// The files of a gateway, and the certificate of its own.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    trusted: CertificateDer<'static>,
}

impl Files {
    pub(crate) fn new(ca: &Ca) -> Self {
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
        fs::write(folder.path().join("crl.pem"), ca.revoke(&[])).unwrap();
        Self { folder, trusted: made.cert.der().clone() }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn tls(&self, auth: &str) -> Value {
        json!({
            "cert": self.path("cert.pem"), "key": self.path("key.pem"),
            "clientCa": self.path("ca.pem"), "clientAuth": auth, "crl": self.path("crl.pem"),
        })
    }

    /// Replaced whole: the gateway never sees half of it.
    pub(crate) fn replace(&self, name: &str, content: &str) {
        replace(&self.path("next"), &self.path(name), content);
    }
}

pub(crate) fn replace(next: &Path, path: &Path, content: &str) {
    fs::write(next, content).unwrap();
    fs::rename(next, path).unwrap();
}

/// A connection with that certificate, if any.
pub(crate) async fn connect(
    gateway: &Gateway,
    files: &Files,
    shown: Option<&Shown>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(files.trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match shown {
        Some(shown) => builder.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(&gateway.address).await?;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

/// The head and the body of the answer to a request, or that the connection was refused: with TLS 1.3 only what follows shows it.
pub(crate) async fn send(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> std::io::Result<String> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = soon("an answer", stream.read(&mut piece)).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let wanted = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            (body.len() >= length.parse::<usize>().unwrap()).then_some(())
        });
        if wanted.is_some() {
            return Ok(text);
        }
    }
}
