//! A browser as far as these pages need one: a cookie, a form, and no redirect followed unseen.

use std::collections::HashMap;

use crate::kit::{Client, fields, request};

/// A browser that was sent to a page.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) address: String,
    pub(super) path: String,
    pub(super) cookie: String,
    pub(super) form: String,
    pub(super) page: String,
}

/// Where the gateway sent it.
pub(super) struct Away {
    pub(super) target: String,
    pub(super) query: HashMap<String, String>,
}

impl Away {
    /// To this address.
    pub(super) fn to(location: &str) -> Self {
        let (target, query) = location.split_once('?').unwrap();
        Self { target: target.to_owned(), query: fields(query) }
    }
}

impl Browser {
    /// Opens the page at `url`.
    pub(super) async fn at(url: &str) -> Self {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let path = format!("/{path}");
        let answer = Client::exchange(address, &request("GET", &path, &[], b"")).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
        assert_eq!(answer.header("content-security-policy"), Some(policy));
        assert_eq!(
            (answer.header("cache-control"), answer.header("x-frame-options")),
            (Some("no-store"), Some("DENY"))
        );
        let set = answer.header("set-cookie").expect("a cookie").to_owned();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        let page = answer.text().await;
        let form = page.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { address: address.to_owned(), path, cookie, form, page }
    }

    /// Sends the form with a key: the status and where it leads.
    pub(super) async fn send(&self, key: &str) -> (u16, Option<String>, String) {
        let body = format!("key={key}&form={}", self.form);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.push(("cookie", &self.cookie));
        let bytes = request("POST", &self.path, &headers, body.as_bytes());
        let answer = Client::exchange(&self.address, &bytes).await;
        let (status, location) = (answer.status, answer.header("location").map(str::to_owned));
        (status, location, if status == 303 { String::new() } else { answer.text().await })
    }

    /// Agrees, and is sent to the authorization server.
    pub(super) async fn agree(&self, key: &str) -> Away {
        let (status, location, text) = self.send(key).await;
        assert_eq!(status, 303, "{text}");
        Away::to(&location.unwrap())
    }

    /// Opens an address of the gateway's: the status, where it leads, and the page.
    pub(super) async fn visit(&self, target: &str) -> (u16, Option<String>, String) {
        let answer = Client::exchange(&self.address, &request("GET", target, &[("cookie", &self.cookie)], b"")).await;
        let (status, location) = (answer.status, answer.header("location").map(str::to_owned));
        (status, location, if status == 303 { String::new() } else { answer.text().await })
    }

    /// Comes back with the state it was given: the status and the page.
    pub(super) async fn back(&self, away: &Away, more: &[(&str, &str)]) -> (u16, String) {
        let redirect = &away.query["redirect_uri"];
        let path = &redirect[redirect.find(&self.address).unwrap() + self.address.len()..];
        let mut target = format!("{path}?state={}", away.query["state"]);
        for (name, value) in more {
            target.push_str(&format!("&{name}={value}"));
        }
        self.open(&target).await
    }

    pub(super) async fn open(&self, target: &str) -> (u16, String) {
        let answer = Client::exchange(&self.address, &request("GET", target, &[("cookie", &self.cookie)], b"")).await;
        (answer.status, answer.text().await)
    }
}
