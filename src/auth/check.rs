//! The check of a request: at once where everything is at hand, else after somebody was asked.
//!
//! A token decides where there is one; a client certificate otherwise; nobody in particular comes in last, where that is allowed.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::{
    clock,
    mcp::{Principal, PrincipalKind},
};

use super::{
    admitted::Admitted,
    bearer::{self, Malformed},
    cache::{self, Cache, Digest},
    certificate::{Certificate, Rule},
    claims::{self, Claims, Found},
    fetch::Fetch,
    introspect::Introspector,
    issuer::{Issuer, Key, NoKey, Source},
    jwt::{self, Invalid, Unverified},
    key::{self, KeyFault},
    keys::Keys,
    kubernetes::{self, Cluster},
    login::Login,
    lookup::Lookups,
    metadata,
    refused::{Refused, refuse},
    seat::{Credentials, Seat},
    settings::{Anonymous, AuthSettings, EndpointRules, IssuerSettings, Way},
};

/// How long a token that was looked up elsewhere holds without another look: it may be revoked at any time.
const LOOKED_UP_TTL: Duration = Duration::from_secs(60);
/// How long a token that nobody knows is not looked up again: it may be valid a moment later, and is often presented again at once.
const UNKNOWN_TTL: Duration = Duration::from_secs(5);

/// Who may come in.
pub struct Auth {
    settings: AuthSettings,
    keys: Keys,
    issuers: Vec<Arc<Trusted>>,
    introspection: Vec<Introspector>,
    cluster: Option<Cluster>,
    certificates: Vec<Rule>,
    known: Cache<Principal>,
    unknown: Cache<Refused>,
    lookups: Lookups,
    anonymous: Principal,
    everywhere: EndpointRules,
    /// Tells these rules from all others of this process.
    epoch: u64,
}

struct Trusted {
    settings: IssuerSettings,
    issuer: Arc<Issuer>,
    login: Option<Arc<Login>>,
}

/// Why settings make no authentication.
#[derive(Debug, thiserror::Error)]
pub enum AuthFault {
    /// The machine has no randomness.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// A pattern is no glob; the configuration refuses it before.
    #[error(transparent)]
    Pattern(#[from] globset::Error),
}

/// What a request presents.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Its bearer token.
    pub token: Option<&'a str>,
    /// The certificate of its connection.
    pub certificate: Option<&'a Certificate>,
    /// The endpoint that it goes to.
    pub endpoint: &'a str,
    /// The address of that endpoint as clients name it.
    pub resource: &'a str,
}

/// What a check came to.
pub enum Checked {
    /// It is known.
    Now(Result<Admitted, Refused>),
    /// Somebody else is asked first.
    Later(Pin<Box<dyn Future<Output = Result<Admitted, Refused>> + Send>>),
}

/// A token that is not known yet.
struct Asked {
    token: String,
    claims: Option<Claims>,
    digest: Digest,
    endpoint: String,
    resource: String,
}

/// Who signs a token.
enum Signer {
    Issuer(Arc<Trusted>),
    Cluster,
}

/// Who is asked about a token.
#[derive(Clone, Copy)]
enum Lookup {
    Review,
    Introspection,
}

impl Auth {
    /// A check by these settings. Nobody is reached yet.
    ///
    /// # Errors
    /// [`AuthFault`].
    pub fn new(settings: AuthSettings, fetch: &Arc<dyn Fetch>) -> Result<Self, AuthFault> {
        static EPOCH: AtomicU64 = AtomicU64::new(0);
        let skew = settings.clock_skew;
        let trusted = |settings: &IssuerSettings| {
            let source = Source::Issuer { name: settings.issuer.clone(), keys_url: settings.keys_url.clone() };
            let issuer = Issuer::new(source, settings.keys_ttl, fetch.clone());
            let login = settings.login.clone();
            let login = login.map(|login| Login::new(login, &settings.issuer, issuer.clone(), fetch.clone(), skew));
            Arc::new(Trusted { settings: settings.clone(), issuer, login: login.map(Arc::new) })
        };
        let cluster = |settings| Cluster::new(settings, fetch.clone());
        let introspector = |settings| Introspector::new(settings, fetch.clone());
        Ok(Self {
            keys: Keys::new(&settings.keys)?,
            issuers: settings.issuers.iter().map(trusted).collect(),
            introspection: settings.introspection.iter().cloned().map(introspector).collect(),
            cluster: settings.kubernetes.clone().map(cluster).transpose()?,
            certificates: settings.certificates.iter().map(Rule::new).collect::<Result<_, _>>()?,
            known: Cache::new(settings.max_remembered, settings.remember_for),
            unknown: Cache::new(settings.max_remembered, UNKNOWN_TTL.min(settings.remember_for)),
            lookups: Lookups::new(settings.max_lookups),
            anonymous: Principal::anonymous(),
            everywhere: EndpointRules::default(),
            epoch: EPOCH.fetch_add(1, Ordering::Relaxed),
            settings,
        })
    }

    /// The token of a request, if there is one.
    ///
    /// # Errors
    /// [`Malformed`]: its credentials could be read in two ways.
    pub fn token<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Option<&'a str>, Malformed> {
        bearer::token(headers, query)
    }

    /// Whose request it is, if the one before it on the same connection showed the same.
    pub fn recall(&self, seat: &Seat, shown: Credentials<'_>) -> Option<Principal> {
        seat.find(self.epoch, shown, clock::now())
    }

    /// Remembers who a request was for the next one on the same connection.
    pub fn remember_seat(&self, seat: &Seat, shown: Credentials<'_>, admitted: &Admitted) {
        seat.keep(self.epoch, shown, admitted);
    }

    /// Whose request it is.
    pub fn check(self: &Arc<Self>, presented: Presented<'_>) -> Checked {
        let Some(token) = presented.token else { return Checked::Now(self.check_without_token(presented)) };
        let digest = cache::digest(token, presented.resource);
        let now = clock::now();
        if let Some(known) = self.known.find(&digest, now) {
            return Checked::Now(Ok(known.into()));
        }
        if let Some(refused) = self.unknown.find(&digest, now) {
            return Checked::Now(Err(refused.what));
        }
        self.find_out(Asked {
            claims: jwt::peek(token),
            token: token.to_owned(),
            digest,
            endpoint: presented.endpoint.to_owned(),
            resource: presented.resource.to_owned(),
        })
    }

    fn check_without_token(&self, presented: Presented<'_>) -> Result<Admitted, Refused> {
        let rules = self.rules(presented.endpoint);
        if let Some(certificate) = presented.certificate
            && rules.admits(&Way::Certificates)
            && certificate.not_after() > clock::unix_time()
            && let Some(principal) = certificate.principal(self.epoch, &self.certificates)
        {
            let left = certificate.not_after().saturating_sub(clock::unix_time());
            return Ok(Admitted { principal, until: clock::now().checked_add(left) });
        }
        let is_open = match &rules.ways {
            Some(_) => rules.admits(&Way::Anonymous),
            None => self.settings.anonymous == Anonymous::Admitted || !self.settings.asks_somebody(),
        };
        if is_open { Ok(Admitted { principal: self.anonymous.clone(), until: None }) } else { Err(Refused::NoToken) }
    }

    /// Whoever comes, where nobody is asked for a token: then none is looked at.
    pub fn anybody(&self) -> Option<&Principal> {
        (!self.settings.asks_somebody() && self.settings.endpoints.is_empty()).then_some(&self.anonymous)
    }

    /// Where the users of an issuer sign in at the gateway's pages, if they do.
    pub fn login(&self, issuer: &str) -> Option<Arc<Login>> {
        self.issuers.iter().find(|trusted| trusted.settings.issuer == issuer)?.login.clone()
    }

    fn rules(&self, endpoint: &str) -> &EndpointRules {
        self.settings.endpoints.get(endpoint).unwrap_or(&self.everywhere)
    }

    /// The first way that knows the token decides; those that cost a request come last.
    fn find_out(self: &Arc<Self>, asked: Asked) -> Checked {
        let rules = self.rules(&asked.endpoint);
        let claim = |name| asked.claims.as_ref().and_then(|claims| claims::text(claims, name));
        let (issuer, subject) = (claim("iss").map(str::to_owned), claim("sub").unwrap_or_default());
        let trusted = self.issuers.iter().find(|trusted| issuer.as_ref() == Some(&trusted.settings.issuer));
        if let Some(trusted) = trusted.filter(|trusted| rules.admits(&Way::Issuer(trusted.settings.issuer.clone()))) {
            return self.check_signed(asked, Signer::Issuer(trusted.clone()), &trusted.issuer);
        }
        if let Some(cluster) = &self.cluster
            && kubernetes::is_service_account(subject)
            && rules.admits(&Way::Kubernetes)
        {
            return match &cluster.issuer {
                Some(issuer) => self.check_signed(asked, Signer::Cluster, issuer),
                None => self.look_up(asked, Lookup::Review),
            };
        }
        if rules.admits(&Way::ApiKeys) {
            match self.keys.find(&asked.token) {
                Ok(Some(found)) => return Checked::Now(Ok(self.remember(asked.digest, found))),
                Ok(None) => {}
                Err(refused) => return Checked::Now(Err(refused)),
            }
        }
        if rules.admits(&Way::Introspection) && !self.introspection.is_empty() && !key::is_one(&asked.token) {
            return self.look_up(asked, Lookup::Introspection);
        }
        let reason = if issuer.is_some() { Invalid::Issuer.to_string() } else { "no such key".to_owned() };
        Checked::Now(Err(refuse(&reason)))
    }

    fn remember(&self, digest: Digest, found: Found) -> Admitted {
        self.known.insert(digest, found.principal, found.left, clock::now()).into()
    }

    // --- signed tokens -----------------------------------------------------------------------------------------------

    fn check_signed(self: &Arc<Self>, asked: Asked, signer: Signer, issuer: &Arc<Issuer>) -> Checked {
        let unverified = match Unverified::read(&asked.token, issuer.clone()) {
            Ok(unverified) => unverified,
            Err(invalid) => return Checked::Now(Err(refuse(&invalid))),
        };
        if let Some(key) = unverified.key_now() {
            return Checked::Now(self.verify(&asked, &unverified, &signer, &key));
        }
        let this = self.clone();
        Checked::Later(Box::pin(async move {
            let key = unverified.key().await.map_err(|fault| match fault {
                NoKey::Unknown => refuse(&Invalid::Key),
                NoKey::Unavailable => Refused::Unavailable,
            })?;
            this.verify(&asked, &unverified, &signer, &key)
        }))
    }

    fn verify(&self, asked: &Asked, unverified: &Unverified, signer: &Signer, key: &Key) -> Result<Admitted, Refused> {
        let configured = match (signer, &self.cluster) {
            (Signer::Issuer(trusted), _) => &trusted.settings.audiences,
            (Signer::Cluster, Some(cluster)) => &cluster.settings.audiences,
            (Signer::Cluster, None) => return Err(Refused::InvalidToken),
        };
        let audiences = claims::audiences(configured, &asked.resource);
        let verified = unverified.verify(&asked.token, key, &audiences, self.settings.clock_skew);
        let (claims, left) = verified.map_err(|invalid: Invalid| refuse(&invalid))?;
        let found = match (signer, &self.cluster) {
            (Signer::Cluster, Some(cluster)) => cluster.verified(claims)?,
            (Signer::Cluster, None) => return Err(Refused::InvalidToken),
            (Signer::Issuer(trusted), _) => {
                let subject = claims::text(&claims, "sub").ok_or_else(|| refuse(&Invalid::Claims))?.to_owned();
                let (expires, settings) = (claims::time(&claims, "exp"), &trusted.settings);
                let principal = claims::bearer(claims, &settings.issuer, &subject, &settings.groups_claim, expires);
                Found { principal, left: Some(left) }
            }
        };
        self.has_scopes(&found.principal, &asked.endpoint)?;
        Ok(self.remember(asked.digest, found))
    }

    /// Scopes are what issuers give; keys, certificates and service accounts have none and are judged by who they are.
    fn has_scopes(&self, principal: &Principal, endpoint: &str) -> Result<(), Refused> {
        let mut needed = self.settings.scopes.iter().chain(&self.rules(endpoint).scopes);
        let is_issued = principal.identity().kind == PrincipalKind::Token;
        if is_issued && !needed.all(|scope| principal.has_scope(scope)) { Err(Refused::Scope) } else { Ok(()) }
    }

    // --- tokens that are looked up -----------------------------------------------------------------------------------

    fn look_up(self: &Arc<Self>, asked: Asked, lookup: Lookup) -> Checked {
        let this = self.clone();
        Checked::Later(Box::pin(async move {
            let found = this.lookups.share(asked.digest, this.ask(&asked, lookup)).await;
            let found = found.and_then(|found| this.has_scopes(&found.principal, &asked.endpoint).map(|()| found));
            match found {
                Ok(Found { principal, left }) => {
                    let left = left.map_or(LOOKED_UP_TTL, |left| left.min(LOOKED_UP_TTL));
                    Ok(this.remember(asked.digest, Found { principal, left: Some(left) }))
                }
                Err(refused) => {
                    if refused.retry_after().is_none() {
                        this.unknown.insert(asked.digest, refused, None, clock::now());
                    }
                    Err(refused)
                }
            }
        }))
    }

    async fn ask(&self, asked: &Asked, lookup: Lookup) -> Result<Found, Refused> {
        if let (Lookup::Review, Some(cluster)) = (lookup, &self.cluster) {
            return cluster.review(&asked.token, asked.claims.clone().unwrap_or_default()).await;
        }
        // Whoever does not answer may be the one who knows it.
        let mut refused = Refused::InvalidToken;
        for introspector in &self.introspection {
            match introspector.ask(&asked.token, &asked.resource, self.settings.clock_skew).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(unavailable) => refused = unavailable,
            }
        }
        Err(refused)
    }

    // --- what the others are told ------------------------------------------------------------------------------------

    /// The challenge for a refused request to the endpoint at `path`, where `base` is the address of the gateway.
    pub fn challenge(&self, refused: Refused, base: &str, path: &str) -> Option<HeaderValue> {
        self.challenged(refused, base, path, &[])
    }

    /// The challenge for a call to the endpoint at `path` that needs these scopes besides those that every call needs.
    pub fn step_up(&self, needed: &[String], base: &str, path: &str) -> Option<HeaderValue> {
        self.challenged(Refused::Scope, base, path, needed)
    }

    fn challenged(&self, refused: Refused, base: &str, path: &str, more: &[String]) -> Option<HeaderValue> {
        let metadata = format!("{}{}{path}", self.base(base), metadata::WELL_KNOWN);
        metadata::challenge(&self.settings, self.rules(path), &metadata, refused.error(), more)
    }

    /// The endpoint whose metadata lies at `path`: `""` for the root, where only one endpoint can be meant.
    pub fn describes<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.settings.has_authorization_servers().then(|| path.strip_prefix(metadata::WELL_KNOWN)).flatten()
    }

    /// The metadata of the endpoint at `path`, if tokens of an issuer are taken there.
    pub fn metadata(&self, base: &str, path: &str) -> Option<Bytes> {
        metadata::document(&self.settings, self.rules(path), &self.resource(base, path))
    }

    /// The address of an endpoint as clients name it; `base` is what the request was sent to.
    pub fn resource(&self, base: &str, path: &str) -> String {
        format!("{}{path}", self.base(base))
    }

    fn base<'a>(&'a self, base: &'a str) -> &'a str {
        self.settings.public_url.as_deref().unwrap_or(base)
    }
}
