//! What `upstreams.supabase` says of keys, Auth, buckets and edge functions → the plan of them.

use super::collector::Collector;
use super::request::World;
use super::resolve_target::expand;
use super::supabase_file::{AuthFile, BucketFile, EdgeFunctionFile, ServicesFile};
use super::value::Node;
use crate::model::secret::Secret;
use crate::model::supabase::{AuthPlan, BucketAccess, BucketPlan, EdgeFunctionPlan, KeyPolicy, KeysPlan, Signing};
use crate::model::upstream::SupabasePlan;
use crate::units::{ByteSize, Span};
use jsonwebtoken::EncodingKey;
use std::path::Path;
use toml::Spanned;

/// Keys of `keys` as a table.
const KEYS: [&str; 4] = ["anon", "service", "publishable", "secret"];

/// Fills in what the file says.
pub(super) fn services(
    out: &mut Collector,
    world: &World<'_>,
    file: &ServicesFile<'_>,
    folder: Option<&Path>,
    plan: &mut SupabasePlan,
) {
    plan.keys = keys(out, world, file.keys);
    plan.keys.jwt_secret = file.jwt_secret.and_then(|written| secret(out, world, written, "`jwt-secret`"));
    if let Some(auth) = file.auth {
        plan.auth = self::auth(out, auth);
        plan.keys.signing = signing(out, world, auth, folder);
    }
    for (name, bucket) in file.buckets {
        if name.get_ref().is_empty() || name.get_ref().contains('/') || name.get_ref().len() > 100 {
            out.error(name.span(), "this cannot be the name of a bucket").help("1 to 100 characters, without `/`");
        }
        let bucket = self::bucket(out, bucket);
        plan.buckets.insert(name.get_ref().clone(), bucket);
    }
    for (name, function) in file.edge_functions {
        if name.get_ref().is_empty() || name.get_ref().contains('/') {
            out.error(name.span(), "this cannot be the name of an edge function").help("write it without `/`");
        }
        let function = self::function(out, function);
        plan.edge_functions.insert(name.get_ref().clone(), function);
    }
}

fn keys(out: &mut Collector, world: &World<'_>, written: Option<&Spanned<Node>>) -> KeysPlan {
    let mut plan = KeysPlan::default();
    let Some(written) = written else { return plan };
    match written.get_ref() {
        Node::Text(text) if text == "any" => {}
        Node::Text(text) if text == "own" => plan.accept = KeyPolicy::Own,
        Node::Table(entries) => {
            plan.accept = KeyPolicy::Own;
            let mut taken: Vec<(&str, Secret)> = Vec::new();
            for (name, value) in entries {
                let Node::Text(text) = value.get_ref() else {
                    out.error(value.span(), format!("a key is a text, not {}", value.get_ref().kind()));
                    continue;
                };
                let text = Spanned::new(value.span(), text.clone());
                let key = secret(out, world, &text, "a key");
                if let Some(key) = &key {
                    if let Some((other, _)) = taken.iter().find(|(_, other)| other.expose() == key.expose()) {
                        out.error(value.span(), format!("`{name}` and `{other}` are one key"))
                            .label("whose rights would it have?")
                            .help("give each a key of its own, or leave one away: it is made for the run");
                    }
                    taken.push((name, key.clone()));
                }
                match name.as_str() {
                    "anon" => plan.anon = key,
                    "service" => plan.service = key,
                    "publishable" => plan.publishable = key,
                    "secret" => plan.secret = key,
                    _ => out.unknown(value.span(), "kind of key", name, KEYS),
                }
            }
        }
        _ => {
            out.error(written.span(), "these are no keys")
                .help("keys = \"any\" takes every key, \"own\" those that firedrill gives to the app")
                .help("or name yours: keys = { anon = \"${env.SUPABASE_ANON_KEY}\", service = \"…\" }");
        }
    }
    plan
}

fn secret(out: &mut Collector, world: &World<'_>, written: &Spanned<String>, what: &str) -> Option<Secret> {
    let value = expand(out, world, written);
    // A variable that is not set was reported where it was looked up.
    if value.is_empty() && !written.get_ref().contains("${") {
        out.error(written.span(), format!("{what} cannot be empty")).help("leave it away, and one is made for the run");
    }
    (!value.is_empty()).then(|| Secret::new(value))
}

fn auth(out: &mut Collector, file: &AuthFile) -> AuthPlan {
    let default = AuthPlan::default();
    let jwt_expiry = out.positive(file.jwt_exp.as_ref(), "`jwt-exp`", default.jwt_expiry);
    if let Some(written) = &file.jwt_exp
        && jwt_expiry < Span::from_secs(1)
    {
        out.error(written.span(), "a token expires in whole seconds").help("write at least \"1s\"");
    }
    let length = file.password_min_length.as_ref();
    if let Some(written) = &file.site_url
        && url::Url::parse(written.get_ref()).is_err()
    {
        out.error(written.span(), format!("`{}` is not a URL", written.get_ref()))
            .help("write where the app's pages are, such as \"http://localhost:3000\"");
    }
    AuthPlan {
        jwt_expiry,
        confirm_email: file.confirm_email,
        anonymous_sign_ins: file.anonymous_sign_ins.unwrap_or(default.anonymous_sign_ins),
        disable_signup: file.disable_signup,
        // Auth itself takes no fewer than 6 and bcrypt no more than 72.
        password_min_length: length
            .map_or(default.password_min_length, |written| out.number(written, "`password-min-length`", 6_u32, 72)),
        site_url: file.site_url.as_ref().map_or(default.site_url, |written| written.get_ref().clone()),
        id_token_providers: file.id_token_providers.clone(),
    }
}

fn signing(out: &mut Collector, world: &World<'_>, file: &AuthFile, folder: Option<&Path>) -> Signing {
    let algorithm = file.jwt_algorithm.as_ref().map_or("HS256", |written| written.get_ref().as_str());
    let key = file.jwt_key.as_ref();
    match (algorithm, key) {
        ("HS256", None) => Signing::Secret,
        ("HS256", Some(key)) => {
            out.error(key.span(), "HS256 signs with the secret, not with a key")
                .help("add jwt-algorithm = \"ES256\" or \"RS256\", or write a `jwt-secret`");
            Signing::Secret
        }
        ("ES256", key) => {
            let read = |pem: &[u8]| EncodingKey::from_ec_pem(pem).is_ok();
            Signing::Es256 { key: key.and_then(|key| private_key(out, world, key, folder, "EC P-256", read)) }
        }
        ("RS256", Some(key)) => {
            let read = |pem: &[u8]| EncodingKey::from_rsa_pem(pem).is_ok();
            private_key(out, world, key, folder, "RSA", read).map_or(Signing::Secret, |key| Signing::Rs256 { key })
        }
        ("RS256", None) => {
            let span = file.jwt_algorithm.as_ref().map(Spanned::span).unwrap_or_default();
            out.error(span, "RS256 needs a private key")
                .help("name a file of yours: jwt-key = \"rsa.pem\" (`openssl genrsa -out rsa.pem 2048` makes one)");
            Signing::Secret
        }
        (other, _) => {
            let span = file.jwt_algorithm.as_ref().map(Spanned::span).unwrap_or_default();
            out.unknown(span, "algorithm", other, ["HS256", "ES256", "RS256"]);
            Signing::Secret
        }
    }
}

/// The private key in a file, or in the environment.
fn private_key(
    out: &mut Collector,
    world: &World<'_>,
    written: &Spanned<String>,
    folder: Option<&Path>,
    kind: &str,
    readable: impl FnOnce(&[u8]) -> bool,
) -> Option<Secret> {
    let text = expand(out, world, written);
    if text.is_empty() {
        return None;
    }
    let pem = if text.trim_start().starts_with("-----BEGIN") {
        text
    } else {
        let beside = folder.map(|folder| folder.join(&text)).filter(|path| path.is_file());
        let path = beside.unwrap_or_else(|| text.as_str().into());
        match std::fs::read_to_string(&path) {
            Ok(pem) => pem,
            Err(error) => {
                // The path may come from the environment, which is not shown.
                out.error(written.span(), format!("`{}` cannot be read: {error}", written.get_ref()))
                    .help("its path counts from the scenario's folder, or from the working folder");
                return None;
            }
        }
    };
    if !readable(pem.as_bytes()) {
        out.error(written.span(), format!("this is no {kind} private key in PEM (PKCS #8)"))
            .help("`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` or `openssl genrsa 2048` make one");
        return None;
    }
    Some(Secret::new(pem))
}

fn bucket(out: &mut Collector, file: &BucketFile) -> BucketPlan {
    let access = file.access.as_ref().map_or(BucketAccess::Service, |written| match written.get_ref().as_str() {
        "service" => BucketAccess::Service,
        "users" => BucketAccess::Users,
        "everybody" => BucketAccess::Everybody,
        other => {
            out.unknown(written.span(), "access", other, ["service", "users", "everybody"]);
            BucketAccess::Service
        }
    });
    BucketPlan {
        public: file.public,
        access,
        file_size_limit: file.file_size_limit.as_ref().map(|written| out.quantity(written, ByteSize(0))),
        allowed_mime_types: file.allowed_mime_types.clone(),
    }
}

fn function(out: &mut Collector, file: &EdgeFunctionFile) -> EdgeFunctionPlan {
    let default = EdgeFunctionPlan::default();
    let body = match (&file.json, &file.text) {
        (Some(_), Some(text)) => {
            out.error(text.span(), "an edge function answers either `json` or `text`").help("leave one of them away");
            default.body
        }
        (Some(json), None) => json.get_ref().to_json(),
        (None, Some(text)) => text.get_ref().as_str().into(),
        (None, None) => default.body,
    };
    if let Some(status) = &file.status
        && let 204 | 205 | 304 = status.get_ref()
        && let Some(span) = file.json.as_ref().map(Spanned::span).or(file.text.as_ref().map(Spanned::span))
    {
        out.error(span, format!("an answer with status {} has no body", status.get_ref()))
            .help("leave `json` and `text` away, or write another status");
    }
    EdgeFunctionPlan {
        status: file.status.as_ref().map_or(default.status, |written| out.number(written, "`status`", 200, 599)),
        body,
        verify_jwt: file.verify_jwt.unwrap_or(default.verify_jwt),
    }
}
