//! Requests that must be refused, or must not show something.

use super::context::ChecksContext;
use super::send::{Filling, Reply, Sender};
use crate::model::checks::{Observation, SecurityCheck, SecurityOutcome};
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;

/// Makes every security check once, one after the other.
pub(super) async fn check(ctx: &ChecksContext, sender: &Sender) {
    for (index, check) in ctx.plan.checks.security.iter().enumerate() {
        let outcome = one(ctx, sender, check, index).await;
        ctx.observe(Observation::Security { at: ctx.clock.now(), check: index, outcome });
    }
}

async fn one(ctx: &ChecksContext, sender: &Sender, check: &SecurityCheck, index: usize) -> SecurityOutcome {
    let row = format!("firedrill_{}_security_{index}", ctx.run_id);
    let mark = format!("mark-{:016x}", ctx.plan.seed.derive("security").derive(&row).0);
    let filling = Filling { row, mark, date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string() };
    if let Some(plant) = &check.plant {
        match sender.send(plant, &filling, &[], HeaderMap::new()).await {
            Ok(reply) if (200..300).contains(&reply.status) => {}
            Ok(reply) => {
                return SecurityOutcome::Unclear(format!("its data could not be planted: status {}", reply.status));
            }
            Err(why) => return SecurityOutcome::Unclear(format!("its data could not be planted: {why}")),
        }
    }
    let mut extra = HeaderMap::new();
    if let Some(origin) = check.foreign_origin.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
        extra.insert(header::ORIGIN, origin);
    }
    match sender.send(&check.request, &filling, &check.without, extra).await {
        Ok(reply) => {
            if let Some(canaries) = &ctx.canaries {
                let place = format!("{} {}", check.request.method, check.request.path);
                canaries.note(&canaries.in_answer(&reply.headers, &reply.body), &place);
            }
            outcome(check, &filling, &reply)
        }
        Err(why) => SecurityOutcome::Unclear(why),
    }
}

/// What an answer shows. Only a status that means a refusal is one, and only a 2xx is an answer; all others (a redirect,
/// 429, 500) prove neither.
fn outcome(check: &SecurityCheck, filling: &Filling, reply: &Reply) -> SecurityOutcome {
    let status = reply.status;
    for text in &check.hides {
        if memmem::find(&reply.body, filling.fill(text).as_bytes()).is_some() {
            let text: String = text.chars().take(60).collect();
            return SecurityOutcome::Broken { status, how: format!("the answer shows `{text}`") };
        }
    }
    if let Some(origin) = &check.foreign_origin {
        let value = |name| reply.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let allowed = value(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let with_credentials = value(header::ACCESS_CONTROL_ALLOW_CREDENTIALS) == Some("true");
        if allowed == Some(origin.as_str()) && with_credentials {
            let how = format!("a page of {origin} may read the answer with its user's credentials");
            return SecurityOutcome::Broken { status, how };
        }
    }
    if check.refuse.is_empty() {
        // An error page has nothing to show, and is no proof that the real answer has nothing.
        return if (200..500).contains(&status) && status != 429 {
            SecurityOutcome::Held { status }
        } else {
            SecurityOutcome::Unclear(format!("status {status}"))
        };
    }
    match status {
        refused if check.refuse.contains(&refused) => SecurityOutcome::Held { status },
        200..300 => SecurityOutcome::Broken { status, how: format!("answered with {status} instead of being refused") },
        other => SecurityOutcome::Unclear(format!("status {other}, which is neither a refusal nor an answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checks::CheckRequest;
    use crate::units::Span;
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn checked(refuse: &[u16], hides: &[&str], origin: Option<&str>) -> SecurityCheck {
        SecurityCheck {
            name: "x".into(),
            plant: None,
            request: CheckRequest {
                method: "GET".into(),
                path: "/".into(),
                headers: BTreeMap::new(),
                body: None,
                deadline: Span::from_secs(1),
            },
            without: Vec::new(),
            refuse: refuse.to_vec(),
            hides: hides.iter().map(|text| (*text).to_owned()).collect(),
            foreign_origin: origin.map(str::to_owned),
        }
    }

    fn word(check: &SecurityCheck, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> &'static str {
        let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect();
        let filling = Filling { mark: "mark-1".into(), ..Filling::default() };
        match outcome(check, &filling, &Reply { status, headers, body: body.into() }) {
            SecurityOutcome::Held { .. } => "held",
            SecurityOutcome::Broken { .. } => "broken",
            SecurityOutcome::Unclear(_) => "unclear",
        }
    }

    #[rstest]
    #[case(401, "held")]
    #[case(403, "held")]
    #[case(200, "broken")]
    #[case(204, "broken")]
    #[case(302, "unclear")]
    #[case(404, "unclear")]
    #[case(422, "unclear")]
    #[case(429, "unclear")]
    #[case(500, "unclear")]
    fn only_a_refusal_is_one(#[case] status: u16, #[case] expected: &str) {
        assert_eq!(word(&checked(&[401, 403], &[], None), status, &[], "x"), expected);
    }

    #[rstest]
    #[case(200, "… mark-1 …", "broken")]
    #[case(200, "… mark-2 …", "held")]
    #[case(403, "mark-1", "broken")]
    #[case(404, "", "held")]
    #[case(500, "", "unclear")]
    fn what_must_be_hidden_is_not_shown(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(word(&checked(&[], &["{mark}"], None), status, &[], body), expected);
    }

    #[rstest]
    #[case(&[("access-control-allow-origin", "https://evil.example"), ("access-control-allow-credentials", "true")], "broken")]
    #[case(&[("access-control-allow-origin", "https://evil.example")], "held")]
    #[case(&[("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true")], "held")]
    #[case(&[], "held")]
    fn only_credentials_make_a_foreign_origin_dangerous(
        #[case] headers: &[(&'static str, &'static str)],
        #[case] expected: &str,
    ) {
        // A browser refuses `*` together with credentials (Fetch, CORS check).
        assert_eq!(word(&checked(&[], &[], Some("https://evil.example")), 200, headers, ""), expected);
    }
}
