//! [`Upload`]: a file as a client sends it, in a form of several parts (Python, browsers) or raw.

use super::error::{Result, StorageError};
use crate::upstream::answer::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use serde_json::{Map, Value};
use std::convert::Infallible;

/// A file that was sent.
#[derive(Debug)]
pub struct Upload {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its type.
    pub kind: String,
    /// For how long it may be kept.
    pub cache_control: String,
    /// What the client told about it.
    pub metadata: Option<Map<String, Value>>,
}

impl Upload {
    /// Reads the file of a request.
    ///
    /// # Errors
    /// When the form cannot be read or holds no file.
    pub fn read(call: &Call<'_>) -> Result<Self> {
        let kind = call.header("content-type").unwrap_or("application/octet-stream");
        match multer::parse_boundary(kind) {
            Ok(boundary) => read_form(call.body, boundary),
            Err(_) => {
                let metadata = call.header("x-metadata").and_then(|text| STANDARD.decode(text).ok());
                Ok(Self {
                    bytes: Bytes::copy_from_slice(call.body),
                    kind: kind.to_owned(),
                    cache_control: call.header("cache-control").unwrap_or("no-cache").to_owned(),
                    metadata: metadata.and_then(|text| serde_json::from_slice(&text).ok()),
                })
            }
        }
    }
}

fn read_form(body: &[u8], boundary: String) -> Result<Upload> {
    let body = Bytes::copy_from_slice(body);
    let form = multer::Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    // All of the body is there, so that reading it never waits.
    read_fields(form).now_or_never().unwrap_or_else(|| Err(StorageError::invalid("Unexpected end of form")))
}

async fn read_fields(mut form: multer::Multipart<'_>) -> Result<Upload> {
    let broken = |error: multer::Error| StorageError::invalid(error.to_string());
    let (mut file, mut cache_control, mut metadata) = (None, "no-cache".to_owned(), None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("cacheControl") => cache_control = format!("max-age={}", field.text().await.map_err(broken)?),
            Some("metadata") => {
                let text = field.text().await.map_err(broken)?;
                metadata = serde_json::from_str(&text).ok();
            }
            _ if file.is_none() => {
                let kind = field.content_type().map_or("application/octet-stream".to_owned(), ToString::to_string);
                file = Some((field.bytes().await.map_err(broken)?, kind));
            }
            _ => {}
        }
    }
    let (bytes, kind) = file.ok_or_else(|| StorageError::invalid("No content provided"))?;
    Ok(Upload { bytes, kind, cache_control, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_read() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"cacheControl\"\r\n\r\n60\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";
        let upload = read_form(body.as_bytes(), "b".into()).unwrap();
        assert_eq!(
            (&upload.bytes[..], &*upload.kind, &*upload.cache_control),
            (&b"hello"[..], "text/plain", "max-age=60")
        );
        assert!(read_form(&body.as_bytes()[..60], "b".into()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_not(body in proptest::collection::vec(any::<u8>(), 0..200), dashes: bool) {
            let body = if dashes { [b"--b\r\n".to_vec(), body].concat() } else { body };
            let _ = read_form(&body, "b".into());
        }
    }
}
