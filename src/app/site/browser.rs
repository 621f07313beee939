//! Which browser it is, and that a form was made for it.

use http::{HeaderMap, HeaderValue, Response, header};

use crate::seal::{self, KeyRing, Purpose};

/// Over HTTPS no other site below the same domain can set it (RFC 6265bis section 4.1.3.2).
const SECURE: &str = "__Host-myelin";
const PLAIN: &str = "myelin-connect";

/// A browser, by its cookie.
pub(super) struct Browser {
    pub(super) id: String,
    is_new: bool,
    name: &'static str,
}

impl Browser {
    /// The browser of a request; it gets a cookie with the answer if it has none.
    pub(super) fn of(headers: &HeaderMap, address: &str) -> Option<Self> {
        let name = name(address);
        match known(headers, name) {
            Some(id) => Some(Self { id, is_new: false, name }),
            None => Some(Self { id: seal::random_id().ok()?, is_new: true, name }),
        }
    }

    /// The browser of a request that must have been here before.
    pub(super) fn known(headers: &HeaderMap, address: &str) -> Option<String> {
        known(headers, name(address))
    }

    /// Gives it its cookie.
    pub(super) fn mark<T>(&self, response: &mut Response<T>) {
        if !self.is_new {
            return;
        }
        let secure = if self.name == SECURE { "; Secure" } else { "" };
        // Lax: the authorization server sends the browser back here, by a link.
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=900{secure}", self.name, self.id);
        if let Ok(mut value) = HeaderValue::from_str(&cookie) {
            value.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

fn name(address: &str) -> &'static str {
    if address.starts_with("https://") { SECURE } else { PLAIN }
}

fn known(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found =
        cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    let id = found.next().filter(|_| found.next().is_none())?;
    let is_ours = id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_ours.then(|| id.to_owned())
}

/// What a form carries, so that no other site can send it in the name of its user.
pub(super) fn form_token(ring: &KeyRing, subject: &str, browser: &str) -> Option<String> {
    ring.seal(Purpose::Form, format!("{subject}\n{browser}").as_bytes()).ok()
}

/// Whether a form was made for this browser.
pub(super) fn is_form_of(ring: &KeyRing, token: &str, subject: &str, browser: &str) -> bool {
    ring.open(Purpose::Form, token).is_ok_and(|content| content == format!("{subject}\n{browser}").as_bytes())
}
