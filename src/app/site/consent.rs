//! The pages on which users agree: who is there, to the authorization server, and back.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::{
    downstream::exchange::Asked,
    upstream::{
        Upstream,
        credential::oauth::{Became, Came, FlowFault, Invitation, Oauth},
    },
};

use super::{
    browser::{Browser, form_token, is_form_of},
    core::Site,
    form::Fields,
    html::{elsewhere, escaped, page, sentence},
    who::Proof,
};

/// Where users are sent; the invitation's name follows.
pub(super) const INVITED: &str = "/connect/to/";
/// Where authorization servers send them back; the server's name follows.
pub(super) const CALLBACK: &str = "/connect/callback/";

/// What the form of an invitation is made of.
struct Form<'a> {
    invitation: &'a Invitation,
    oauth: &'a Oauth,
    browser: &'a Browser,
    proof: &'a Proof,
    problem: &'a str,
}

impl Site {
    /// The page of an invitation, and the form on it.
    pub(super) async fn invited(&self, asked: &Asked, id: &str) -> Response<Bytes> {
        let address = self.wallet.address();
        let Some(invitation) = self.wallet.invitation(id) else { return unknown() };
        let Some(oauth) = self.oauth(&invitation.server) else { return unknown() };
        match asked.method {
            Method::GET => {
                let Some(browser) = Browser::of(&asked.headers, &address) else { return unknown() };
                let proof = self.proof(asked, &invitation).await;
                let form =
                    Form { invitation: &invitation, oauth: &oauth, browser: &browser, proof: &proof, problem: "" };
                let mut response = self.form(&form);
                browser.mark(&mut response);
                response
            }
            Method::POST => self.agreed(asked, &invitation, &oauth, &address).await,
            _ => sentence(StatusCode::METHOD_NOT_ALLOWED, "Not here", "This page is read or sent, nothing else."),
        }
    }

    fn form(&self, form: &Form<'_>) -> Response<Bytes> {
        let Form { invitation, oauth, browser, proof, problem } = form;
        let Some(token) = form_token(&self.ring, &invitation.id, &browser.id) else { return unknown() };
        let (server, address) = (escaped(&invitation.server), escaped(&self.wallet.address()));
        let body = format!(
            "{problem}<p>The MCP gateway at <b>{address}</b> asks you to connect your account at the server <b>{server}</b> ({}). \
             You are sent to its authorization server, which tells you what it gives access to, and then back to {address}{CALLBACK}{server}.</p>\n\
             <p>Go on only if it was you who called a tool of this server just now.</p>\n\
             <form method=\"post\">{}<input type=\"hidden\" name=\"form\" value=\"{}\"></form>",
            escaped(oauth.resource()),
            controls(proof),
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
        let key = fields.one("key").filter(|key| !key.expose().trim().is_empty());
        let proof = self.proof(asked, invitation).await;
        let is_them = match (&proof, key) {
            (Proof::Shown, _) => true,
            (Proof::Login(login), None) => return self.sign_in(invitation, login, browser).await,
            (Proof::Login(_) | Proof::Key, Some(key)) => self.has_key(key, invitation).await,
            (Proof::Key, None) | (Proof::Certificate, _) => false,
        };
        if is_them {
            return self.go_on(invitation, oauth, &browser).await;
        }
        match (refuse(invitation), Browser::of(&asked.headers, address)) {
            (true, Some(browser)) => {
                let problem = "<p>That is not the key or token of whoever called the tool.</p>";
                let mut response = self.form(&Form { invitation, oauth, browser: &browser, proof: &proof, problem });
                *response.status_mut() = StatusCode::FORBIDDEN;
                response
            }
            _ => failed(FlowFault::Unknown),
        }
    }

    /// On to the server's authorization server, for whoever is known to be the one who was invited.
    pub(super) async fn go_on(&self, invitation: &Arc<Invitation>, oauth: &Oauth, browser: &str) -> Response<Bytes> {
        match oauth.begin(invitation, browser).await {
            Ok(address) => elsewhere(&address).unwrap_or_else(|| failed(FlowFault::Broken)),
            Err(fault) => failed(fault),
        }
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
            Ok(agreed) => {
                if let Some(upstream) = self.upstream(server) {
                    match agreed.became {
                        Became::Connected => upstream.forget(agreed.principal()).await,
                        Became::Renewed => upstream.outdate(agreed.principal()),
                    }
                }
                oauth.tell(&agreed);
                let text =
                    "Your account is connected. You can close this page; the tool is called now, or call it again.";
                sentence(StatusCode::OK, "Connected", text)
            }
            Err(fault) => failed(fault),
        }
    }

    pub(super) fn oauth(&self, server: &str) -> Option<Arc<Oauth>> {
        self.upstream(server)?.oauth().cloned()
    }

    fn upstream(&self, server: &str) -> Option<Arc<Upstream>> {
        self.gateway.upstreams().into_iter().find(|upstream| **upstream.name() == *server)
    }
}

/// Counts a wrong answer to who somebody is; whether another one is allowed.
pub(super) fn refuse(invitation: &Invitation) -> bool {
    tracing::warn!(
        server = &*invitation.server,
        principal = invitation.principal.id(),
        "somebody else, or nobody known, wanted to connect"
    );
    invitation.failed()
}

/// What somebody does at the form.
fn controls(proof: &Proof) -> String {
    const KEY: &str = "<input type=\"password\" name=\"key\" autocomplete=\"off\"";
    const CONNECT: &str = "<p><button>Connect</button></p>";
    match proof {
        Proof::Shown => CONNECT.to_owned(),
        Proof::Certificate => {
            "<p>Open this page with the certificate that your client uses at this gateway, so that nobody else \
                               connects their account to yours.</p>"
                .to_owned()
        }
        Proof::Key => format!(
            "<p><label>Your API key or token for this gateway, so that nobody else connects their account to yours: \
             {KEY} required></label></p>{CONNECT}"
        ),
        Proof::Login(login) => format!(
            "<p>You sign in at <b>{}</b> first, so that nobody else connects their account to yours.</p>\
             <p><button>Sign in and connect</button></p>\
             <details><summary>Without signing in</summary><p><label>The token that your client uses at this gateway: \
             {KEY}></label></p></details>",
            escaped(login.issuer()),
        ),
    }
}

fn unknown() -> Response<Bytes> {
    let mut response = failed(FlowFault::Unknown);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

pub(super) fn failed(fault: FlowFault) -> Response<Bytes> {
    let status = match fault {
        FlowFault::Broken => StatusCode::BAD_GATEWAY,
        FlowFault::Unknown | FlowFault::Foreign | FlowFault::Denied => StatusCode::BAD_REQUEST,
    };
    sentence(status, "Not connected", &fault.to_string())
}
