//! The parts of the Supabase mock's plan that are about who may call it, and its services beside the database:
//! [`KeysPlan`], [`AuthPlan`], [`BucketPlan`], [`EdgeFunctionPlan`].

use super::secret::Secret;
use crate::units::{ByteSize, Span};
use serde::{Deserialize, Serialize};

/// Which API keys and tokens the gateway takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysPlan {
    /// Which keys pass the gateway.
    pub accept: KeyPolicy,
    /// The project's anon key, a JWT; signed with the JWT secret if absent.
    pub anon: Option<Secret>,
    /// The project's service key, a JWT; signed with the JWT secret if absent.
    pub service: Option<Secret>,
    /// The project's publishable key (`sb_publishable_…`); drawn from the seed if absent.
    pub publishable: Option<Secret>,
    /// The project's secret key (`sb_secret_…`); drawn from the seed if absent.
    pub secret: Option<Secret>,
    /// The HS256 secret of the project's tokens; drawn from the seed if absent.
    pub jwt_secret: Option<Secret>,
    /// What signs users' tokens.
    pub signing: Signing,
}

/// Which keys pass the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPolicy {
    /// Every key, so that an app may keep its own. Tokens that this project signed are verified all the same.
    #[default]
    Any,
    /// Only the project's keys.
    Own,
}

/// What signs users' tokens. The anon and the service key are signed with the shared secret in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// The shared secret (HS256).
    #[default]
    Secret,
    /// An EC P-256 key, published as JWKS.
    Es256 {
        /// The private key in PEM (PKCS #8); drawn from the seed if absent.
        key: Option<Secret>,
    },
    /// An RSA key, published as JWKS.
    Rs256 {
        /// The private key in PEM.
        key: Secret,
    },
}

/// Auth as planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthPlan {
    /// How long an access token is good for.
    pub jwt_expiry: Span,
    /// Whether a new user must confirm the e-mail address before signing in.
    pub confirm_email: bool,
    /// Whether anonymous sign-ins are on.
    pub anonymous_sign_ins: bool,
    /// Whether nobody may sign up.
    pub disable_signup: bool,
    /// The fewest characters that a password has.
    pub password_min_length: u32,
    /// Where links in mails lead when a request does not say.
    pub site_url: String,
    /// Providers whose ID tokens are taken; their signature is not checked.
    pub id_token_providers: Vec<String>,
}

impl Default for AuthPlan {
    /// As a hosted project comes, but with e-mail confirmation off: the local stack's default, without which no test
    /// user could sign in.
    fn default() -> Self {
        Self {
            jwt_expiry: Span::from_secs(3600),
            confirm_email: false,
            anonymous_sign_ins: true,
            disable_signup: false,
            password_min_length: 6,
            site_url: "http://localhost:3000".to_owned(),
            id_token_providers: Vec::new(),
        }
    }
}

/// A bucket of Storage that is there from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketPlan {
    /// Whether everybody may read its objects.
    pub public: bool,
    /// Whom its policies let read and write, beside the service.
    pub access: BucketAccess,
    /// The most bytes that an object may have.
    pub file_size_limit: Option<ByteSize>,
    /// The types that objects may have; all if empty.
    pub allowed_mime_types: Vec<String>,
}

/// Whom a bucket's policies let read and write, beside the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketAccess {
    /// Nobody: there are no policies, as in a new project.
    #[default]
    Service,
    /// Users who signed in.
    Users,
    /// Everybody with a key.
    Everybody,
}

/// What an edge function answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeFunctionPlan {
    /// The status.
    pub status: u16,
    /// The body as JSON; a text is sent as plain text.
    pub body: serde_json::Value,
    /// Whether the gateway wants a token of the project first (`verify_jwt`).
    pub verify_jwt: bool,
}

impl Default for EdgeFunctionPlan {
    fn default() -> Self {
        Self { status: 200, body: serde_json::Value::Object(serde_json::Map::new()), verify_jwt: true }
    }
}
