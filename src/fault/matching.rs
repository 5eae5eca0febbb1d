//! Which requests a rule may hit: [`FaultQuery`] is what is known of one.

use crate::model::fault::{FaultMatch, FaultRule};
use http::HeaderMap;

/// What a decision may look at.
#[derive(Clone, Copy, Debug)]
pub struct FaultQuery<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's path, without its query.
    pub path: &'a str,
    /// The provider's service that the path belongs to.
    pub service: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
}

/// Whether `query` is a request that `rule` may hit (its window aside).
pub(super) fn matches(rule: &FaultRule, query: &FaultQuery<'_>) -> bool {
    let FaultMatch { method, path, service, header, nth: _ } = &rule.when;
    rule.upstream == query.upstream
        && method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(query.method))
        && path.as_deref().is_none_or(|pattern| glob(pattern.as_bytes(), query.path.as_bytes()))
        && service.as_deref().is_none_or(|service| query.service == Some(service))
        && header.iter().all(|(name, pattern)| {
            query.headers.get_all(name.as_str()).iter().any(|value| glob(pattern.as_bytes(), value.as_bytes()))
        })
}

/// Whether `text` is what `pattern` describes, `*` standing for any run of bytes.
///
/// It goes back to the last star only, so the cost is bounded by the product of both lengths, whatever the text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            last_star = Some((at_pattern, at_text));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == text.get(at_text) {
            at_pattern += 1;
            at_text += 1;
        } else if let Some((star, taken)) = last_star {
            last_star = Some((star, taken + 1));
            at_pattern = star + 1;
            at_text = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("/v1/chat/completions", "/v1/chat/completions", true)]
    #[case("/v1/chat/completions", "/v1/chat/completions/", false)]
    #[case("/rest/v1/*", "/rest/v1/time_blocks", true)]
    #[case("/rest/v1/*", "/auth/v1/health", false)]
    #[case("*", "", true)]
    #[case("", "", true)]
    #[case("", "x", false)]
    #[case("*_items", "/rest/v1/plan_items", true)]
    #[case("/a*b*c", "/axxbxbxc", true)]
    #[case("/a*b*c", "/axxbxbx", false)]
    fn stars_stand_for_any_run(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected);
    }

    proptest! {
        #[test]
        fn agrees_with_the_regex(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let regex = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), regex.is_match(&text));
        }
    }
}
