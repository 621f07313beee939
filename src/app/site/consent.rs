//! The pages on which users agree: who is there, to the authorization server, and back.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::{
    downstream::exchange::Asked,
    mcp::{Principal, PrincipalKind},
    redact::Redacted,
    upstream::credential::oauth::{Came, FlowFault, Invitation, Oauth},
};

use super::{
    browser::{Browser, form_token, is_form_of},
    core::Site,
    form::Fields,
    html::{elsewhere, escaped, page, sentence},
};

/// Where users are sent; the invitation's name follows.
pub(super) const INVITED: &str = "/connect/to/";
/// Where authorization servers send them back; the server's name follows.
pub(super) const CALLBACK: &str = "/connect/callback/";

impl Site {
    /// The page of an invitation, and the form on it.
    pub(super) async fn invited(&self, asked: &Asked, id: &str) -> Response<Bytes> {
        let address = self.wallet.address();
        let Some(invitation) = self.wallet.invitation(id) else { return unknown() };
        let Some(oauth) = self.oauth(&invitation.server) else { return unknown() };
        match asked.method {
            Method::GET => {
                let Some(browser) = Browser::of(&asked.headers, &address) else { return unknown() };
                let mut response = self.form(&invitation, &oauth, &browser, "");
                browser.mark(&mut response);
                response
            }
            Method::POST => self.agreed(asked, &invitation, &oauth, &address).await,
            _ => sentence(StatusCode::METHOD_NOT_ALLOWED, "Not here", "This page is read or sent, nothing else."),
        }
    }

    fn form(&self, invitation: &Invitation, oauth: &Oauth, browser: &Browser, problem: &str) -> Response<Bytes> {
        let Some(token) = form_token(&self.ring, &invitation.id, &browser.id) else { return unknown() };
        let server = escaped(&invitation.server);
        let field = match invitation.principal.identity().kind {
            PrincipalKind::Anonymous => String::new(),
            _ => "<p><label>Your API key or token for this gateway, so that nobody else connects their account to yours: \
                  <input type=\"password\" name=\"key\" autocomplete=\"off\" required></label></p>"
                .to_owned(),
        };
        let body = format!(
            "{problem}<p>The MCP gateway at <b>{}</b> asks you to connect your account at the server <b>{server}</b> ({}). \
             You are sent to its authorization server, which tells you what it gives access to, and then back to {}{CALLBACK}{server}.</p>\n\
             <p>Go on only if it was you who called a tool of this server just now.</p>\n\
             <form method=\"post\">{field}<input type=\"hidden\" name=\"form\" value=\"{}\">\
             <p><button>Connect</button></p></form>",
            escaped(&self.wallet.address()),
            escaped(oauth.resource()),
            escaped(&self.wallet.address()),
            escaped(&token),
        );
        page(StatusCode::OK, &format!("Connect {}", invitation.server), &body)
    }

    async fn agreed(
        &self,
        asked: &Asked,
        invitation: &Arc<Invitation>,
        oauth: &Oauth,
        address: &str,
    ) -> Response<Bytes> {
        let fields = Fields::read(std::str::from_utf8(&asked.body).unwrap_or_default());
        let browser = Browser::known(&asked.headers, address);
        let Some(browser) = browser.filter(|browser| {
            fields.one("form").is_some_and(|token| is_form_of(&self.ring, token.expose(), &invitation.id, browser))
        }) else {
            return failed(FlowFault::Unknown);
        };
        if !self.is_same(&invitation.principal, fields.one("key"), &invitation.endpoint).await {
            tracing::warn!(
                server = &*invitation.server,
                principal = invitation.principal.id(),
                "somebody else, or nobody known, wanted to connect"
            );
            let left = invitation.failed();
            return match left {
                true => {
                    let problem = "<p>That is not the key or token of whoever called the tool.</p>";
                    match Browser::of(&asked.headers, address) {
                        Some(browser) => {
                            let mut response = self.form(invitation, oauth, &browser, problem);
                            *response.status_mut() = StatusCode::FORBIDDEN;
                            response
                        }
                        None => unknown(),
                    }
                }
                false => failed(FlowFault::Unknown),
            };
        }
        match oauth.begin(invitation, &browser).await {
            Ok(address) => elsewhere(&address).unwrap_or_else(|| failed(FlowFault::Broken)),
            Err(fault) => failed(fault),
        }
    }

    /// Whether whoever sits at the browser is the one who called. Where nobody is asked who they are, there is only one (loopback).
    async fn is_same(&self, principal: &Principal, key: Option<&Redacted<String>>, endpoint: &str) -> bool {
        if principal.identity().kind == PrincipalKind::Anonymous {
            return true;
        }
        let Some(key) = key else { return false };
        let found = self.gate.whose(key.expose().trim(), endpoint, &self.wallet.address()).await;
        found.is_some_and(|found| found == *principal && found.identity().kind != PrincipalKind::Anonymous)
    }

    /// Back from the authorization server.
    pub(super) async fn back(&self, asked: &Asked, server: &str) -> Response<Bytes> {
        if asked.method != Method::GET {
            return sentence(StatusCode::METHOD_NOT_ALLOWED, "Not here", "This page is read, nothing else.");
        }
        let (Some(oauth), Some(browser)) = (self.oauth(server), Browser::known(&asked.headers, &self.wallet.address()))
        else {
            return failed(FlowFault::Unknown);
        };
        let fields = Fields::read(asked.uri.query().unwrap_or_default());
        let came = Came {
            browser,
            state: fields.text("state").unwrap_or_default(),
            issuer: fields.text("iss"),
            code: fields.one("code").cloned(),
            error: fields.text("error"),
        };
        match oauth.finish(&came).await {
            Ok(_) => sentence(
                StatusCode::OK,
                "Connected",
                "Your account is connected. You can close this page; the tool is called now, or call it again.",
            ),
            Err(fault) => failed(fault),
        }
    }

    fn oauth(&self, server: &str) -> Option<Arc<Oauth>> {
        let upstreams = self.gateway.upstreams();
        upstreams.iter().find(|upstream| **upstream.name() == *server).and_then(|upstream| upstream.oauth()).cloned()
    }
}

fn unknown() -> Response<Bytes> {
    let mut response = failed(FlowFault::Unknown);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn failed(fault: FlowFault) -> Response<Bytes> {
    let status = match fault {
        FlowFault::Broken => StatusCode::BAD_GATEWAY,
        FlowFault::Unknown | FlowFault::Foreign | FlowFault::Denied => StatusCode::BAD_REQUEST,
    };
    sentence(status, "Not connected", &fault.to_string())
}
