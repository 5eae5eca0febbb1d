//! `[control]` → [`ControlAccess`]; and the rules that stand for what is done by hand.

use super::collector::Collector;
use super::control_file::ControlFile;
use super::env;
use super::request::World;
use super::resolve_target::expand;
use crate::model::control::ControlAccess;
use crate::model::fault::{ConnectionFault, FaultMatch, FaultRule, FaultWindow, Injection};
use crate::model::secret::Secret;
use crate::model::upstream::UpstreamPlan;
use crate::units::{Offset, Share};
use std::net::SocketAddr;
use toml::Spanned;

/// Where Toxiproxy listens, and so where its clients look.
pub(super) const USUAL: &str = "127.0.0.1:8474";

/// The control API.
pub(super) fn access(out: &mut Collector, world: &World<'_>, written: &Spanned<ControlFile>) -> Option<ControlAccess> {
    let file = written.get_ref();
    let (text, span) = match &file.listen {
        Some(listen) => (listen.get_ref().as_str(), listen.span()),
        None => (USUAL, written.span()),
    };
    let token = file.token.as_ref().and_then(|token| {
        let text = expand(out, world, token);
        if text.is_empty() && !env::mentions(token.get_ref()) {
            out.error(token.span(), "an empty token keeps nobody out").help("leave it away, or write one");
        } else if text.chars().any(|c| !c.is_ascii_graphic()) {
            // Never the value itself: it may be a secret.
            out.error(token.span(), "the token cannot be sent in a header")
                .help("a token has letters, digits and signs without blanks");
        }
        (!text.is_empty()).then(|| Secret::new(text))
    });
    let Ok(listen) = text.replace("localhost:", "127.0.0.1:").parse::<SocketAddr>() else {
        out.error(span, format!("`{text}` is not an address to listen on"))
            .help(format!("write an IP address and a port, such as \"{USUAL}\""));
        return None;
    };
    if !listen.ip().is_loopback() {
        if file.token.is_none() {
            out.error(
                span,
                format!("other machines can reach {listen}: whoever does could break what the app talks to"),
            )
            .help("give it a token: token = \"${env.CONTROL_TOKEN}\", or listen on 127.0.0.1");
        } else {
            out.warn(span, format!("the control API listens on {listen}: other machines can reach it"));
        }
    }
    Some(ControlAccess { listen, token })
}

/// One rule for each upstream, on while something is on there by hand. They are never on by plan.
pub(super) fn rules(upstreams: &[UpstreamPlan]) -> Vec<FaultRule> {
    let rule = |upstream: &UpstreamPlan| FaultRule {
        name: format!("{}/by-hand", upstream.name),
        upstream: upstream.name.clone(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: Some(Offset::ZERO) },
        inject: Injection::Connection(ConnectionFault::ByHand {}),
    };
    upstreams.iter().map(rule).collect()
}
