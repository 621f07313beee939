//! The end of a connection, told to whom it concerns.
//!
//! Source: RFC 7009 section 2.1.

use crate::auth::{FetchContent, FetchRequest};

use super::{super::token_endpoint::Reach, record::Record};

/// Tells an authorization server that a connection's tokens are of no use any more, where it wants to know (RFC 7009 section 2.1).
pub(super) async fn revoke(reach: &Reach, record: &Record) {
    let Some(url) = &record.revocation_endpoint else { return };
    let token = record.refresh_token.as_ref().unwrap_or(&record.access_token);
    let kind = if record.refresh_token.is_some() { "refresh_token" } else { "access_token" };
    let mut fields =
        vec![("token", token.expose().as_str()), ("token_type_hint", kind), ("client_id", record.client_id.as_str())];
    fields.extend(record.client_secret.as_ref().map(|secret| ("client_secret", secret.expose().as_str())));
    let request = FetchRequest {
        content: FetchContent::form(fields),
        ca: reach.ca.clone(),
        ..FetchRequest::get(url.clone()).named_by(&record.named_by)
    };
    match reach.wallet.fetch().send(request).await {
        Ok(answer) if answer.status.is_success() => (),
        Ok(answer) => tracing::warn!(server = record.server, status = answer.status.as_u16(), "revocation was refused"),
        Err(fault) => tracing::warn!(server = record.server, %fault, "revocation could not be told"),
    }
}
