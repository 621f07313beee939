//! To the issuer of whoever was invited, and back: they sign in there, and the gateway learns who sits at the browser.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::{
    auth::{Login, LoginAnswer, LoginFault},
    downstream::exchange::Asked,
    seal::{self, Purpose},
    upstream::credential::oauth::{FlowFault, Invitation},
};

use super::{
    browser::Browser,
    consent::{failed, refuse},
    core::Site,
    form::Fields,
    html::{elsewhere, sentence},
    visits::Visit,
};

/// Where issuers send browsers back; the issuer's name without its scheme follows, so that no issuer's answer passes for another's
/// (RFC 9700 section 4.4.2.2).
pub(super) const SIGNED_IN: &str = "/connect/signed-in/";

impl Site {
    /// Sends a browser to the issuer.
    pub(super) async fn sign_in(
        &self,
        invitation: &Arc<Invitation>,
        login: &Login,
        browser: String,
    ) -> Response<Bytes> {
        let Some(state) = self.state() else { return failed(FlowFault::Broken) };
        let redirect = format!("{}{SIGNED_IN}{}", self.wallet.address(), bare(login.issuer()));
        match login.begin(redirect, state.clone()).await {
            Ok((address, step)) => {
                let issuer = login.issuer().to_owned();
                self.visits.insert(state, Visit { invitation: invitation.clone(), browser, issuer, step });
                elsewhere(&address).unwrap_or_else(|| failed(FlowFault::Broken))
            }
            Err(fault) => {
                tracing::warn!(issuer = login.issuer(), %fault, "a user cannot be sent to sign in");
                failed(FlowFault::Broken)
            }
        }
    }

    /// A name that nobody can guess, by which other gateways find this one.
    fn state(&self) -> Option<String> {
        self.ring.seal_here(Purpose::Page, seal::random_id().ok()?.as_bytes()).ok()
    }

    /// Back from the issuer: whoever signed in as the one who was invited goes on to the server's authorization server.
    pub(super) async fn signed_in(&self, asked: &Asked, issuer: &str) -> Response<Bytes> {
        if asked.method != Method::GET {
            return sentence(StatusCode::METHOD_NOT_ALLOWED, "Not here", "This page is read, nothing else.");
        }
        let fields = Fields::read(asked.uri.query().unwrap_or_default());
        let browser = Browser::known(&asked.headers, &self.wallet.address());
        let visit = self.visits.take(&fields.text("state").unwrap_or_default());
        let Some((visit, browser)) = visit.zip(browser) else { return failed(FlowFault::Unknown) };
        // Another browser, or the address of another issuer: whoever brings the answer is not who was sent (RFC 9700 section 4.4).
        if visit.browser != browser
            || bare(&visit.issuer) != issuer
            || self.wallet.invitation(&visit.invitation.id).is_none()
        {
            tracing::warn!(
                issuer = visit.issuer,
                "a sign-in was brought by another browser, to another address or too late"
            );
            return failed(FlowFault::Unknown);
        }
        let login = self.gate.login(&visit.issuer);
        let (Some(login), Some(oauth)) = (login, self.oauth(&visit.invitation.server)) else {
            return failed(FlowFault::Unknown);
        };
        let code = fields.one("code").filter(|_| fields.text("error").is_none()).cloned();
        let answer = LoginAnswer { issuer: fields.text("iss"), code };
        match login.finish(&visit.step, &answer).await {
            Ok(id) if *id == *visit.invitation.principal.id() => self.go_on(&visit.invitation, &oauth, &browser).await,
            Ok(_) => somebody_else(&visit.invitation),
            Err(fault) => {
                tracing::warn!(issuer = visit.issuer, %fault, "nobody was signed in");
                failed(told(fault))
            }
        }
    }
}

/// Whoever signed in is not who was invited.
fn somebody_else(invitation: &Invitation) -> Response<Bytes> {
    refuse(invitation);
    let text = "You signed in as somebody else than the one who called the tool. Nothing was changed.";
    sentence(StatusCode::FORBIDDEN, "Not connected", text)
}

const fn told(fault: LoginFault) -> FlowFault {
    match fault {
        LoginFault::Foreign => FlowFault::Foreign,
        LoginFault::Denied => FlowFault::Denied,
        _ => FlowFault::Broken,
    }
}

/// An issuer's name without its scheme.
fn bare(issuer: &str) -> &str {
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}
