//! Client certificates: of an authority that the tests play.

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

use super::ALICE;
use crate::kit::{Era, Gateway, MODERN, Modern, Upstream, Wire, config, request, soon};

/// An authority.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a client shows.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate with that serial number for a workload, perhaps one that ended long ago.
    fn issue(&self, serial: u64, workload: &str, ends: i32) -> Shown {
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
    fn revoke(&self, serials: &[u64]) -> String {
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
struct Files {
    folder: TempDir,
    trusted: CertificateDer<'static>,
}

impl Files {
    fn new(ca: &Ca) -> Self {
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
        fs::write(folder.path().join("crl.pem"), ca.revoke(&[])).unwrap();
        Self { folder, trusted: made.cert.der().clone() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self, auth: &str) -> Value {
        json!({
            "cert": self.path("cert.pem"), "key": self.path("key.pem"),
            "clientCa": self.path("ca.pem"), "clientAuth": auth, "crl": self.path("crl.pem"),
        })
    }

    /// Replaced whole: the gateway never sees half of it.
    fn replace(&self, name: &str, content: &str) {
        replace(&self.path("next"), &self.path(name), content);
    }
}

fn replace(next: &Path, path: &Path, content: &str) {
    fs::write(next, content).unwrap();
    fs::rename(next, path).unwrap();
}

async fn over(files: &Files, auth: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["tls"] = files.tls(auth);
    settings["auth"] = json!({
        "certificates": [{ "from": "san-uri", "match": "spiffe://prod/agents/*", "groups": ["agents"] }],
        "apiKeys": [{ "id": "alice", "token": ALICE }],
    });
    (upstream, Gateway::start(settings).await)
}

async fn connect(gateway: &Gateway, files: &Files, shown: Option<&Shown>) -> std::io::Result<TlsStream<TcpStream>> {
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

/// The head and the body of the answer to `tools/list`, or that the connection was refused: with TLS 1.3 only what follows shows it.
async fn ask(stream: &mut TlsStream<TcpStream>, gateway: &Gateway, token: Option<&str>) -> std::io::Result<String> {
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    stream.write_all(&request("POST", "/mcp", &headers, body.as_bytes())).await?;
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

/// What becomes of a client that shows this.
async fn fate(gateway: &Gateway, files: &Files, shown: Option<&Shown>, token: Option<&str>) -> Result<u16, ()> {
    let mut stream = connect(gateway, files, shown).await.map_err(|_| ())?;
    let answer = ask(&mut stream, gateway, token).await.map_err(|_| ())?;
    Ok(answer.split(' ').nth(1).unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_certificate_lets_in_whom_the_rules_know_and_a_token_decides_where_there_is_one() {
    let (ca, other) = (Ca::new("clients"), Ca::new("others"));
    let files = Files::new(&ca);
    fs::write(files.path("crl.pem"), ca.revoke(&[7])).unwrap();
    let (_upstream, gateway) = over(&files, "optional").await;
    let agent = ca.issue(1, "agents/one", 2099);
    assert_eq!(fate(&gateway, &files, Some(&agent), None).await, Ok(200), "{}", gateway.log());
    assert_eq!(fate(&gateway, &files, Some(&agent), Some(ALICE)).await, Ok(200));
    assert_eq!(fate(&gateway, &files, Some(&agent), Some("tok-nobody-0123456789")).await, Ok(401), "the token decides");
    let stranger = ca.issue(2, "humans/one", 2099);
    assert_eq!(fate(&gateway, &files, Some(&stranger), None).await, Ok(401), "no rule knows it");
    assert_eq!(fate(&gateway, &files, Some(&stranger), Some(ALICE)).await, Ok(200));
    assert_eq!(fate(&gateway, &files, None, None).await, Ok(401));
    assert_eq!(fate(&gateway, &files, None, Some(ALICE)).await, Ok(200));
    let bad = [
        ("of another authority", other.issue(1, "agents/one", 2099)),
        ("expired", ca.issue(3, "agents/one", 2021)),
        ("revoked", ca.issue(7, "agents/one", 2099)),
    ];
    for (what, shown) in &bad {
        assert_eq!(fate(&gateway, &files, Some(shown), Some(ALICE)).await, Err(()), "{what}");
    }
    assert!(gateway.log().contains("x509|spiffe://prod/agents/one"), "the log names the principal");
}

#[tokio::test]
async fn where_one_is_required_there_is_no_connection_without() {
    let ca = Ca::new("clients");
    let files = Files::new(&ca);
    let (_upstream, gateway) = over(&files, "required").await;
    assert_eq!(fate(&gateway, &files, None, Some(ALICE)).await, Err(()));
    assert_eq!(fate(&gateway, &files, Some(&ca.issue(1, "agents/one", 2099)), None).await, Ok(200));
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_nobody_s_on_open_connections_as_well() {
    let ca = Ca::new("clients");
    let files = Files::new(&ca);
    let (_upstream, gateway) = over(&files, "optional").await;
    let agent = ca.issue(7, "agents/one", 2099);
    let mut open = connect(&gateway, &files, Some(&agent)).await.unwrap();
    assert!(ask(&mut open, &gateway, None).await.unwrap().starts_with("HTTP/1.1 200"));
    files.replace("crl.pem", &ca.revoke(&[7]));
    let refused = async {
        while fate(&gateway, &files, Some(&agent), None).await == Ok(200) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon("the list is read", refused).await;
    let answer = ask(&mut open, &gateway, None).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // Another authority takes the place of the first.
    let next = Ca::new("next");
    files.replace("ca.pem", &next.pem);
    files.replace("crl.pem", &next.revoke(&[]));
    let known = async {
        while fate(&gateway, &files, Some(&next.issue(1, "agents/two", 2099)), None).await != Ok(200) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon("the authority is read", known).await;
}
