//! The tables of `upstreams.supabase` that are about keys and the services beside the database, as typed.

use super::value::{Node, Quantity};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A table whose keys are free, each with its place.
type Named<T> = BTreeMap<Spanned<String>, T>;

/// `upstreams.supabase.auth`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuthFile {
    /// How long an access token is good; an hour if absent.
    pub(super) jwt_exp: Option<Spanned<Quantity>>,
    #[serde(default)]
    pub(super) confirm_email: bool,
    /// Yes if absent.
    pub(super) anonymous_sign_ins: Option<bool>,
    #[serde(default)]
    pub(super) disable_signup: bool,
    /// 6 if absent.
    pub(super) password_min_length: Option<Spanned<i64>>,
    /// `http://localhost:3000` if absent.
    pub(super) site_url: Option<Spanned<String>>,
    /// Providers whose ID tokens are taken; none if absent.
    #[serde(default)]
    pub(super) id_token_providers: Vec<String>,
    /// `HS256` if absent.
    pub(super) jwt_algorithm: Option<Spanned<String>>,
    /// A file with a private key in PEM; drawn from the seed if absent.
    pub(super) jwt_key: Option<Spanned<String>>,
}

/// `upstreams.supabase.buckets.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BucketFile {
    #[serde(default)]
    pub(super) public: bool,
    /// Whom its policies let in beside the service: nobody if absent.
    pub(super) access: Option<Spanned<String>>,
    pub(super) file_size_limit: Option<Spanned<Quantity>>,
    #[serde(default)]
    pub(super) allowed_mime_types: Vec<String>,
}

/// `upstreams.supabase.edge-functions.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EdgeFunctionFile {
    /// 200 if absent.
    pub(super) status: Option<Spanned<i64>>,
    /// `{}` if neither this nor `text` is there.
    pub(super) json: Option<Spanned<Node>>,
    pub(super) text: Option<Spanned<String>>,
    /// Yes if absent.
    pub(super) verify_jwt: Option<bool>,
}

/// What `upstreams.supabase` says of all that.
#[derive(Debug)]
pub(super) struct ServicesFile<'a> {
    /// `"any"`, `"own"` or a table of keys.
    pub(super) keys: Option<&'a Spanned<Node>>,
    /// The secret of the project's tokens.
    pub(super) jwt_secret: Option<&'a Spanned<String>>,
    /// Auth.
    pub(super) auth: Option<&'a AuthFile>,
    /// Buckets by their names.
    pub(super) buckets: &'a Named<BucketFile>,
    /// Edge functions by their names.
    pub(super) edge_functions: &'a Named<EdgeFunctionFile>,
}
