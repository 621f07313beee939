//! The certificate that a server is shown, read anew when its files change.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use rcgen::CertifiedKey;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{ClientFault, Replicas, To},
    stage::{LIMIT, Upstream, post, settings, sized, soon},
};
use crate::{
    telemetry::metrics::METRICS,
    upstream::settings::{HttpSettings, IdentitySettings},
};

fn made() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn key(of: &CertifiedKey<rcgen::KeyPair>) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from(PrivatePkcs8KeyDer::from(of.signing_key.serialize_der()))
}

/// A server that only those may talk to who show one of these certificates, and that says which they showed.
struct Strict {
    upstream: Upstream,
    directory: TempDir,
}

impl Strict {
    async fn knowing(clients: &[&CertifiedKey<rcgen::KeyPair>]) -> Self {
        let own = made();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), own.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for client in clients {
            roots.add(client.cert.der().clone()).unwrap();
        }
        let known: Vec<_> = clients.iter().map(|client| client.cert.der().clone()).collect();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![own.cert.der().clone()], key(&own))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream = Upstream::play(move |stream, _| {
            let (acceptor, known) = (acceptor.clone(), known.clone());
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
                let number = known.iter().position(|certificate| *certificate == shown).unwrap();
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    stream.write_all(sized(&number.to_string()).as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        Self { upstream, directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn show(&self, client: &CertifiedKey<rcgen::KeyPair>) {
        fs::write(self.file("cert.pem"), client.cert.pem()).unwrap();
        fs::write(self.file("key.pem"), client.signing_key.serialize_pem()).unwrap();
    }

    fn replicas(&self) -> Result<Replicas, ClientFault> {
        let settings = HttpSettings {
            ca: Some(self.file("ca.pem")),
            identity: Some(IdentitySettings { cert: self.file("cert.pem"), key: self.file("key.pem") }),
            connect_timeout: Duration::from_secs(10),
            ..settings(&format!("https://localhost:{}/mcp", self.upstream.address.port()))
        };
        Replicas::new("strict".into(), &settings, LIMIT, METRICS.server("strict"))
    }
}

async fn shown(replicas: &Replicas) -> Option<String> {
    let answer = soon(replicas.send(post("{}"), To::ANY)).await.ok()?;
    Some(String::from_utf8(answer.body.collect(LIMIT).await.ok()?.to_vec()).unwrap())
}

#[tokio::test]
async fn new_files_are_shown_on_new_connections_and_broken_ones_change_nothing() {
    let (first, second) = (made(), made());
    let strict = Strict::knowing(&[&first, &second]).await;
    strict.show(&first);
    let replicas = strict.replicas().unwrap();
    for _ in 0..3 {
        assert_eq!(shown(&replicas).await.as_deref(), Some("0"));
        replicas.tidy();
    }
    assert_eq!(strict.upstream.accepted(), 1, "files that are the same leave connections alone");
    strict.show(&second);
    replicas.tidy();
    assert_eq!(shown(&replicas).await.as_deref(), Some("1"), "no connection of the old one is used again");
    fs::write(strict.file("key.pem"), "no key").unwrap();
    replicas.tidy();
    assert_eq!(shown(&replicas).await.as_deref(), Some("1"));
    fs::write(strict.file("key.pem"), first.signing_key.serialize_pem()).unwrap();
    replicas.tidy();
    assert_eq!(shown(&replicas).await.as_deref(), Some("1"), "a key of another certificate is no pair");
}

#[tokio::test]
async fn without_a_certificate_that_it_knows_a_server_answers_nothing() {
    let (known, stranger) = (made(), made());
    let strict = Strict::knowing(&[&known]).await;
    strict.show(&stranger);
    assert_eq!(shown(&strict.replicas().unwrap()).await, None);
}

#[tokio::test]
async fn files_that_hold_no_pair_make_no_client() {
    let strict = Strict::knowing(&[&made()]).await;
    assert!(matches!(strict.replicas(), Err(ClientFault::Identity(_))), "there is no file");
    strict.show(&made());
    fs::write(strict.file("key.pem"), made().signing_key.serialize_pem()).unwrap();
    assert!(matches!(strict.replicas(), Err(ClientFault::Mismatch(_))));
}
