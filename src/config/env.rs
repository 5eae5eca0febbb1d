//! `${env.NAME}` and `${env.NAME:-default}`: values that come from the environment and are never shown.

/// Why a text cannot be filled in. Never holds a value, only names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvError {
    /// The variable is not set and has no default.
    #[error("the environment variable `{0}` is not set")]
    Missing(String),
    /// `${…` that is nothing we know.
    #[error("`${{{0}` is not a variable of the environment")]
    Malformed(String),
}

/// Whether a text names a variable of the environment.
pub(super) fn mentions(text: &str) -> bool {
    text.contains("${")
}

/// The text with every `${env.NAME}` replaced, or every reason why not. An empty variable counts as not set.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<EnvError>> {
    let mut out = String::with_capacity(text.len());
    let mut errors = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else {
            errors.push(EnvError::Malformed(inner.to_owned()));
            return Err(errors);
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        match name.strip_prefix("env.").filter(|name| is_name(name)) {
            None => errors.push(EnvError::Malformed(inner[..=end].to_owned())),
            Some(name) => match env(name).filter(|value| !value.is_empty()).or(default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => errors.push(EnvError::Missing(name.to_owned())),
            },
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k-1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn fills_in_values_and_defaults() {
        assert_eq!(expand("Bearer ${env.KEY}", &env).unwrap(), "Bearer k-1");
        assert_eq!(expand("${env.NO:-reference}", &env).unwrap(), "reference");
        assert_eq!(expand("${env.EMPTY:-reference}", &env).unwrap(), "reference");
        assert_eq!(expand("${env.KEY:-reference}/x", &env).unwrap(), "k-1/x");
        assert_eq!(expand("costs $5 {user.id}", &env).unwrap(), "costs $5 {user.id}");
    }

    #[test]
    fn names_what_is_missing() {
        assert_eq!(
            expand("${env.A}${env.B}", &env).unwrap_err(),
            [EnvError::Missing("A".into()), EnvError::Missing("B".into())]
        );
        assert_eq!(expand("${KEY}", &env).unwrap_err(), [EnvError::Malformed("KEY}".into())]);
        assert_eq!(expand("${env.KEY", &env).unwrap_err(), [EnvError::Malformed("env.KEY".into())]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[$\\{\\}env.:A-Z\\PC-]{0,40}") {
            let _ = expand(&text, &env);
        }
    }
}
