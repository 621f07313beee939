//! One server that is called in the name of its users: the token of each, and who is to be asked.

use std::sync::Arc;

use http::StatusCode;
use tokio::{sync::watch, time::timeout};

use crate::{
    auth::FetchFault,
    clock,
    mcp::{Principal, PrincipalKind, UpstreamFault},
    upstream::wire::http as wire,
};

use super::{
    super::{
        fault::CredentialFault,
        keeper::Token,
        settings::{ClientProof, ClientSettings, OauthSettings, TokenSource},
        token_endpoint::{Reach, TokenEndpoint},
    },
    bareness::Bareness,
    consent::Invited,
    record::Record,
    registration::Client,
    shared::{Shared, WHILE_LOCKED},
    vault::Held,
};

/// Scopes of one server's connections at the most.
pub(super) const MAX_SCOPES: usize = 100;

/// One server that is called in the name of its users.
pub struct Oauth {
    pub(super) server: Arc<str>,
    pub(super) settings: OauthSettings,
    pub(super) reach: Reach,
    pub(super) client: Arc<wire::Replicas>,
    bareness: Bareness,
    /// Counts what became of users' connections to it.
    pub(super) turns: watch::Sender<u64>,
}

impl Oauth {
    pub(in crate::upstream::credential) fn new(
        server: Arc<str>,
        settings: OauthSettings,
        reach: Reach,
        client: Arc<wire::Replicas>,
    ) -> Self {
        Self { server, settings, reach, client, bareness: Bareness::default(), turns: watch::Sender::new(0) }
    }

    /// Whether it answers requests without a credential.
    pub(in crate::upstream::credential) const fn bareness(&self) -> &Bareness {
        &self.bareness
    }

    /// Ready when a principal who had no connection has one.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn connected(&self, principal: &Principal) {
        let mut turns = self.turns.subscribe();
        while !self.is_connected(principal) {
            if turns.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Something became of a user's connection: whoever waits for that looks again.
    pub fn turned(&self) {
        self.turns.send_modify(|count| *count += 1);
    }

    /// What tokens are for.
    pub fn resource(&self) -> &str {
        &self.settings.resource
    }

    /// The token of a principal's connection; another one where that was refused.
    pub(in crate::upstream::credential) async fn token(
        self: &Arc<Self>,
        principal: Option<&Principal>,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, CredentialFault> {
        let principal = principal.filter(|principal| self.may_connect(principal)).ok_or(CredentialFault::NoToken)?;
        let held = self.reach.wallet.vault().look_up(principal.id(), &self.server).await?;
        let held = held.ok_or(CredentialFault::Unconnected)?;
        if !self.fits(&held.record.load()) {
            return Err(CredentialFault::Unconnected);
        }
        held.keeper.token(refused, || self.refresh_whole(&held)).await
    }

    /// Once it is begun it is ended, whoever waits for it: a refresh token that was used is of no use again.
    async fn refresh_whole(self: &Arc<Self>, held: &Arc<Held>) -> Result<Token, CredentialFault> {
        let (oauth, held) = (self.clone(), held.clone());
        let refreshing = tokio::spawn(async move {
            match oauth.reach.wallet.vault().shared() {
                None => oauth.refresh(&held, held.record.load_full()).await,
                Some(shared) => oauth.refresh_for_all(shared, &held).await,
            }
        });
        refreshing.await.map_err(|_| CredentialFault::Unreached(FetchFault::NoAnswer))?
    }

    /// One replica at a time; who comes later takes what the first got.
    async fn refresh_for_all(&self, shared: &Shared, held: &Arc<Held>) -> Result<Token, CredentialFault> {
        let before = held.record.load_full();
        let lock = shared.lock(&before.name()).await?;
        let refreshed = timeout(WHILE_LOCKED, self.refresh_locked(shared, held, &before)).await;
        shared.commons.unlock(lock).await;
        refreshed.map_err(|_| CredentialFault::Unreached(FetchFault::NoAnswer))?
    }

    async fn refresh_locked(
        &self,
        shared: &Shared,
        held: &Arc<Held>,
        before: &Record,
    ) -> Result<Token, CredentialFault> {
        let Some(newest) = shared.get(&before.name()).await? else {
            self.reach.wallet.vault().forget(&before.principal, &before.server);
            return Err(CredentialFault::Unconnected);
        };
        let token = newest.token();
        if newest.access_token != before.access_token && token.is_usable() {
            held.record.store(Arc::new(newest));
            return Ok(token);
        }
        self.refresh(held, Arc::new(newest)).await
    }

    /// Whoever is nobody in particular is everybody: only where that is the one user of this machine may they have an account.
    fn may_connect(&self, principal: &Principal) -> bool {
        principal.identity().kind != PrincipalKind::Anonymous || self.reach.wallet.is_local()
    }

    /// A connection that was made under other settings is none.
    fn fits(&self, record: &Record) -> bool {
        record.resource == self.settings.resource
            && self.settings.issuer.as_ref().is_none_or(|issuer| *issuer == record.issuer)
            && self.settings.scopes.iter().all(|scope| record.scopes.contains(scope))
    }

    async fn refresh(&self, held: &Arc<Held>, record: Arc<Record>) -> Result<Token, CredentialFault> {
        let Some(refresh_token) = &record.refresh_token else { return Err(self.ended(&record).await) };
        let client = Client { id: record.client_id.clone(), secret: record.client_secret.clone() };
        let endpoint = self.endpoint(&record.token_endpoint, &record.named_by, &client)?;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose().as_str())];
        let grant = match endpoint.ask(&fields).await {
            Ok(grant) => grant,
            Err(CredentialFault::Refused(StatusCode::BAD_REQUEST, code)) if &*code == "invalid_grant" => {
                tracing::info!(
                    server = &*self.server,
                    principal = record.principal,
                    "a connection was ended elsewhere"
                );
                return Err(self.ended(&record).await);
            }
            Err(fault) => return Err(fault),
        };
        let renewed = Record {
            access_token: grant.bearer()?,
            expires: grant.life().map(|life| (clock::unix_time() + life).as_secs()),
            // Rotated or not: what came last is what counts.
            refresh_token: grant.refresh_token().or_else(|| record.refresh_token.clone()),
            ..Record::clone(&record)
        };
        let token = renewed.token();
        self.reach.wallet.vault().renew(held, renewed).await?;
        Ok(token)
    }

    async fn ended(&self, record: &Record) -> CredentialFault {
        self.reach.wallet.vault().take(&record.principal, &record.server).await;
        CredentialFault::Unconnected
    }

    pub(super) fn endpoint(
        &self,
        url: &str,
        named_by: &str,
        client: &Client,
    ) -> Result<TokenEndpoint, CredentialFault> {
        let proof = match (&self.settings.client, &client.secret) {
            (Some((id, proof)), _) if *id == client.id => proof.clone(),
            (_, Some(secret)) => ClientProof::Basic(secret.clone()),
            (_, None) => ClientProof::None,
        };
        let from = TokenSource::Learned(url.to_owned(), named_by.to_owned());
        let (id, resource) = (client.id.clone(), self.settings.resource.clone());
        let settings = ClientSettings { from, id, proof, scopes: Vec::new(), audience: None, resource };
        TokenEndpoint::new(settings, self.reach.clone())
    }

    /// The server wants other scopes than the connection has: what the call hears. Asking once more helps only if something is asked for
    /// that was not asked for before.
    pub(in crate::upstream::credential) fn step_up(&self, principal: &Principal, wanted: Vec<String>) -> UpstreamFault {
        let held = self.reach.wallet.vault().find(principal.id(), &self.server);
        let has = held.map(|held| held.record.load().scopes.clone()).unwrap_or_default();
        if wanted.is_empty() || wanted.len() > MAX_SCOPES || wanted.iter().all(|scope| has.contains(scope)) {
            return UpstreamFault::Unauthorized;
        }
        tracing::info!(server = &*self.server, principal = principal.id(), scopes = ?wanted, "the server wants more scopes");
        self.reach.wallet.consents().wish(principal.id(), &self.server, has.into_iter().chain(wanted));
        UpstreamFault::Unconnected
    }

    /// Whether a principal has a connection.
    pub fn is_connected(&self, principal: &Principal) -> bool {
        let held = self.reach.wallet.vault().find(principal.id(), &self.server);
        held.is_some_and(|held| self.fits(&held.record.load()))
    }

    /// Invites a principal to agree.
    ///
    /// # Errors
    /// What the call hears.
    pub fn invite(&self, principal: &Principal, endpoint: &Arc<str>) -> Result<Invited, UpstreamFault> {
        if !self.may_connect(principal) {
            return Err(UpstreamFault::NoToken);
        }
        let scopes = self.reach.wallet.consents().wished(principal.id(), &self.server);
        let invited = self.reach.wallet.consents().invite(&self.server, principal, endpoint, scopes);
        let invitation = invited.map_err(|fault| {
            tracing::warn!(server = &*self.server, principal = principal.id(), %fault, "nobody more can be invited");
            UpstreamFault::Overloaded
        })?;
        let url = format!("{}/connect/to/{}", self.reach.wallet.address(), invitation.id).into();
        Ok(Invited { url, id: invitation.id.clone(), done: invitation.watch() })
    }
}
