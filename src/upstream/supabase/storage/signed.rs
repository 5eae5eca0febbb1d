//! URLs that are good for a time without a key: making them (`/object/sign`, `/object/upload/sign`) and using them.

use super::error::{Result, StorageError, reason};
use super::objects::visible;
use super::service::{Ask, Storage};
use crate::upstream::answer::Answer;
use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// How long a URL for an upload is good, in seconds.
const UPLOAD_LASTS: u64 = 7_200;
/// What `encodeURI` leaves alone is not here.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'?').add(b'#').add(b'%');

/// A number of seconds. Python's client writes it as a text; the real service's validator takes that for a number.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    let written = Value::deserialize(deserializer)?;
    let number = written.as_i64().or_else(|| written.as_str()?.trim().parse().ok());
    let number = number.ok_or_else(|| D::Error::custom("body/expiresIn must be integer"))?;
    u64::try_from(number)
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| D::Error::custom("body/expiresIn must be >= 1"))
}

impl Storage {
    pub(super) fn sign_one(&self, ask: &Ask<'_>, place: &(String, String)) -> Result<Answer> {
        #[derive(Deserialize)]
        struct Wish {
            #[serde(rename = "expiresIn", deserialize_with = "seconds")]
            expires_in: u64,
        }
        let wish: Wish = ask.body()?;
        let shelf = self.read();
        visible(&shelf, ask.identity, &place.0)?;
        shelf.object(&place.0, &place.1).ok_or(StorageError::no_object())?;
        Ok(Answer::json(StatusCode::OK, &json!({ "signedURL": self.url(ask, place, wish.expires_in) })))
    }

    pub(super) fn sign_many(&self, ask: &Ask<'_>, bucket: &str) -> Result<Answer> {
        #[derive(Deserialize)]
        struct Wish {
            #[serde(rename = "expiresIn", deserialize_with = "seconds")]
            expires_in: u64,
            paths: Vec<String>,
        }
        let wish: Wish = ask.body()?;
        let shelf = self.read();
        let visible = visible(&shelf, ask.identity, bucket).is_ok();
        let rows: Vec<Value> = wish
            .paths
            .into_iter()
            .map(|path| {
                if visible && shelf.object(bucket, &path).is_some() {
                    let url = self.url(ask, &(bucket.to_owned(), path.clone()), wish.expires_in);
                    json!({"error": null, "path": path, "signedURL": url})
                } else {
                    let error = "Either the object does not exist or you do not have access to it";
                    json!({"error": error, "path": path, "signedURL": null})
                }
            })
            .collect();
        Ok(Answer::json(StatusCode::OK, &rows))
    }

    fn url(&self, ask: &Ask<'_>, (bucket, name): &(String, String), expires_in: u64) -> String {
        let token = self.sign(ask, &format!("{bucket}/{name}"), expires_in, Map::new());
        format!("/object/sign/{}?token={token}", utf8_percent_encode(&format!("{bucket}/{name}"), PATH))
    }

    fn sign(&self, ask: &Ask<'_>, url: &str, expires_in: u64, mut claims: Map<String, Value>) -> String {
        let now = ask.now.0 / 1_000_000;
        claims.insert("url".to_owned(), url.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), now.saturating_add(expires_in).into());
        self.gatekeeper.keys().sign_with_secret(&claims)
    }

    pub(super) fn signed_download(&self, ask: &Ask<'_>, place: &(String, String)) -> Result<Answer> {
        self.signature(ask, place)?;
        self.sent(ask, place)
    }

    pub(super) fn sign_upload(&self, ask: &Ask<'_>, place: &(String, String)) -> Result<Answer> {
        let shelf = self.read();
        let bucket = shelf.bucket(&place.0).ok_or(StorageError::no_bucket())?;
        if !bucket.admits(ask.identity) {
            return Err(StorageError::denied());
        }
        let upsert = ask.call.header("x-upsert").is_some_and(|value| value == "true");
        if !upsert && shelf.object(&place.0, &place.1).is_some() {
            return Err(StorageError::object_exists());
        }
        let path = format!("{}/{}", place.0, place.1);
        let mut claims = Map::new();
        claims.insert("owner".to_owned(), ask.identity.user.as_deref().into());
        claims.insert("upsert".to_owned(), upsert.into());
        let token = self.sign(ask, &path, UPLOAD_LASTS, claims);
        let url = format!("/object/upload/sign/{}?token={token}", utf8_percent_encode(&path, PATH));
        Ok(Answer::json(StatusCode::OK, &json!({"url": url, "token": token})))
    }

    pub(super) fn signed_upload(&self, ask: &Ask<'_>, place: &(String, String)) -> Result<Answer> {
        let claims = self.signature(ask, place)?;
        let upsert = claims.get("upsert").and_then(Value::as_bool).unwrap_or(false);
        let owner = claims.get("owner").and_then(Value::as_str).map(str::to_owned);
        self.put(ask, place, upsert, owner)
    }

    /// The claims of the token in a signed URL.
    fn signature(&self, ask: &Ask<'_>, (bucket, name): &(String, String)) -> Result<Map<String, Value>> {
        let Some(token) = ask.query("token").filter(|token| !token.is_empty()) else {
            return Err(StorageError::invalid("querystring must have required property 'token'"));
        };
        let (claims, verified) =
            self.gatekeeper.claims(&token).map_err(|error| StorageError::signature(reason(&error)))?;
        if !verified {
            return Err(StorageError::signature("signature verification failed"));
        }
        if claims.get("exp").and_then(Value::as_u64).is_none_or(|expires| expires <= ask.now.0 / 1_000_000) {
            return Err(StorageError::signature("\"exp\" claim timestamp check failed"));
        }
        if claims.get("url").and_then(Value::as_str) != Some(&format!("{bucket}/{name}")) {
            return Err(StorageError::signature("The url do not match the signature"));
        }
        Ok(claims)
    }
}
