//! Client certificates: whom they name, and whom that stands for. TLS has verified them before they come here.
//!
//! Sources: RFC 5280 section 4.2.1.6 (alternative names), RFC 4514 (how a subject is written).

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use globset::GlobMatcher;
use serde_json::json;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use crate::mcp::{Identity, Principal, PrincipalKind};

use super::{
    claims::Claims,
    settings::{CertificateName, CertificateSettings},
};

/// Names of one certificate that are looked at, at the most.
const MAX_NAMES: usize = 64;

/// The certificate of a connection: read once, and looked up once under each configuration.
#[derive(Debug)]
pub struct Certificate {
    uris: Vec<String>,
    hosts: Vec<String>,
    subject: String,
    common_name: Option<String>,
    issuer: String,
    fingerprint: String,
    not_after: Duration,
    known: Mutex<Option<(u64, Option<Principal>)>>,
}

impl Certificate {
    /// Reads a certificate. `None` when it is none.
    pub fn read(der: &[u8]) -> Option<Arc<Self>> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (mut uris, mut hosts) = (Vec::new(), Vec::new());
        let names = certificate.subject_alternative_name().ok()?;
        for name in names.iter().flat_map(|names| &names.value.general_names).take(MAX_NAMES) {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(host) => hosts.push(host.to_ascii_lowercase()),
                _ => (),
            }
        }
        let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        Some(Arc::new(Self {
            uris,
            hosts,
            subject: distinguished(certificate.subject()),
            common_name: common_name.map(str::to_owned),
            issuer: distinguished(certificate.issuer()),
            fingerprint: hexadecimal(digest(&SHA256, der).as_ref()),
            not_after: Duration::from_secs(certificate.validity().not_after.timestamp().try_into().unwrap_or_default()),
            known: Mutex::default(),
        }))
    }

    /// When it ends, since 1970.
    pub(super) const fn not_after(&self) -> Duration {
        self.not_after
    }

    /// Whom it stands for by `rules`, which are those of `epoch`.
    pub(super) fn principal(&self, epoch: u64, rules: &[Rule]) -> Option<Principal> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, principal)) = &*known
            && *of == epoch
        {
            return principal.clone();
        }
        let found = rules.iter().find_map(|rule| Some((rule, rule.name_of(self)?)));
        let principal = found.map(|(rule, name)| self.bearer(rule, name));
        *known = Some((epoch, principal.clone()));
        principal
    }

    fn bearer(&self, rule: &Rule, name: &str) -> Principal {
        let mut claims = Claims::new();
        claims.insert("subject".to_owned(), json!(self.subject));
        claims.insert("sanUris".to_owned(), json!(self.uris));
        claims.insert("sanDns".to_owned(), json!(self.hosts));
        claims.insert("fingerprint".to_owned(), json!(self.fingerprint));
        let id = rule.settings.id.clone();
        let identity = Identity {
            // No key and no token stands for a principal of that form.
            id: id.unwrap_or_else(|| format!("x509|{name}")).into(),
            kind: PrincipalKind::Certificate,
            issuer: Some(self.issuer.as_str().into()),
            groups: rule.settings.groups.clone(),
            claims,
            ..Identity::default()
        };
        Principal::known(identity, Some(self.not_after))
    }
}

/// One rule.
pub(super) struct Rule {
    settings: CertificateSettings,
    matcher: Option<GlobMatcher>,
}

impl Rule {
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub(super) fn new(settings: &CertificateSettings) -> Result<Self, globset::Error> {
        // `*` ends at a slash: a pattern over SPIFFE names means one level of their path.
        let glob = |pattern: &str| globset::GlobBuilder::new(pattern).literal_separator(true).build();
        let matcher = settings.pattern.as_deref().map(glob).transpose()?.map(|glob| glob.compile_matcher());
        Ok(Self { settings: settings.clone(), matcher })
    }

    /// The name by which it knows a certificate.
    fn name_of<'a>(&self, certificate: &'a Certificate) -> Option<&'a str> {
        let fits = |name: &&str| self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(name));
        match self.settings.from {
            CertificateName::SanUri => certificate.uris.iter().map(String::as_str).find(fits),
            CertificateName::SanDns => certificate.hosts.iter().map(String::as_str).find(fits),
            CertificateName::Subject => Some(certificate.subject.as_str()).filter(fits),
            CertificateName::CommonName => certificate.common_name.as_deref().filter(fits),
        }
    }
}

/// A name as RFC 4514 writes it, the most special part first. What could be taken for the border of a part is escaped.
fn distinguished(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_attributes().collect();
    let mut text = String::new();
    for part in parts.iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        let oid = part.attr_type().to_id_string();
        text.push_str(short(&oid));
        text.push('=');
        match part.as_str() {
            Ok(value) => escape(value, &mut text),
            Err(_) => {
                text.push('#');
                text.push_str(&hexadecimal(part.as_slice()));
            }
        }
    }
    text
}

/// The names of RFC 4514 section 3.
fn short(oid: &str) -> &str {
    match oid {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        other => other,
    }
}

fn escape(value: &str, out: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let is_special = ",+\"\\<>;=".contains(character);
        let is_edge = (at == 0 && "# ".contains(character)) || (at == last && character == ' ');
        if is_special || is_edge {
            out.push('\\');
        }
        out.push(character);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made(subject: &[(DnType, &str)], names: Vec<SanType>) -> Arc<Certificate> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(certificate.der()).unwrap()
    }

    fn rule(from: CertificateName, pattern: &str) -> Rule {
        let (pattern, groups) = (Some(pattern.to_owned()), vec!["g".to_owned()]);
        Rule::new(&CertificateSettings { from, pattern, id: None, groups }).unwrap()
    }

    fn id(certificate: &Certificate, rules: &[Rule]) -> Option<String> {
        // Each look-up is under rules of its own.
        static EPOCH: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let epoch = EPOCH.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        certificate.principal(epoch, rules).map(|principal| principal.id().to_owned())
    }

    #[test]
    fn the_first_rule_that_fits_decides_by_the_name_it_is_about() {
        let uri = SanType::URI("spiffe://prod/ns/ci/sa/runner".try_into().unwrap());
        let host = SanType::DnsName("Agent-1.example".try_into().unwrap());
        let certificate = made(&[(DnType::OrganizationName, "Org"), (DnType::CommonName, "agent")], vec![uri, host]);
        let ways = [
            (CertificateName::SanUri, "spiffe://prod/ns/*/sa/runner", Some("x509|spiffe://prod/ns/ci/sa/runner")),
            (CertificateName::SanUri, "spiffe://prod/*", None),
            (CertificateName::SanDns, "agent-?.example", Some("x509|agent-1.example")),
            (CertificateName::Subject, "CN=agent,O=Org", Some("x509|CN=agent,O=Org")),
            (CertificateName::CommonName, "agent", Some("x509|agent")),
            (CertificateName::CommonName, "Agent", None),
        ];
        for (from, pattern, expected) in ways {
            assert_eq!(id(&certificate, &[rule(from, pattern)]).as_deref(), expected, "{pattern}");
        }
        let named = CertificateSettings { id: Some("ci".to_owned()), ..rule(CertificateName::SanUri, "*").settings };
        let rules = [
            rule(CertificateName::CommonName, "no"),
            Rule::new(&CertificateSettings { pattern: None, ..named }).unwrap(),
        ];
        assert_eq!(id(&certificate, &rules).as_deref(), Some("ci"));
    }

    #[test]
    fn no_value_of_a_subject_can_pass_for_another_part_of_it() {
        let certificate = made(&[(DnType::CommonName, "x,O=Org"), (DnType::OrganizationName, " a\\")], Vec::new());
        assert_eq!(certificate.subject, "O=\\ a\\\\,CN=x\\,O\\=Org");
        assert_eq!(id(&certificate, &[rule(CertificateName::Subject, "*,O=Org")]), None);
    }

    #[test]
    fn what_is_no_certificate_is_nobody() {
        assert!(Certificate::read(b"\x30\x03abc").is_none());
    }
}
