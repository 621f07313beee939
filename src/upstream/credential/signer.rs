//! JWTs that the gateway signs: who it is at a token endpoint, and who calls a server.
//!
//! Sources: RFC 7515 (form), RFC 7518 section 3.4 (ES256), RFC 8037 (Ed25519), RFC 7638 (the key's name).

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::redact::Redacted;

use super::fault::CredentialFault;

/// A private key and what it is called.
pub(super) struct Signer {
    key: Key,
    /// What it is called where it is published.
    name: String,
}

enum Key {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl Signer {
    /// Reads a PEM key. Without a `name` it is called by its thumbprint where it is published.
    pub(super) fn read(pem: &Redacted<String>, name: Option<&str>) -> Result<Self, CredentialFault> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| CredentialFault::Key)?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(key) => rsa::KeyPair::from_der(key.secret_pkcs1_der()).map(Key::Rsa),
            PrivateKeyDer::Sec1(key) => ec(key.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                let ed = |_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map(Key::Ed);
                ec(key).or_else(ed).or_else(|_| rsa::KeyPair::from_pkcs8(key).map(Key::Rsa))
            }
            _ => return Err(CredentialFault::Key),
        };
        Ok(Self::new(key.map_err(|_| CredentialFault::Key)?, name))
    }

    /// Makes a P-256 key that nobody else has.
    pub(super) fn make() -> Result<Self, CredentialFault> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| CredentialFault::Random)?;
        Ok(Self::new(Key::Ec(key), None))
    }

    fn new(key: Key, name: Option<&str>) -> Self {
        let name = name.map_or_else(|| key.thumbprint(), str::to_owned);
        Self { key, name }
    }

    /// What the key is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The public half as a JWK.
    pub(super) fn public(&self) -> Value {
        let mut jwk = self.key.public_members();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), self.name().into());
            members.insert("alg".to_owned(), self.key.algorithm().into());
            members.insert("use".to_owned(), "sig".into());
        }
        jwk
    }

    /// Signs claims.
    pub(super) fn sign(&self, kind: &str, claims: &Value) -> Result<Redacted<String>, CredentialFault> {
        let header = json!({ "alg": self.key.algorithm(), "typ": kind, "kid": self.name() });
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", text(&header), text(claims));
        let signature = self.key.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Redacted::new(token))
    }
}

impl Key {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// RFC 7638: the digest of the public key's required members in their order.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.public_members().to_string().as_bytes()))
    }

    /// In lexicographic order, as the thumbprint wants them.
    fn public_members(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(key) => {
                // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
                let point = key.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) })
            }
            Self::Ed(key) => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(key.public_key().as_ref()) }),
            Self::Rsa(key) => {
                let public = key.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({ "e": text(e), "kty": "RSA", "n": text(n) })
            }
        }
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, CredentialFault> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Self::Ed(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| CredentialFault::Key)
    }
}

/// Whether a text is a key that can sign.
pub fn is_signing_key(pem: &Redacted<String>) -> bool {
    Signer::read(pem, None).is_ok()
}

fn ec(der: &[u8]) -> Result<Key, aws_lc_rs::error::KeyRejected> {
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Key::Ec)
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("name", &self.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    use super::*;

    /// Somebody else's code reads what is published and verifies what is signed.
    fn holds(signer: &Signer, algorithm: Algorithm) {
        let token = signer.sign("JWT", &json!({ "sub": "u1", "exp": u32::MAX, "aud": "a" })).unwrap();
        let key = DecodingKey::from_jwk(&serde_json::from_value(signer.public()).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["a"]);
        let decoded = decode::<Value>(token.expose(), &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "u1");
        assert_eq!(decoded.header.kid, Some(signer.name().to_owned()));
    }

    #[test]
    fn what_it_signs_holds_under_what_it_publishes() {
        holds(&Signer::make().unwrap(), Algorithm::ES256);
        for (kind, algorithm) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256), (&rcgen::PKCS_ED25519, Algorithm::EdDSA)]
        {
            let pem = rcgen::KeyPair::generate_for(kind).unwrap().serialize_pem();
            holds(&Signer::read(&Redacted::new(pem), None).unwrap(), algorithm);
        }
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map(|key| key.serialize_pem()).unwrap();
        holds(&Signer::read(&Redacted::new(pem), Some("mine")).unwrap(), Algorithm::RS256);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(Signer::read(&Redacted::from(text), None).is_err(), "{text}");
        }
    }
}
