//! [`Media`]: the form of an answer that a request and PostgREST agree on.

use super::super::errors::PgError;
use http::{HeaderMap, StatusCode};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// An array of objects.
    Json,
    /// The same without fields that are null.
    JsonStripped,
    /// One object; the flag is whether fields that are null go.
    Object(bool),
    /// CSV.
    Csv,
}

impl Media {
    /// The header's value.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::JsonStripped => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object(false) => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::Object(true) => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// Whether exactly one row is wanted.
    pub fn is_single(self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Whether fields that are null go.
    pub fn strips_nulls(self) -> bool {
        matches!(self, Self::JsonStripped | Self::Object(true))
    }

    /// The best form that both sides know.
    ///
    /// # Errors
    /// PGRST107 if there is none. Plans are such a form only where a project has switched them on, which it has not
    /// by default.
    pub fn negotiate(headers: &HeaderMap) -> Result<Self, PgError> {
        let texts: Vec<&str> = headers.get_all("accept").iter().filter_map(|value| value.to_str().ok()).collect();
        // Nearly all requests say one of these.
        match texts.as_slice() {
            [] | ["*/*" | "application/json"] => return Ok(Self::Json),
            ["application/vnd.pgrst.object+json"] => return Ok(Self::Object(false)),
            _ => {}
        }
        let accepted = accepted(&texts.join(","));
        if accepted.is_empty() {
            return Ok(Self::Json);
        }
        accepted.iter().find_map(Accepted::form).ok_or_else(|| {
            let names: Vec<String> = accepted.iter().map(Accepted::name).collect();
            let message = format!("None of these media types are available: {}", names.join(", "));
            PgError::new(StatusCode::NOT_ACCEPTABLE, "PGRST107", message)
        })
    }

    /// Whether a request for the root takes its OpenAPI description.
    ///
    /// # Errors
    /// PGRST107 if not.
    pub fn takes_openapi(headers: &HeaderMap) -> Result<(), PgError> {
        let texts: Vec<&str> = headers.get_all("accept").iter().filter_map(|value| value.to_str().ok()).collect();
        let accepted = accepted(&texts.join(","));
        let known = ["*/*", "application/json", "application/openapi+json"];
        if accepted.is_empty() || accepted.iter().any(|one| known.contains(&one.kind.as_str())) {
            return Ok(());
        }
        let names: Vec<String> = accepted.iter().map(Accepted::name).collect();
        let message = format!("None of these media types are available: {}", names.join(", "));
        Err(PgError::new(StatusCode::NOT_ACCEPTABLE, "PGRST107", message))
    }
}

/// One media type of an `Accept` header.
struct Accepted {
    /// `type/subtype`, in lower case.
    kind: String,
    /// Its parameters but the quality, names in lower case.
    parameters: Vec<(String, String)>,
    /// As sent, without the quality.
    text: String,
    quality: f64,
}

/// The media types of `Accept`, best first: by quality, then by how narrow they are.
fn accepted(text: &str) -> Vec<Accepted> {
    let mut all: Vec<Accepted> =
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Accepted::read).collect();
    let narrowness = |one: &Accepted| one.parameters.len() as i64 - one.text.matches('*').count() as i64;
    all.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(narrowness(b).cmp(&narrowness(a))));
    all
}

impl Accepted {
    fn read(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut one = Self { kind: kind.clone(), parameters: Vec::new(), text: kind, quality: 1.0 };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = name.trim().to_ascii_lowercase();
            if name == "q" {
                one.quality = value.trim().parse().unwrap_or(1.0);
                continue;
            }
            one.text.push_str("; ");
            one.text.push_str(part);
            one.parameters.push((name, value.trim().trim_matches('"').to_owned()));
        }
        one
    }

    fn form(&self) -> Option<Media> {
        let stripped = self.parameter("nulls") == Some("stripped");
        Some(match self.kind.as_str() {
            "*/*" | "application/json" => Media::Json,
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if stripped => Media::JsonStripped,
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Media::Json,
            "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Media::Object(stripped),
            "text/csv" => Media::Csv,
            _ => return None,
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// What PostgREST calls it.
    fn name(&self) -> String {
        let Some(format) = self.kind.strip_prefix("application/vnd.pgrst.plan") else { return self.text.clone() };
        let format = if format == "+json" { "json" } else { "text" };
        let what = self.parameter("for").unwrap_or("application/json");
        let known = ["analyze", "verbose", "settings", "buffers", "wal"];
        let given: Vec<&str> = self.parameter("options").unwrap_or_default().split('|').collect();
        let options: Vec<&str> = known.into_iter().filter(|option| given.contains(option)).collect();
        let options = if options.is_empty() { String::new() } else { format!("; options={}", options.join("|")) };
        format!("application/vnd.pgrst.plan+{format}; for=\"{what}\"{options}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;

    fn negotiate(accept: &'static str) -> Result<Media, PgError> {
        Media::negotiate(&HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[rstest]
    #[case("*/*", Media::Json)]
    #[case("application/json", Media::Json)]
    #[case("text/html, application/xhtml+xml, */*;q=0.8", Media::Json)]
    #[case("application/json;q=0.5, text/csv", Media::Csv)]
    #[case("*/*, text/csv", Media::Csv)]
    #[case("Application/vnd.PgRsT.object+json", Media::Object(false))]
    #[case("application/vnd.pgrst.object+json;nulls=stripped", Media::Object(true))]
    #[case("application/vnd.pgrst.array+json; nulls=stripped", Media::JsonStripped)]
    #[case("application/vnd.pgrst.array+json", Media::Json)]
    fn forms_are_agreed_on(#[case] accept: &'static str, #[case] expected: Media) {
        assert_eq!(negotiate(accept), Ok(expected));
    }

    #[rstest]
    #[case("application/geo+json", "application/geo+json")]
    #[case("application/octet-stream, text/plain", "application/octet-stream, text/plain")]
    #[case(
        "application/vnd.pgrst.plan+text; for=\"application/json\"; options=verbose|analyze;",
        "application/vnd.pgrst.plan+text; for=\"application/json\"; options=analyze|verbose"
    )]
    fn what_nobody_makes_is_refused(#[case] accept: &'static str, #[case] named: &str) {
        let error = negotiate(accept).unwrap_err();
        assert_eq!((error.status.as_u16(), &*error.code), (406, "PGRST107"));
        assert_eq!(error.message, format!("None of these media types are available: {named}"));
    }
}
