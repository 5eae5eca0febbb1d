//! Auth of the Supabase mock from outside: who is let in with which key and token, users and their sessions, mails,
//! and the shapes of refusals.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::secret::Secret;
use firedrill::model::supabase::{AuthPlan, KeyPolicy, KeysPlan, Signing};
use firedrill::model::upstream::{SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{Seed, Span};
use firedrill::upstream::Upstreams;
use http::{HeaderMap, Method};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use reqwest::{Client, redirect};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ADA: &str = "ada@example.com";

struct Project {
    _upstreams: Upstreams,
    client: Client,
    base: String,
    environment: BTreeMap<String, String>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// The status and the code of a refusal in its newer shape.
    fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl Project {
    async fn with(plan: SupabasePlan) -> Self {
        let plan = UpstreamPlan::new("supabase", UpstreamKind::Supabase(plan));
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self {
            base: upstreams.url("supabase").unwrap(),
            environment: upstreams.environment(),
            _upstreams: upstreams,
            client,
        }
    }

    async fn new() -> Self {
        Self::with(SupabasePlan::default()).await
    }

    async fn auth(plan: AuthPlan) -> Self {
        Self::with(SupabasePlan { auth: plan, ..SupabasePlan::default() }).await
    }

    fn key(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// A request as the clients send it: the API key as `apikey`, and it or a user's token as the bearer.
    async fn ask(&self, method: Method, path: &str, key: &str, bearer: &str, body: Value) -> Reply {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header("apikey", key).bearer_auth(bearer).header("x-supabase-api-version", "2024-01-01");
        let response = if body.is_null() { request } else { request.json(&body) }.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.json().await.unwrap_or(Value::Null) }
    }

    async fn anon(&self, method: Method, path: &str, body: Value) -> Reply {
        let key = self.key("SUPABASE_ANON_KEY");
        self.ask(method, &format!("/auth/v1{path}"), key, key, body).await
    }

    async fn service(&self, method: Method, path: &str, body: Value) -> Reply {
        let key = self.key("SUPABASE_SERVICE_KEY");
        self.ask(method, &format!("/auth/v1{path}"), key, key, body).await
    }

    async fn user(&self, method: Method, path: &str, token: &str, body: Value) -> Reply {
        self.ask(method, &format!("/auth/v1{path}"), self.key("SUPABASE_ANON_KEY"), token, body).await
    }

    async fn sign_up(&self, email: &str) -> Value {
        let reply = self.anon(Method::POST, "/signup", json!({"email": email, "password": "secret-1"})).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    async fn refresh(&self, token: &Value) -> Reply {
        self.anon(Method::POST, "/token?grant_type=refresh_token", json!({"refresh_token": token})).await
    }

    async fn mail(&self) -> Value {
        let mails: Value =
            self.client.get(format!("{}/__firedrill/mail", self.base)).send().await.unwrap().json().await.unwrap();
        mails["mails"].as_array().unwrap().last().unwrap().clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn claims(token: &Value) -> Value {
    let part = text(token).split('.').nth(1).unwrap().to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn signed(claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Moves the clock that all upstreams of this test read.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

// --- Keys and tokens --------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_project_gives_keys_that_are_really_signed() {
    let project = Project::new().await;
    let secret = DecodingKey::from_secret(project.key("SUPABASE_JWT_SECRET").as_bytes());
    let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_aud = false;
    for (name, role) in [("SUPABASE_ANON_KEY", "anon"), ("SUPABASE_SERVICE_KEY", "service_role")] {
        let claims = jsonwebtoken::decode::<Value>(project.key(name), &secret, &validation).unwrap().claims;
        assert_eq!((&claims["role"], &claims["iss"]), (&json!(role), &json!("supabase")));
    }
    let session = project.sign_up(ADA).await;
    validation.validate_aud = true;
    validation.set_audience(&["authenticated"]);
    let claims = jsonwebtoken::decode::<Value>(text(&session["access_token"]), &secret, &validation).unwrap().claims;
    assert_eq!(claims["sub"], session["user"]["id"]);
    assert_eq!(claims["iss"], format!("{}/auth/v1", project.base));
    assert_eq!(claims["exp"], session["expires_at"]);
    assert_eq!(claims["amr"][0]["method"], "password");
    for name in ["aal", "session_id", "email", "phone", "app_metadata", "user_metadata", "is_anonymous", "role"] {
        assert!(claims.get(name).is_some(), "{name}");
    }
}

#[rstest]
#[case::any_word("word", "word", 200)]
#[case::another_projects_key("foreign", "foreign", 200)]
#[case::no_jwt_as_a_users_token("word", "no-jwt", 401)]
#[tokio::test]
async fn by_default_every_key_passes(#[case] key: &str, #[case] bearer: &str, #[case] status: u16) {
    let project = Project::new().await;
    let foreign = signed(&json!({"role": "anon", "iss": "supabase", "ref": "another"}), "their secret");
    let named = |name: &str| if name == "foreign" { foreign.clone() } else { name.to_owned() };
    let reply = project.ask(Method::GET, "/rest/v1/", &named(key), &named(bearer), Value::Null).await;
    assert_eq!(reply.status, status, "{}", reply.body);
}

#[tokio::test]
async fn only_the_projects_keys_pass_where_only_those_do() {
    let keys = KeysPlan { accept: KeyPolicy::Own, ..KeysPlan::default() };
    let project = Project::with(SupabasePlan { keys, ..SupabasePlan::default() }).await;
    for name in ["ANON_KEY", "SERVICE_KEY", "PUBLISHABLE_KEY", "SECRET_KEY"] {
        let key = project.key(&format!("SUPABASE_{name}"));
        assert_eq!(project.ask(Method::GET, "/rest/v1/", key, key, Value::Null).await.status, 200, "{name}");
    }
    for wrong in ["word", "sb_secret_of-another-project"] {
        let reply = project.ask(Method::GET, "/rest/v1/", wrong, wrong, Value::Null).await;
        assert_eq!((reply.status, text(&reply.body["message"])), (401, "Invalid API key"));
        assert!(text(&reply.body["hint"]).contains("anon"));
    }
}

#[tokio::test]
async fn a_users_own_secret_and_keys_are_used() {
    let secret = "a secret of at least thirty-two characters";
    let mine = signed(&json!({"role": "service_role", "iss": "supabase", "ref": "mine"}), secret);
    let keys = KeysPlan { jwt_secret: Some(Secret::new(secret.into())), ..KeysPlan::default() };
    let project = Project::with(SupabasePlan { keys, ..SupabasePlan::default() }).await;
    let reply = project.ask(Method::GET, "/auth/v1/admin/users", &mine, &mine, Value::Null).await;
    assert_eq!(reply.status, 200);
    let forged = signed(&json!({"role": "service_role"}), "another secret");
    let reply = project.ask(Method::GET, "/rest/v1/", &mine, &forged, Value::Null).await;
    assert_eq!(reply.refusal(), (401, "PGRST301"));
}

#[rstest]
#[case::expired(json!({"role": "authenticated", "exp": 1}), "PGRST303", "JWT expired")]
#[case::not_yet(json!({"role": "authenticated", "nbf": 9_999_999_999_u64}), "PGRST303", "JWT not yet valid")]
#[case::issued_later(json!({"role": "authenticated", "iat": 9_999_999_999_u64}), "PGRST303", "JWT issued at future")]
#[case::no_number(json!({"exp": "soon"}), "PGRST303", "The JWT 'exp' claim must be a number")]
#[case::no_such_role(json!({"role": "wizard"}), "22023", "role \"wizard\" does not exist")]
#[tokio::test]
async fn claims_are_checked_in_postgrests_words(#[case] claims: Value, #[case] code: &str, #[case] message: &str) {
    let project = Project::new().await;
    let token = signed(&claims, project.key("SUPABASE_JWT_SECRET"));
    let reply = project.ask(Method::GET, "/rest/v1/", project.key("SUPABASE_ANON_KEY"), &token, Value::Null).await;
    assert_eq!(reply.refusal(), (401, code));
    assert_eq!(reply.body["message"], message);
    assert_eq!(reply.body.as_object().unwrap().len(), 4);
    if code != "22023" {
        let challenge =
            format!("Bearer error=\"invalid_token\", error_description=\"{}\"", message.replace('"', "\\\""));
        assert_eq!(reply.headers["www-authenticate"], challenge);
    }
}

#[rstest]
#[case::signature(3, "PGRST301", "No suitable key or wrong key type")]
#[case::parts(2, "PGRST301", "Expected 3 parts in JWT; got 2")]
#[tokio::test]
async fn a_token_of_ours_that_was_tampered_with_is_refused(
    #[case] parts: usize,
    #[case] code: &str,
    #[case] message: &str,
) {
    let project = Project::new().await;
    let session = project.sign_up(ADA).await;
    let pieces: Vec<&str> = text(&session["access_token"]).split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(json!({"role": "service_role"}).to_string());
    let token = [pieces[0], &forged, pieces[2]][..parts].join(".");
    let reply = project.ask(Method::GET, "/rest/v1/", project.key("SUPABASE_ANON_KEY"), &token, Value::Null).await;
    assert_eq!(reply.refusal(), (401, code));
    assert_eq!(reply.body["message"], message);
    let reply = project.user(Method::GET, "/user", &token, Value::Null).await;
    assert_eq!(reply.refusal(), (403, "bad_jwt"));
}

#[tokio::test]
async fn an_access_token_expires_for_every_service() {
    let plan = AuthPlan { jwt_expiry: Span::from_secs(20), ..AuthPlan::default() };
    let project = Project::auth(plan).await;
    let session = project.sign_up(ADA).await;
    assert_eq!(session["expires_in"], 20);
    let token = text(&session["access_token"]);
    let rest =
        async || project.ask(Method::GET, "/rest/v1/", project.key("SUPABASE_ANON_KEY"), token, Value::Null).await;
    assert_eq!((rest().await.status, project.user(Method::GET, "/user", token, Value::Null).await.status), (200, 200));
    later(21).await;
    // PostgREST allows the clocks to differ by 30 s; Auth does not.
    let reply = project.user(Method::GET, "/user", token, Value::Null).await;
    assert_eq!(reply.refusal(), (403, "bad_jwt"));
    assert!(text(&reply.body["message"]).ends_with("token is expired"));
    assert_eq!(rest().await.status, 200);
    later(31).await;
    assert_eq!(rest().await.body["message"], "JWT expired");
    assert_eq!(project.refresh(&session["refresh_token"]).await.status, 200);
}

#[tokio::test]
async fn an_asymmetric_key_is_published_and_signs_users_tokens() {
    let keys = KeysPlan { signing: Signing::Es256 { key: None }, ..KeysPlan::default() };
    let project = Project::with(SupabasePlan { keys, ..SupabasePlan::default() }).await;
    let session = project.sign_up(ADA).await;
    let jwks = project.anon(Method::GET, "/.well-known/jwks.json", Value::Null).await.body;
    let key = DecodingKey::from_jwk(&serde_json::from_value(jwks["keys"][0].clone()).unwrap()).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["authenticated"]);
    let token = jsonwebtoken::decode::<Value>(text(&session["access_token"]), &key, &validation).unwrap();
    assert_eq!(jwks["keys"][0]["kid"], token.header.kid.unwrap());
    assert_eq!(project.user(Method::GET, "/user", text(&session["access_token"]), Value::Null).await.status, 200);
    let none = Project::new().await.anon(Method::GET, "/.well-known/jwks.json", Value::Null).await.body;
    assert_eq!(none, json!({"keys": []}));
}

// --- The gateway ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn browsers_may_ask_before_they_send() {
    let project = Project::new().await;
    let request = project.client.request(Method::OPTIONS, format!("{}/rest/v1/items", project.base));
    let request = request.header("origin", "http://app").header("access-control-request-headers", "apikey,x-mine");
    let request = request.header("access-control-request-method", "PATCH");
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    assert_eq!(reply.headers()["access-control-allow-headers"], "apikey,x-mine");
    assert!(reply.headers()["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    let request = project.client.get(format!("{}/rest/v1/", project.base)).header("apikey", "k");
    let reply = request.header("origin", "http://app").send().await.unwrap();
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    assert!(reply.headers()["access-control-expose-headers"].to_str().unwrap().contains("Content-Range"));
}

#[rstest]
#[case("/auth/v1/verify?type=signup&token=x", 303)]
#[case("/auth/v1/authorize?provider=google", 400)]
#[case("/auth/v1/.well-known/jwks.json", 200)]
#[case("/auth/v1/health", 401)]
#[case("/rest-admin/v1/ready", 200)]
#[case("/nowhere", 404)]
#[tokio::test]
async fn some_paths_need_no_key(#[case] path: &str, #[case] status: u16) {
    let project = Project::new().await;
    let reply = project.client.get(format!("{}{path}", project.base)).send().await.unwrap();
    assert_eq!(reply.status(), status);
}

// --- Signing up and in ------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_user_signs_up_in_again_and_out() {
    let project = Project::new().await;
    let body = json!({"email": "Ada@Example.com", "password": "secret-1", "data": {"plan": "pro"}});
    let session = project.anon(Method::POST, "/signup", body).await.body;
    let user = &session["user"];
    assert_eq!((&session["token_type"], &session["expires_in"]), (&json!("bearer"), &json!(3600)));
    assert_eq!(
        (&user["email"], &user["aud"], &user["role"]),
        (&json!(ADA), &json!("authenticated"), &json!("authenticated"))
    );
    assert_eq!((&user["phone"], &user["is_anonymous"]), (&json!(""), &json!(false)));
    assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(user["user_metadata"]["plan"], "pro");
    assert_eq!(user["identities"][0]["identity_data"]["sub"], user["id"]);
    for name in ["created_at", "updated_at", "last_sign_in_at", "email_confirmed_at", "confirmed_at"] {
        assert!(text(&user[name]).ends_with('Z'), "{name}");
    }
    let again = project.anon(Method::POST, "/signup", json!({"email": ADA, "password": "secret-1"})).await;
    assert_eq!(again.refusal(), (422, "user_already_exists"));

    let wish = |password: &str| json!({"email": "ADA@example.com", "password": password});
    let token = "/token?grant_type=password";
    assert_eq!(project.anon(Method::POST, token, wish("wrong")).await.refusal(), (400, "invalid_credentials"));
    let session = project.anon(Method::POST, token, wish("secret-1")).await.body;
    let access = text(&session["access_token"]);
    assert_eq!(project.user(Method::GET, "/user", access, Value::Null).await.body["id"], user["id"]);
    let reply = project.user(Method::POST, "/logout?scope=local", access, Value::Null).await;
    assert_eq!((reply.status, reply.body), (204, Value::Null));
    assert_eq!(project.user(Method::GET, "/user", access, Value::Null).await.refusal(), (403, "session_not_found"));
    assert_eq!(project.refresh(&session["refresh_token"]).await.refusal(), (400, "refresh_token_not_found"));
}

#[rstest]
#[case::short(json!({"email": ADA, "password": "short"}), 422, "weak_password")]
#[case::no_password(json!({"email": ADA}), 400, "validation_failed")]
#[case::no_address(json!({"email": "ada", "password": "secret-1"}), 400, "validation_failed")]
#[case::phone(json!({"phone": "+15550001", "password": "secret-1"}), 400, "phone_provider_disabled")]
#[case::both(json!({"email": ADA, "phone": "+1", "password": "secret-1"}), 400, "validation_failed")]
#[case::long(json!({"email": ADA, "password": "x".repeat(73)}), 400, "validation_failed")]
#[case::no_object(json!("text"), 400, "bad_json")]
#[case::challenge(json!({"email": ADA, "password": "secret-1", "code_challenge": "c"}), 400, "validation_failed")]
#[tokio::test]
async fn sign_ups_are_refused_in_auths_words(#[case] body: Value, #[case] status: u16, #[case] code: &str) {
    let reply = Project::new().await.anon(Method::POST, "/signup", body).await;
    assert_eq!(reply.refusal(), (status, code));
    assert_eq!(reply.headers["x-sb-error-code"], code);
    assert_eq!(reply.headers["x-supabase-api-version"], "2024-01-01");
    if code == "weak_password" {
        assert_eq!(reply.body["weak_password"], json!({"reasons": ["length"]}));
    }
}

#[tokio::test]
async fn refusals_have_an_older_shape_for_older_clients() {
    let project = Project::new().await;
    for version in [None, Some("2023-01-01"), Some("yesterday")] {
        let request = project.client.post(format!("{}/auth/v1/token?grant_type=password", project.base));
        let request = request.header("apikey", "k").json(&json!({"email": ADA, "password": "x"}));
        let request =
            version.into_iter().fold(request, |request, version| request.header("x-supabase-api-version", version));
        let reply = request.send().await.unwrap();
        assert_eq!(reply.headers()["x-sb-error-code"], "invalid_credentials");
        assert!(!reply.headers().contains_key("x-supabase-api-version"));
        let body: Value = reply.json().await.unwrap();
        assert_eq!(body, json!({"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}));
    }
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_reused_one_costs_the_family() {
    let project = Project::new().await;
    let first = project.sign_up(ADA).await;
    let second = project.refresh(&first["refresh_token"]).await.body;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(claims(&first["access_token"])["session_id"], claims(&second["access_token"])["session_id"]);
    // The parent of the token in use gives that token again: the answer may have been lost.
    assert_eq!(project.refresh(&first["refresh_token"]).await.body["refresh_token"], second["refresh_token"]);
    let third = project.refresh(&second["refresh_token"]).await.body;
    later(11).await;
    assert_eq!(project.refresh(&first["refresh_token"]).await.refusal(), (400, "refresh_token_already_used"));
    later(11).await;
    let reply = project.refresh(&third["refresh_token"]).await;
    assert_eq!(reply.refusal(), (400, "refresh_token_already_used"));
    assert_eq!(reply.body["message"], "Invalid Refresh Token: Already Used");
    assert_eq!(project.refresh(&json!("aaaabbbbcccc")).await.refusal(), (400, "refresh_token_not_found"));
    assert_eq!(project.refresh(&json!("")).await.refusal(), (400, "validation_failed"));
}

#[tokio::test]
async fn two_runs_of_a_seed_make_the_same_ids_and_tokens() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let session = Project::new().await.sign_up(ADA).await;
        seen.push((
            session["user"]["id"].clone(),
            session["refresh_token"].clone(),
            claims(&session["access_token"])["session_id"].clone(),
        ));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn logging_out_has_three_scopes() {
    let project = Project::new().await;
    let mut sessions = vec![project.sign_up(ADA).await];
    for _ in 0..2 {
        let wish = json!({"email": ADA, "password": "secret-1"});
        sessions.push(project.anon(Method::POST, "/token?grant_type=password", wish).await.body);
    }
    let alive = async |index: usize| {
        let token: &Value = &sessions[index]["access_token"];
        project.user(Method::GET, "/user", text(token), Value::Null).await.status == 200
    };
    let log_out = async |index: usize, scope: &str| {
        let token = text(&sessions[index]["access_token"]);
        project.user(Method::POST, &format!("/logout?scope={scope}"), token, Value::Null).await.status
    };
    assert_eq!(log_out(0, "sideways").await, 400);
    assert_eq!(log_out(2, "local").await, 204);
    assert_eq!((alive(0).await, alive(1).await, alive(2).await), (true, true, false));
    assert_eq!(log_out(0, "others").await, 204);
    assert_eq!((alive(0).await, alive(1).await), (true, false));
    assert_eq!(log_out(0, "global").await, 204);
    assert!(!alive(0).await);
}

#[tokio::test]
async fn somebody_signs_in_anonymously_and_tells_who_it_is_later() {
    let project = Project::new().await;
    let session = project.anon(Method::POST, "/signup", json!({"data": {}})).await.body;
    assert_eq!((&session["user"]["is_anonymous"], &session["user"]["email"]), (&json!(true), &json!("")));
    assert_eq!(claims(&session["access_token"])["is_anonymous"], true);
    let token = text(&session["access_token"]);
    let update = json!({"email": ADA, "password": "secret-1"});
    let user = project.user(Method::PUT, "/user", token, update).await.body;
    assert_eq!((&user["is_anonymous"], &user["email"]), (&json!(false), &json!(ADA)));
    let off = Project::auth(AuthPlan { anonymous_sign_ins: false, ..AuthPlan::default() }).await;
    let reply = off.anon(Method::POST, "/signup", json!({})).await;
    assert_eq!(reply.refusal(), (422, "anonymous_provider_disabled"));
}

#[tokio::test]
async fn a_user_changes_what_is_its_own() {
    let project = Project::new().await;
    let session = project.sign_up(ADA).await;
    let token = text(&session["access_token"]);
    let put = async |body: Value| project.user(Method::PUT, "/user", token, body).await;
    let user = put(json!({"data": {"plan": "pro"}})).await.body;
    assert_eq!(user["user_metadata"]["plan"], "pro");
    assert_eq!(put(json!({"password": "secret-1"})).await.refusal(), (422, "same_password"));
    assert_eq!(put(json!({"app_metadata": {"admin": true}})).await.refusal(), (403, "not_admin"));
    assert_eq!(put(json!({"password": "secret-2"})).await.status, 200);
    let sign_in = async |password: &str| {
        project
            .anon(Method::POST, "/token?grant_type=password", json!({"email": ADA, "password": password}))
            .await
            .status
    };
    assert_eq!((sign_in("secret-1").await, sign_in("secret-2").await), (400, 200));
    // A new address counts once it is confirmed.
    assert_eq!(put(json!({"email": "lovelace@example.com"})).await.body["new_email"], "lovelace@example.com");
    let mail = project.mail().await;
    assert_eq!((&mail["to"], &mail["type"]), (&json!("lovelace@example.com"), &json!("email_change")));
    let wish = json!({"type": "email_change", "token_hash": mail["token_hash"]});
    assert_eq!(project.anon(Method::POST, "/verify", wish).await.body["user"]["email"], "lovelace@example.com");
}

// --- By mail ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_address_is_confirmed_with_the_code_of_the_mail() {
    let project = Project::auth(AuthPlan { confirm_email: true, ..AuthPlan::default() }).await;
    let user = project.sign_up(ADA).await;
    assert!(user.get("access_token").is_none() && user.get("email_confirmed_at").is_none());
    let wish = json!({"email": ADA, "password": "secret-1"});
    let early = project.anon(Method::POST, "/token?grant_type=password", wish.clone()).await;
    assert_eq!(early.refusal(), (400, "email_not_confirmed"));
    let mail = project.mail().await;
    assert_eq!((&mail["to"], &mail["type"]), (&json!(ADA), &json!("signup")));
    let verify = async |token: &str| {
        project.anon(Method::POST, "/verify", json!({"type": "email", "email": ADA, "token": token})).await
    };
    assert_eq!(verify("not-it").await.refusal(), (403, "otp_expired"));
    let session = verify(text(&mail["token"])).await.body;
    assert_eq!(claims(&session["access_token"])["amr"][0]["method"], "otp");
    assert_eq!(verify(text(&mail["token"])).await.refusal(), (403, "otp_expired"), "a code is good once");
    assert_eq!(project.anon(Method::POST, "/token?grant_type=password", wish.clone()).await.status, 200);
    // Nobody learns that the address is taken: it looks like a new user, and is none.
    let fake = project.anon(Method::POST, "/signup", wish).await;
    assert_eq!((fake.status, &fake.body["identities"]), (200, &json!([])));
    assert_ne!(fake.body["id"], session["user"]["id"]);
}

#[tokio::test]
async fn a_link_leads_to_a_session_and_is_good_for_an_hour() {
    let project = Project::new().await;
    project.sign_up(ADA).await;
    let ask = json!({"email": ADA});
    assert_eq!(project.anon(Method::POST, "/recover?redirect_to=http://app/reset", ask.clone()).await.body, json!({}));
    let follow = async |link: &str| {
        project.client.get(link).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
    };
    let mail = project.mail().await;
    let location = follow(text(&mail["link"])).await;
    assert!(location.starts_with("http://app/reset#access_token=ey"), "{location}");
    assert!(location.contains("&type=recovery") && location.contains("&refresh_token="));
    assert!(follow(text(&mail["link"])).await.contains("error_code=otp_expired"));
    project.anon(Method::POST, "/recover", ask.clone()).await;
    let mail = project.mail().await;
    later(3_601).await;
    let location = follow(text(&mail["link"])).await;
    assert!(location.starts_with("http://localhost:3000#error=access_denied&error_code=otp_expired"), "{location}");
    let nobody = project.anon(Method::POST, "/recover", json!({"email": "nobody@example.com"})).await;
    assert_eq!((nobody.status, nobody.body), (200, json!({})));
}

#[tokio::test]
async fn a_magic_link_makes_a_user_unless_it_may_not() {
    let project = Project::new().await;
    let reply = project.anon(Method::POST, "/otp", json!({"email": ADA, "create_user": false})).await;
    assert_eq!(reply.refusal(), (422, "otp_disabled"));
    assert_eq!(project.anon(Method::POST, "/otp", json!({"email": ADA, "create_user": true})).await.status, 200);
    let mail = project.mail().await;
    assert_eq!(mail["type"], "magiclink");
    let wish = json!({"type": "magiclink", "token_hash": mail["token_hash"]});
    assert_eq!(project.anon(Method::POST, "/verify", wish).await.body["user"]["email"], ADA);
    let both = json!({"type": "magiclink", "token_hash": "x", "email": ADA});
    assert_eq!(project.anon(Method::POST, "/verify", both).await.refusal(), (400, "validation_failed"));
}

#[tokio::test]
async fn a_code_is_exchanged_by_who_asked_for_it() {
    let project = Project::new().await;
    project.sign_up(ADA).await;
    // RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let wish = json!({"email": ADA, "code_challenge": challenge, "code_challenge_method": "s256"});
    project.anon(Method::POST, "/otp?redirect_to=http://app/", wish).await;
    let mail = project.mail().await;
    assert!(text(&mail["token_hash"]).starts_with("pkce_"));
    let reply = project.client.get(text(&mail["link"])).send().await.unwrap();
    let location = reply.headers()["location"].to_str().unwrap().to_owned();
    let code = location.strip_prefix("http://app/?code=").unwrap();
    let exchange = async |verifier: &str| {
        let wish = json!({"auth_code": code, "code_verifier": verifier});
        project.anon(Method::POST, "/token?grant_type=pkce", wish).await
    };
    assert_eq!(exchange("another").await.refusal(), (400, "bad_code_verifier"));
    assert_eq!(exchange(verifier).await.body["user"]["email"], ADA);
    assert_eq!(exchange(verifier).await.refusal(), (404, "flow_state_not_found"));
}

#[tokio::test]
async fn id_tokens_of_configured_providers_sign_in() {
    let plan = AuthPlan { id_token_providers: vec!["google".into()], ..AuthPlan::default() };
    let project = Project::auth(plan).await;
    let token = signed(&json!({"sub": "g-1", "email": ADA, "name": "Ada"}), "Google's");
    let sign_in = async |provider: &str| {
        project.anon(Method::POST, "/token?grant_type=id_token", json!({"provider": provider, "id_token": token})).await
    };
    assert_eq!(sign_in("apple").await.refusal(), (400, "provider_disabled"));
    let first = sign_in("google").await.body;
    assert_eq!(first["user"]["app_metadata"]["provider"], "google");
    assert_eq!(first["user"]["user_metadata"]["name"], "Ada");
    assert_eq!(sign_in("google").await.body["user"]["id"], first["user"]["id"], "known again");
}

// --- Administration ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_server_makes_lists_changes_and_deletes_users() {
    let project = Project::new().await;
    for n in 0..5 {
        let body = json!({"email": format!("u{n}@example.com"), "password": "secret-1", "email_confirm": true,
                          "user_metadata": {"n": n}, "app_metadata": {"tier": "gold"}});
        let user = project.service(Method::POST, "/admin/users", body).await;
        assert_eq!((user.status, &user.body["app_metadata"]["tier"]), (200, &json!("gold")));
    }
    let taken = project.service(Method::POST, "/admin/users", json!({"email": "u0@example.com"})).await;
    assert_eq!(taken.refusal(), (422, "email_exists"));
    let page = project.service(Method::GET, "/admin/users?page=2&per_page=2", Value::Null).await;
    let emails: Vec<_> = page.body["users"].as_array().unwrap().iter().map(|user| text(&user["email"])).collect();
    assert_eq!(emails, ["u2@example.com", "u1@example.com"], "the newest first");
    assert_eq!(page.headers["x-total-count"], "5");
    assert_eq!(
        page.headers["link"],
        "</admin/users?page=3&per_page=2>; rel=\"next\", </admin/users?page=3&per_page=2>; rel=\"last\""
    );
    let id = text(&page.body["users"][0]["id"]);
    let path = format!("/admin/users/{id}");
    let banned =
        project.service(Method::PUT, &path, json!({"ban_duration": "24h", "user_metadata": {"n": null}})).await.body;
    assert!(banned.get("banned_until").is_some() && banned["user_metadata"].get("n").is_none());
    let wish = json!({"email": "u2@example.com", "password": "secret-1"});
    let sign_in = async || project.anon(Method::POST, "/token?grant_type=password", wish.clone()).await;
    assert_eq!(sign_in().await.refusal(), (400, "user_banned"));
    project.service(Method::PUT, &path, json!({"ban_duration": "none"})).await;
    let session = sign_in().await.body;
    assert_eq!(project.service(Method::DELETE, &path, Value::Null).await.body, json!({}));
    assert_eq!(project.service(Method::GET, &path, Value::Null).await.refusal(), (404, "user_not_found"));
    let gone = project.user(Method::GET, "/user", text(&session["access_token"]), Value::Null).await;
    assert_eq!(gone.refusal(), (403, "user_not_found"));
}

#[tokio::test]
async fn only_the_server_administers() {
    let project = Project::new().await;
    let session = project.sign_up(ADA).await;
    let reply = project.anon(Method::GET, "/admin/users", Value::Null).await;
    assert_eq!(reply.refusal(), (403, "not_admin"));
    let reply = project.user(Method::GET, "/admin/users", text(&session["access_token"]), Value::Null).await;
    assert_eq!(reply.refusal(), (403, "not_admin"));
    let bare = project.client.get(format!("{}/auth/v1/admin/users", project.base)).header("apikey", "k").send().await;
    assert_eq!(bare.unwrap().status(), 401);
    assert_eq!(project.anon(Method::GET, "/user", Value::Null).await.refusal(), (403, "bad_jwt"));
    let key = project.key("SUPABASE_SECRET_KEY");
    assert_eq!(project.ask(Method::GET, "/auth/v1/admin/users", key, key, Value::Null).await.status, 200);
}

#[tokio::test]
async fn links_are_made_without_mails_and_invitations_with() {
    let project = Project::new().await;
    let body = json!({"type": "magiclink", "email": ADA, "redirect_to": "http://app"});
    let link = project.service(Method::POST, "/admin/generate_link", body).await.body;
    assert_eq!((&link["verification_type"], &link["redirect_to"]), (&json!("magiclink"), &json!("http://app")));
    assert!(text(&link["action_link"]).contains(text(&link["hashed_token"])));
    let wish = json!({"type": "magiclink", "token_hash": link["hashed_token"]});
    assert_eq!(project.anon(Method::POST, "/verify", wish).await.body["user"]["id"], link["id"]);
    let invited = project.service(Method::POST, "/invite", json!({"email": "guest@example.com"})).await.body;
    assert!(invited.get("invited_at").is_some());
    let mail = project.mail().await;
    assert_eq!((&mail["to"], &mail["type"]), (&json!("guest@example.com"), &json!("invite")));
    let again = project.service(Method::POST, "/invite", json!({"email": ADA})).await;
    assert_eq!(again.refusal(), (422, "email_exists"));
}

#[tokio::test]
async fn a_seed_brings_users() {
    let id = "6f3f7c1e-5a1b-4b7e-9a60-0d2f8c0f2a11";
    let row = json!({"id": id, "email": ADA, "password": "secret-1", "user_metadata": {"plan": "pro"}});
    let seed = BTreeMap::from([("auth.users".to_owned(), vec![row])]);
    let project = Project::with(SupabasePlan { seed, ..SupabasePlan::default() }).await;
    let wish = json!({"email": ADA, "password": "secret-1"});
    let user = project.anon(Method::POST, "/token?grant_type=password", wish).await.body["user"].clone();
    assert_eq!((&user["id"], &user["user_metadata"]["plan"]), (&json!(id), &json!("pro")));
    let key = project.key("SUPABASE_SERVICE_KEY");
    let root = project.ask(Method::GET, "/rest/v1/", key, key, Value::Null).await.body;
    assert!(!root["paths"].to_string().contains("users"), "the database does not show them: {}", root["paths"]);
}

#[tokio::test]
async fn a_foreign_token_is_taken_at_its_word_for_who_it_names() {
    let project = Project::new().await;
    let id = "6f3f7c1e-5a1b-4b7e-9a60-0d2f8c0f2a11";
    let claims =
        json!({"sub": id, "email": ADA, "role": "authenticated", "exp": 9_999_999_999_u64, "iat": 1_700_000_000});
    let token = signed(&claims, "their secret");
    let user = project.user(Method::GET, "/user", &token, Value::Null).await;
    assert_eq!((user.status, &user.body["id"], &user.body["email"]), (200, &json!(id), &json!(ADA)));
    let own = KeysPlan { accept: KeyPolicy::Own, ..KeysPlan::default() };
    let strict = Project::with(SupabasePlan { keys: own, ..SupabasePlan::default() }).await;
    assert_eq!(strict.user(Method::GET, "/user", &token, Value::Null).await.refusal(), (403, "bad_jwt"));
}
