//! Service accounts of a cluster whose API server the tests play: as its API says, and with nothing of it that is not asked for.

use std::fs;

use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    authority::{Asked, Authority, Says},
    base64,
    issuer::Signer,
    over, with_token,
};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// What a pod's token says.
fn claims(account: &str) -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": ISSUER, "aud": ["myelin"], "sub": format!("system:serviceaccount:{account}"), "iat": now, "exp": now + 600,
        "kubernetes.io": { "namespace": account.split(':').next() },
    })
}

/// A token that only the API server can judge: its signature is a word for what becomes of it.
fn token(account: &str, fate: &str) -> String {
    let header = base64(r#"{"alg":"RS256","kid":"x"}"#);
    format!("{header}.{}.{fate}", base64(&claims(account).to_string()))
}

/// An API server, as the gateway finds it: it takes the token of the file only.
async fn api_server(signer: Option<&Signer>) -> Authority {
    let keys = json!({ "keys": signer.map(Signer::public).into_iter().collect::<Vec<_>>() });
    Authority::start(move |asked: &Asked| {
        if asked.authorization.as_deref() != Some("Bearer own-token-2") {
            return Says::Json(401, json!({ "kind": "Status", "code": 401 }));
        }
        match (&*asked.method, &*asked.path) {
            ("GET", "/.well-known/openid-configuration") => {
                Says::Json(200, json!({ "issuer": ISSUER, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks" }))
            }
            ("GET", "/openid/v1/jwks") => Says::Json(200, keys.clone()),
            ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") => review(&asked.json()),
            _ => Says::Json(404, json!({ "kind": "Status", "code": 404 })),
        }
    })
    .await
}

fn review(asked: &Value) -> Says {
    assert_eq!((&asked["apiVersion"], &asked["kind"]), (&json!("authentication.k8s.io/v1"), &json!("TokenReview")));
    assert_eq!(asked["spec"]["audiences"], json!(["myelin"]));
    let token = asked["spec"]["token"].as_str().unwrap();
    let status = |status: Value| Says::Json(201, json!({ "kind": "TokenReview", "status": status }));
    let user = json!({
        "username": "system:serviceaccount:ci:runner", "uid": "1",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
    });
    match token.rsplit('.').next().unwrap() {
        "good" => status(json!({ "authenticated": true, "user": user, "audiences": ["myelin"] })),
        "person" => status(json!({ "authenticated": true, "user": { "username": "admin" }, "audiences": ["myelin"] })),
        "foreign" => status(json!({
            "authenticated": true, "user": { "username": "system:serviceaccount:web:front" }, "audiences": ["myelin"],
        })),
        "elsewhere" => status(json!({ "authenticated": true, "user": user, "audiences": ["https://other"] })),
        "unaware" => status(json!({ "authenticated": true, "user": user })),
        "broken" => Says::Json(500, json!({ "kind": "Status", "code": 500 })),
        "forbidden" => Says::Json(403, json!({ "kind": "Status", "code": 403 })),
        "slow" => Says::Silence,
        _ => status(json!({ "authenticated": false, "error": "token is expired" })),
    }
}

fn cluster(server: &Authority, folder: &TempDir, via: &str) -> Value {
    json!({ "kubernetes": {
        "audience": "myelin", "via": via, "allowed": ["ci/*"], "apiServer": server.url,
        "tokenFile": folder.path().join("token"), "timeout": "300ms",
    } })
}

#[tokio::test]
async fn a_service_account_is_who_the_cluster_says_it_is() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("token"), "own-token-1\n").unwrap();
    let server = api_server(None).await;
    let (_upstream, gateway) = over(cluster(&server, &folder, "review")).await;
    let good = token("ci:runner", "good");
    assert_eq!(with_token(&gateway, &good).await.status, 503, "the gateway's own token is not taken");
    fs::write(folder.path().join("token"), "own-token-2\n").unwrap();
    assert_eq!(with_token(&gateway, &good).await.status, 200, "it is read anew: {}", gateway.log());
    let asked = server.asked().len();
    assert_eq!(with_token(&gateway, &good).await.status, 200);
    assert_eq!(server.asked().len(), asked, "and the answer is remembered");
    let mut told = Vec::new();
    for fate in ["unknown", "person", "foreign", "elsewhere", "unaware"] {
        let answer = with_token(&gateway, &token("ci:runner", fate)).await;
        assert_eq!(answer.status, 401, "{fate}");
        told.push((answer.header("www-authenticate").unwrap().to_owned(), answer.text().await));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the sender does not hear why: {told:?}");
    for fate in ["broken", "forbidden", "slow"] {
        let answer = with_token(&gateway, &token("ci:runner", fate)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (503, None), "{fate}");
    }
    let asked = server.asked().len();
    assert_eq!(with_token(&gateway, "opaque-token").await.status, 401);
    assert_eq!(server.asked().len(), asked, "what is no service account's is not sent to the cluster");
}

#[tokio::test]
async fn a_service_account_is_known_by_the_keys_of_its_cluster() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("token"), "own-token-2").unwrap();
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let server = api_server(Some(&signer)).await;
    let (_upstream, gateway) = over(cluster(&server, &folder, "keys")).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("ci:runner");
        claims[name] = value;
        claims
    };
    assert_eq!(with_token(&gateway, &signer.sign(&claims("ci:runner"))).await.status, 200, "{}", gateway.log());
    let refused = [
        ("another namespace", signer.sign(&claims("web:front"))),
        ("another audience", signer.sign(&with("aud", json!(["https://other"])))),
        ("another cluster", signer.sign(&with("iss", json!("https://other.cluster.local")))),
        ("expired", signer.sign(&with("exp", json!(get_current_timestamp() - 120)))),
        ("of another key", stranger.sign(&claims("ci:runner"))),
        ("no account", signer.sign(&with("sub", json!("system:serviceaccount:ci")))),
    ];
    for (what, token) in refused {
        assert_eq!(with_token(&gateway, &token).await.status, 401, "{what}");
    }
    assert!(server.asked().iter().all(|asked| asked.method == "GET"), "no token leaves the gateway");
}

#[tokio::test]
async fn keys_that_nobody_can_fetch_make_no_token_look_bad() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("token"), "own-token-1").unwrap();
    let signer = Signer::new("k1");
    let server = api_server(Some(&signer)).await;
    let (_upstream, gateway) = over(cluster(&server, &folder, "keys")).await;
    let token = signer.sign(&claims("ci:runner"));
    let answer = with_token(&gateway, &token).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (503, None));
    fs::write(folder.path().join("token"), "own-token-2").unwrap();
    assert_eq!(with_token(&gateway, &token).await.status, 200, "{}", gateway.log());
}
