//! [`StorageError`]: a refusal in the words of Storage.

use crate::upstream::answer::Answer;
use crate::upstream::supabase::identity::TokenError;
use http::StatusCode;
use serde::Serialize;
use std::borrow::Cow;

/// A refused or failed request. Storage answers all but its own failures with 400, and the true status as text in the
/// body (`StorageBackendError` of its source).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError {
    status: u16,
    code: &'static str,
    error: &'static str,
    message: Cow<'static, str>,
}

/// What one of Storage's handlers answers.
pub type Result<T> = std::result::Result<T, StorageError>;

impl StorageError {
    const fn fixed(status: u16, code: &'static str, error: &'static str, message: &'static str) -> Self {
        Self { status, code, error, message: Cow::Borrowed(message) }
    }

    /// There is no such bucket, or the caller may not see it.
    pub const fn no_bucket() -> Self {
        Self::fixed(404, "NoSuchBucket", "Bucket not found", "Bucket not found")
    }

    /// There is no such object, or the caller may not see it.
    pub const fn no_object() -> Self {
        Self::fixed(404, "NoSuchKey", "not_found", "Object not found")
    }

    /// There is such an object already.
    pub const fn object_exists() -> Self {
        Self::fixed(409, "KeyAlreadyExists", "Duplicate", "The resource already exists")
    }

    /// There is such a bucket already.
    pub const fn bucket_exists() -> Self {
        Self::fixed(409, "BucketAlreadyExists", "Duplicate", "The resource already exists")
    }

    /// A bucket with objects cannot be deleted.
    pub const fn not_empty() -> Self {
        Self::fixed(409, "ResourceNotEmpty", "ResourceNotEmpty", "The bucket you tried to delete is not empty")
    }

    /// No policy lets the caller do that.
    pub const fn denied() -> Self {
        Self::fixed(403, "AccessDenied", "Unauthorized", "new row violates row-level security policy")
    }

    /// The object is larger than its bucket takes.
    pub const fn too_large() -> Self {
        Self::fixed(413, "EntityTooLarge", "Payload too large", "The object exceeded the maximum allowed size")
    }

    /// The bucket takes other types only.
    pub fn mime_type(kind: &str) -> Self {
        let message = format!("mime type {} is not supported", shortened(kind));
        Self { status: 415, code: "InvalidMimeType", error: "invalid_mime_type", message: message.into() }
    }

    /// A name that no object may have.
    pub fn key(key: &str) -> Self {
        let message = format!("Invalid key: {}", shortened(key));
        Self { status: 400, code: "InvalidKey", error: "InvalidKey", message: message.into() }
    }

    /// A name that no bucket may have.
    pub const fn bucket_name() -> Self {
        Self::fixed(400, "InvalidBucketName", "Invalid Input", "Bucket name invalid")
    }

    /// A body or a query that cannot be read.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, code: "InvalidRequest", error: "Error", message: message.into() }
    }

    /// A part of the file that is not there.
    pub const fn range() -> Self {
        Self::fixed(400, "InvalidRange", "invalid_range", "invalid range provided")
    }

    /// The token of a signed URL is not good, and why.
    pub fn signature(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, code: "InvalidJWT", error: "InvalidJWT", message: message.into() }
    }

    /// The request's token is not good.
    pub fn token(error: &TokenError) -> Self {
        Self { status: 403, code: "AccessDenied", error: "Unauthorized", message: reason(error).into() }
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "statusCode")]
            status: String,
            code: &'a str,
            error: &'a str,
            message: &'a str,
        }
        let status = if self.status == 500 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
        let (code, error, message) = (self.code, self.error, &*self.message);
        let body = Body { status: self.status.to_string(), code, error, message };
        Answer::json(status, &body).with("content-type", "application/json; charset=utf-8")
    }
}

/// Why a token is refused, in the words of Storage's JWT library (jose).
pub fn reason(error: &TokenError) -> &'static str {
    match error {
        TokenError::Empty | TokenError::Parts(_) => "Invalid Compact JWS",
        TokenError::Header => "Failed to parse the protected header",
        TokenError::NoKey | TokenError::Signature => "signature verification failed",
        TokenError::Claims | TokenError::ClaimType(_) => "JWT Claims Set must be a top-level JSON object",
        TokenError::Expired => "\"exp\" claim timestamp check failed",
        TokenError::NotYetValid => "\"nbf\" claim timestamp check failed",
        TokenError::IssuedInFuture => "\"iat\" claim timestamp check failed",
        TokenError::UnknownRole(_) => "role does not exist",
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
