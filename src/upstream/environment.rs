//! The environment that points an app at its upstreams, by the names that the official clients and HolisticOS read.

use super::supabase::ProjectKeys;
use crate::model::secret::Secret;
use crate::model::source::SourcePlan;
use crate::model::upstream::{TcpPlan, TcpProtocol, UpstreamKind, UpstreamPlan};
use crate::units::Seed;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use url::Url;

/// The OpenAI key given to the app where none is planned: then the mock takes any.
const OPENAI_KEY: &str = "sk-firedrill-0000000000000000000000000000";

/// The base URL of an upstream as its clients want it.
pub fn url(plan: &UpstreamPlan, address: SocketAddr) -> String {
    let scheme = if plan.tls { "https" } else { "http" };
    match &plan.kind {
        UpstreamKind::Openai(_) => format!("{scheme}://{address}/v1"),
        UpstreamKind::Supabase(_) | UpstreamKind::Stub { .. } => format!("{scheme}://{address}"),
        UpstreamKind::Tcp(tcp) => tcp_url(tcp, address).unwrap_or_else(|| address.to_string()),
    }
}

/// The URL of a server behind a proxy, with the proxy's address in it.
fn tcp_url(plan: &TcpPlan, address: SocketAddr) -> Option<String> {
    let mut url = Url::parse(plan.url.as_ref()?.expose()).ok()?;
    // Text, because the setters want schemes that the standard calls special.
    url.set_host(Some(&if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }))
        .ok()?;
    url.set_port(Some(address.port())).ok()?;
    Some(url.into())
}

/// The beginning of the names of an upstream's variables.
fn prefix(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The variables that make an app trust the CA whose certificate is in this file (an absolute path), for OpenSSL and
/// what builds on it (`SSL_CERT_FILE`; also Go, and rustls with the system's roots), Python's requests, curl, and
/// Node.js. All but Node's replace the certificates that the app trusts otherwise: over TLS it then reaches our
/// upstreams and nothing else.
#[must_use]
pub fn trust(ca: &Path) -> BTreeMap<String, String> {
    let names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
    names.into_iter().map(|name| (name.to_owned(), ca.display().to_string())).collect()
}

/// The variables for one upstream; the seed is the one that the upstream itself draws from.
pub fn variables(plan: &UpstreamPlan, address: SocketAddr, seed: Seed) -> BTreeMap<String, String> {
    let url = url(plan, address);
    let mut pairs: Vec<(String, String)> = match &plan.kind {
        UpstreamKind::Openai(openai) => {
            let key = openai.keys.first().map_or(OPENAI_KEY, Secret::expose);
            vec![("OPENAI_BASE_URL".into(), url.clone()), ("OPENAI_API_KEY".into(), key.into())]
        }
        UpstreamKind::Supabase(supabase) => {
            let keys = ProjectKeys::new(&supabase.keys, seed);
            vec![
                ("SUPABASE_URL".into(), url.clone()),
                ("SUPABASE_KEY".into(), keys.anon.clone()),
                ("SUPABASE_ANON_KEY".into(), keys.anon),
                ("SUPABASE_SERVICE_KEY".into(), keys.service.clone()),
                ("SUPABASE_SERVICE_ROLE_KEY".into(), keys.service),
                ("SUPABASE_PUBLISHABLE_KEY".into(), keys.publishable),
                ("SUPABASE_SECRET_KEY".into(), keys.secret),
                ("SUPABASE_JWT_SECRET".into(), keys.jwt_secret),
            ]
        }
        UpstreamKind::Stub { .. } => {
            let name = prefix(&plan.name);
            let mut names = vec![format!("{name}_BASE_URL"), format!("{name}_URL")];
            if plan.name == "sahha" {
                // The two names under which HolisticOS looks for its health-data services (observed).
                names.extend(["HOS_FAPI_BASE_URL".into(), "SAHHA_API_BASE_URL".into()]);
            }
            names.into_iter().map(|name| (name, url.clone())).collect()
        }
        UpstreamKind::Tcp(tcp) => {
            let name = prefix(&plan.name);
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            let mut pairs = vec![(format!("{name}_HOST"), host.clone()), (format!("{name}_PORT"), port.clone())];
            let url = tcp_url(tcp, address);
            pairs.extend(url.iter().map(|url| (format!("{name}_URL"), url.clone())));
            if tcp.protocol == TcpProtocol::Postgres {
                // What libpq and all that builds on it reads, and what most frameworks do.
                pairs.extend([("PGHOST".into(), host), ("PGPORT".into(), port)]);
                pairs.extend(url.map(|url| ("DATABASE_URL".into(), url)));
            }
            pairs
        }
    };
    if matches!(plan.source, SourcePlan::PassThrough { .. }) {
        // The real service takes no key of ours: the app keeps its own.
        pairs.retain(|(_, value)| *value == url);
    }
    pairs.into_iter().collect()
}
