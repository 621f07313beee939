//! A fake identity provider: it signs tokens at its start, then serves its metadata and its one public key.
//!
//! Sources: RFC 8414 (metadata), RFC 7517 (keys), RFC 9068 (access tokens).
use crate::http1::Inbox;
use clap::Args;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Seconds that a token holds: longer than any series.
const LIFETIME: u64 = 24 * 3600;
const KEY_ID: &str = "bench";

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Tokens to sign, each for a principal of its own.
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// What they are for.
    #[arg(long)]
    audience: String,
}

/// Serves until the process is ended; prints its URL and the tokens first.
#[expect(clippy::print_stdout, reason = "who started it reads the tokens there")]
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let secret = EncodingKey::from_ec_der(&pair.serialize_der());
    let tokens = (0..options.tokens).map(|number| sign(&secret, &url, &options.audience, number));
    let tokens: Vec<String> = tokens.collect::<anyhow::Result<_>>()?;
    println!("{}", json!({ "url": url, "tokens": tokens }));
    let mut key = Jwk::from_encoding_key(&secret, Algorithm::ES256)?;
    key.common.key_id = Some(KEY_ID.to_owned());
    let keys = json!({ "keys": [key] });
    let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    loop {
        let (stream, _) = listener.accept().await?;
        if let Err(error) = converse(stream, &metadata, &keys).await {
            eprintln!("issuer: {error:#}");
        }
    }
}

fn sign(secret: &EncodingKey, issuer: &str, audience: &str, number: usize) -> anyhow::Result<String> {
    let now = get_current_timestamp();
    let mut header = Header::new(Algorithm::ES256);
    (header.kid, header.typ) = (Some(KEY_ID.to_owned()), Some("at+jwt".to_owned()));
    let claims = json!({
        "iss": issuer, "aud": audience, "sub": format!("user-{number}"), "client_id": "load", "scope": "mcp:basic",
        "groups": ["research", "everybody"], "iat": now, "exp": now + LIFETIME,
    });
    Ok(encode(&header, &claims, secret)?)
}

async fn converse(mut stream: TcpStream, metadata: &Value, keys: &Value) -> anyhow::Result<()> {
    let mut inbox = Inbox::default();
    while let Some(extent) = inbox.receive(&mut stream).await? {
        let (head, _) = inbox.message(&extent)?;
        let body = if head.start.contains(" /keys ") { keys } else { metadata }.to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    }
    Ok(())
}
