//! How two gateways prove to each other that they have a key in common: TLS 1.3 with raw public keys (RFC 7250) that follow from the keys of
//! the deployment. There are no certificates, so that none can expire or be issued to somebody else.
//!
//! A gateway shows the key pair of its first key and takes that of any: keys rotate without a hop that fails, if the new one is added last
//! everywhere before it is put first (docs/replicas.md).

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider,
        aws_lc_rs::{default_provider, sign::any_eddsa_type},
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use zeroize::Zeroizing;

use crate::seal::{KeyRing, Seed};

/// What comes before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7).
const PRIVATE: &[u8] = &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What comes before those of a public key (RFC 8410 section 4).
const PUBLIC: &[u8] = &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// HTTP/2, in which one connection carries all requests between two gateways.
const ALPN: &[u8] = b"h2";

/// The keys make no proof.
#[derive(Debug, thiserror::Error)]
#[error("the sealing keys cannot be proved to other gateways")]
pub struct ProofFault(#[source] Error);

/// What both sides of a hop are set up with.
#[derive(Clone, Debug)]
pub struct Proof {
    /// For whoever is connected to.
    pub server: Arc<ServerConfig>,
    /// For whoever connects.
    pub client: Arc<ClientConfig>,
}

impl Proof {
    /// The proof of having one of these keys.
    ///
    /// # Errors
    /// [`ProofFault`]: the ring is empty, or the library takes no key of this kind.
    pub fn new(ring: &KeyRing) -> Result<Self, ProofFault> {
        Self::of(ring).map_err(ProofFault)
    }

    fn of(ring: &KeyRing) -> Result<Self, Error> {
        let provider = Arc::new(default_provider());
        let known = ring.seeds().map(public).collect::<Result<Vec<_>, _>>()?;
        let own = ring.seeds().next().zip(known.first()).ok_or(Error::General("no key".to_owned()))?;
        let own = Arc::new(certified(own.0, own.1)?);
        let verifier = Arc::new(Verifier { known, provider: provider.clone() });
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own.clone())));
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
        // Connections last; what is resumed would be proved by what was proved before.
        client.resumption = Resumption::disabled();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![ALPN.to_vec()];
        client.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

fn public(seed: &Seed) -> Result<Vec<u8>, Error> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..]);
    let pair = pair.map_err(|_| Error::General("not a seed".to_owned()))?;
    Ok([PUBLIC, pair.public_key().as_ref()].concat())
}

fn certified(seed: &Seed, public: &[u8]) -> Result<CertifiedKey, Error> {
    let private = Zeroizing::new([PRIVATE, &seed[..]].concat());
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(&private[..]))?;
    Ok(CertifiedKey::new(vec![CertificateDer::from(public.to_vec())], key))
}

/// Takes whoever proves one of the known keys.
struct Verifier {
    known: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    fn is_known(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        let is_known = self.known.iter().any(|known| known[..] == key[..]);
        is_known.then_some(()).ok_or(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(&key[..]);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.provider.signature_verification_algorithms)
    }
}

/// Raw keys exist in TLS 1.3 only, as they are used here.
const fn too_old() -> Error {
    Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired)
}

/// What both sides verify alike: two traits want it by the same names.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _key: &CertificateDer<'_>,
            _signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(too_old())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verify(message, key, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.is_known(key).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.is_known(key).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::duplex;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn proof(keys: &[&str]) -> Proof {
        Proof::new(&KeyRing::new(keys.iter().copied()).unwrap()).unwrap()
    }

    /// What a connection from one to the other comes to, on both sides.
    async fn connect(client: Arc<ClientConfig>, server: &Proof) -> (io::Result<()>, io::Result<()>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (near, far) = duplex(64 << 10);
        let connector = TlsConnector::from(client);
        let name = ServerName::try_from("gateway").unwrap();
        // A client learns of its refusal with the first bytes after its handshake.
        let dial = async {
            let mut stream = connector.connect(name, near).await?;
            stream.read_u8().await.map(|_| ())
        };
        let acceptor = TlsAcceptor::from(server.server.clone());
        let take = async {
            let mut stream = acceptor.accept(far).await?;
            stream.write_u8(1).await?;
            stream.shutdown().await
        };
        tokio::join!(dial, take)
    }

    #[tokio::test]
    async fn those_with_a_key_in_common_connect_whichever_is_first() {
        for (one, other) in [(["a"].as_slice(), ["a"].as_slice()), (&["a"], &["a", "b"]), (&["a", "b"], &["b", "a"])] {
            let (dialed, taken) = connect(proof(one).client, &proof(other)).await;
            assert!(dialed.is_ok() && taken.is_ok(), "{one:?} to {other:?}: {dialed:?} {taken:?}");
        }
    }

    #[tokio::test]
    async fn those_with_other_keys_are_refused_by_both_sides() {
        let (dialed, taken) = connect(proof(&["a"]).client, &proof(&["b"])).await;
        assert!(dialed.is_err() && taken.is_err());
        let (dialed, _) = connect(proof(&["a", "b"]).client, &proof(&["b"])).await;
        assert!(dialed.is_err(), "it shows a key that the other does not know");
    }

    #[tokio::test]
    async fn whoever_shows_no_key_is_refused() {
        let mut nobody = ClientConfig::clone(&proof(&["a"]).client);
        nobody.client_auth_cert_resolver = Arc::new(Nothing);
        let (dialed, taken) = connect(Arc::new(nobody), &proof(&["a"])).await;
        assert!(dialed.is_err() && taken.is_err());
    }

    #[derive(Debug)]
    struct Nothing;

    impl rustls::client::ResolvesClientCert for Nothing {
        fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }

        fn only_raw_public_keys(&self) -> bool {
            true
        }

        fn has_certs(&self) -> bool {
            false
        }
    }
}
