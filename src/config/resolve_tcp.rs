//! A real server behind a TCP proxy → [`TcpPlan`].

use super::collector::Collector;
use super::env;
use super::request::World;
use super::resolve_target::expand;
use super::tcp_file::TcpFile;
use crate::model::secret::Secret;
use crate::model::upstream::{TcpPlan, TcpProtocol};
use toml::Spanned;
use url::{Host, Url};

/// Schemes of URLs that say what is spoken, with the port that goes without saying.
const SCHEMES: [(&str, TcpProtocol, u16); 8] = [
    ("postgres", TcpProtocol::Postgres, 5432),
    ("postgresql", TcpProtocol::Postgres, 5432),
    ("redis", TcpProtocol::None, 6379),
    ("rediss", TcpProtocol::None, 6379),
    ("amqp", TcpProtocol::None, 5672),
    ("mysql", TcpProtocol::None, 3306),
    ("mongodb", TcpProtocol::None, 27017),
    ("nats", TcpProtocol::None, 4222),
];
const TO: &str = "write host and port, such as to = \"127.0.0.1:5432\"";

/// The server, its protocol and its URL.
pub(super) fn tcp(
    out: &mut Collector,
    world: &World<'_>,
    written: &Spanned<TcpFile>,
    allow_hosts: &[String],
) -> TcpPlan {
    let file = written.get_ref();
    let from_url = file.url.as_ref().and_then(|url| by_url(out, world, url));
    let (to, place) = match (&file.to, &file.url) {
        (Some(to), Some(url)) => {
            out.error(to.span(), "`to` and `url` both say where the server is")
                .help("leave `to` away: the URL has host and port");
            (from_url.as_ref().map(|found| found.to.clone()), url.span())
        }
        (Some(to), None) => (self::to(out, to), to.span()),
        (None, Some(url)) => (from_url.as_ref().map(|found| found.to.clone()), url.span()),
        (None, None) => {
            out.error(written.span(), "nothing says where the server is")
                .help(TO)
                .help("or the URL that the app uses: url = \"postgres://app:${env.DB_PASSWORD}@127.0.0.1:5432/app\"");
            (None, written.span())
        }
    };
    if let Some((host, _)) = to.as_deref().and_then(|to| to.rsplit_once(':')) {
        allowed(out, place, host, allow_hosts);
    }
    let protocol = file.protocol.as_ref().and_then(|written| match written.get_ref().as_str() {
        "postgres" => Some(TcpProtocol::Postgres),
        "none" => Some(TcpProtocol::None),
        typed => {
            out.unknown(written.span(), "protocol", typed, ["postgres", "none"]);
            None
        }
    });
    let protocol = protocol.or(from_url.as_ref().map(|found| found.protocol)).unwrap_or_default();
    TcpPlan { to: to.unwrap_or_default(), protocol, url: from_url.map(|found| Secret::new(found.url)) }
}

struct ByUrl {
    to: String,
    protocol: TcpProtocol,
    url: String,
}

fn by_url(out: &mut Collector, world: &World<'_>, written: &Spanned<String>) -> Option<ByUrl> {
    const EXAMPLE: &str =
        "write it as the app has it, such as \"postgres://app:${env.DB_PASSWORD}@127.0.0.1:5432/app\"";
    let text = expand(out, world, written);
    if text.is_empty() && env::mentions(written.get_ref()) {
        // That the variable is missing was said, or does not matter here.
        return None;
    }
    // What was read from the environment is never shown, so nothing of the text is.
    let Ok(url) = Url::parse(&text) else {
        out.error(written.span(), "this is no URL").help(EXAMPLE);
        return None;
    };
    let known = SCHEMES.iter().find(|(scheme, ..)| *scheme == url.scheme());
    let port = url.port().or(known.map(|(.., port)| *port));
    let (Some(host), Some(port)) = (url.host_str().filter(|host| !host.is_empty()), port) else {
        out.error(written.span(), "the URL does not say where the server is")
            .label("host and port are needed")
            .help(EXAMPLE);
        return None;
    };
    if host.contains(',') || url.query_pairs().any(|(name, _)| name == "host" || name == "port") {
        out.error(written.span(), "the URL names the server in a way that cannot be replaced by the proxy's address")
            .help("give one host and one port, before the path");
        return None;
    }
    let protocol = known.map(|(_, protocol, _)| *protocol).unwrap_or_default();
    Some(ByUrl { to: format!("{host}:{port}"), protocol, url: text })
}

fn to(out: &mut Collector, written: &Spanned<String>) -> Option<String> {
    let text = written.get_ref();
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if port > 0 && Host::parse(host).is_ok() => Some(text.clone()),
        _ => {
            out.error(written.span(), format!("`{text}` is not the address of a server")).help(TO);
            None
        }
    }
}

/// What is not this machine must be allowed by name, as for services that calls pass through to.
fn allowed(out: &mut Collector, place: std::ops::Range<usize>, host: &str, allow_hosts: &[String]) {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if !is_local(host) && !allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare)) {
        out.error(place, format!("`{bare}` is not this machine, and the scenario does not allow it"))
            .label("the app's connections would go there")
            .help(format!("if you mean to use it, name it at the top of the scenario: allow-hosts = [\"{bare}\"]"));
    }
}

fn is_local(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Err(_) => false,
    }
}
