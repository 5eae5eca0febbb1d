//! [`Redactor`]: texts that are kept as evidence, without secrets and without control characters.

/// How much of a body is kept, in characters.
const BODY_CHARS: usize = 300;
/// How much of a request's path and of a reason is kept, in characters.
const LINE_CHARS: usize = 400;
/// How much of a body is looked through for secrets, in bytes: enough for what is kept.
const WINDOW: usize = 16 * 1024;
/// What stands for a secret.
const MARK: &str = "[secret]";
/// Shorter values are no secrets, and taking them out would garble everything.
const SHORTEST: usize = 4;

/// Takes the plan's secrets out of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor {
    /// What must not be shown, longest first.
    secrets: Vec<String>,
}

impl Redactor {
    /// A redactor for header values: the value itself, the token after a scheme such as `Bearer`, and both as
    /// they would stand in JSON and in a URL.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets = Vec::new();
        for value in values {
            let token = value.split_once(' ').map(|(_, token)| token.trim());
            for secret in [Some(value.trim()), token].into_iter().flatten().filter(|s| s.len() >= SHORTEST) {
                let json = serde_json::Value::from(secret).to_string();
                secrets.push(json.trim_matches('"').to_owned());
                secrets.push(
                    percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
                );
                secrets.push(secret.to_owned());
            }
        }
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// The beginning of a body.
    pub(super) fn body(&self, body: &[u8]) -> String {
        let cut = body.len() > WINDOW;
        let text = self.redact(&String::from_utf8_lossy(&body[..body.len().min(WINDOW)]));
        // The window may end in the middle of a secret, which then was not found.
        let longest = self.secrets.first().map_or(0, String::len);
        let whole = if cut { text.chars().count().saturating_sub(longest) } else { usize::MAX };
        clip(&text, BODY_CHARS.min(whole))
    }

    /// A line such as a request or a reason.
    pub(super) fn line(&self, line: &str) -> String {
        clip(&self.redact(line), LINE_CHARS)
    }

    fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MARK))
    }
}

/// The first characters of a text, every control character a space.
fn clip(text: &str, chars: usize) -> String {
    text.chars().take(chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_out_secrets_in_every_dress() {
        let redactor = Redactor::new(["Bearer sk-12\"34", "key/5678", "on"]);
        let body = r#"{"got":"Bearer sk-12\"34","token":"sk-12\"34","url":"?k=key%2F5678","key":"key/5678","on":1}"#;
        assert_eq!(
            redactor.body(body.as_bytes()),
            r#"{"got":"[secret]","token":"[secret]","url":"?k=[secret]","key":"[secret]","on":1}"#
        );
        assert_eq!(redactor.line("POST /x?k=key/5678\r\n"), "POST /x?k=[secret]  ");
    }

    #[test]
    fn keeps_300_characters_and_no_control_characters() {
        let body = format!("\u{1b}[31m{}", "ä\n".repeat(500));
        let kept = Redactor::default().body(body.as_bytes());
        assert_eq!(kept.chars().count(), 300);
        assert!(kept.starts_with(" [31mä ä "));
        assert_eq!(Redactor::default().body(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn never_shows_a_secret(before in "[a-z ]{0,400}", times in 0_usize..2000) {
            let body = format!("{before}{}", "tok-9876 ".repeat(times));
            prop_assert!(!Redactor::new(["tok-9876"]).body(body.as_bytes()).contains("9876"));
        }
    }
}
