//! The child's command line, environment and port.

use super::error::TargetError;
use crate::model::plan::TargetPlan;
use crate::model::secret::Secret;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpSocket;

/// The key that the reference app asks for unless told otherwise.
const REFERENCE_KEY: &str = "firedrill-reference-key";

/// The reference app's command line. Its parts are a contract with `firedrill target`.
pub(super) fn reference(
    plan: &TargetPlan,
    firedrill: &Path,
    environment: &BTreeMap<String, String>,
    urls: &BTreeMap<String, String>,
    headers: &BTreeMap<String, Secret>,
) -> Vec<String> {
    let TargetPlan::Reference { resilient, defects, speed, .. } = plan else { return Vec::new() };
    let mut command = vec![firedrill.display().to_string()];
    let mut add = |flag: &str, value: Option<&String>| {
        if let Some(value) = value {
            command.extend([flag.to_owned(), value.clone()]);
        }
    };
    let env = |name: &str| environment.get(name);
    let url = |name: &str| urls.get(name);
    add("target", Some(&"--announce".to_owned()));
    add("--listen", Some(&"127.0.0.1:0".to_owned()));
    add("--openai-url", env("OPENAI_BASE_URL").or_else(|| url("openai")));
    add("--openai-key", env("OPENAI_API_KEY"));
    add("--supabase-url", env("SUPABASE_URL").or_else(|| url("supabase")));
    add(
        "--supabase-key",
        env("SUPABASE_KEY").or_else(|| env("SUPABASE_SERVICE_KEY")).or_else(|| env("SUPABASE_ANON_KEY")),
    );
    // Side services are whatever else there is; the reference app knows one.
    add("--side-url", urls.iter().find(|(name, _)| !matches!(&***name, "openai" | "supabase")).map(|(_, u)| u));
    let key = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-api-key"));
    add("--api-key", Some(&key.map_or(REFERENCE_KEY, |(_, key)| key.expose()).to_owned()));
    add("--speed", Some(&speed.to_string()));
    for defect in defects {
        add("--defect", Some(defect));
    }
    if *resilient {
        command.push("--resilient".to_owned());
    }
    command
}

/// Whether a variable's name says that its value is a secret. All values of a plan are `Secret`, plain settings
/// such as a port or a mode included, and blanking those would make a log unreadable.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

/// A port chosen for the app, ours among all firedrills of the machine until it is dropped.
pub(super) struct Port {
    pub number: u16,
    /// A name in the kernel's abstract namespace: taken atomically, and free again when we end, however we end.
    _claim: Option<UnixListener>,
}

/// Chooses a port for the app. It was free a moment ago and the app binds it next; in between, other firedrills
/// keep away because of the claim, and outgoing connections because it is not one of theirs.
pub(super) fn free_port() -> Result<Port, TargetError> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let outgoing_from: u16 = range.split_ascii_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for attempt in 0..200 {
        // Where there is no room below the outgoing ports, or none is free, the kernel chooses.
        let wish = if outgoing_from > 12_000 && attempt < 100 { rand::random_range(10_000..outgoing_from) } else { 0 };
        match bindable(wish).and_then(|number| Ok((number, claim(number)?))) {
            Ok((number, claim)) => return Ok(Port { number, _claim: claim }),
            Err(error) => last = error,
        }
    }
    Err(TargetError::Io { what: "no port of loopback is free for the app".to_owned(), source: last })
}

/// The port, or one that the kernel chooses for 0, if it can be bound now. It is never listened on: a process that
/// is forked at this moment holds our sockets until it executes its program, and must not be taken for an app.
fn bindable(port: u16) -> io::Result<u16> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket.local_addr()?.port())
}

/// Claims a port; an error if another firedrill has it, nothing where the kernel has no such names.
fn claim(number: u16) -> io::Result<Option<UnixListener>> {
    let name = SocketAddr::from_abstract_name(format!("firedrill-port-{number}"))?;
    match UnixListener::bind_addr(&name) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        claim => Ok(claim.ok()),
    }
}

/// Fills `{port}` and `{NAME.url}` in.
pub(super) fn fill(text: &str, port: u16, urls: &BTreeMap<String, String>) -> String {
    let mut text = text.replace("{port}", &port.to_string());
    for (name, url) in urls {
        text = text.replace(&format!("{{{name}.url}}"), url);
    }
    text
}

/// Refuses to start an app where another one answers already: its answers would be taken for the app's.
pub(super) async fn refuse_occupied(base_url: &str) -> Result<(), TargetError> {
    let address = url::Url::parse(base_url).ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default()?))
    });
    let Some(address) = address else { return Ok(()) };
    let try_it = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address));
    match try_it.await {
        Ok(Ok(_)) => Err(TargetError::Occupied { url: base_url.to_owned() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `firedrill target` reads exactly this.
    #[test]
    fn the_reference_app_is_called_like_this() {
        let map = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let plan = TargetPlan::Reference {
            resilient: true,
            defects: vec!["broken-agent=nutrition".into(), "leak=1".into()],
            speed: 4.0,
            memory_limit: None,
        };
        let env = map(&[
            ("OPENAI_BASE_URL", "http://o/v1"),
            ("OPENAI_API_KEY", "ok"),
            ("SUPABASE_URL", "http://s"),
            ("SUPABASE_KEY", "sk"),
        ]);
        let urls = map(&[("openai", "http://o"), ("sahha", "http://side"), ("supabase", "http://s")]);
        let command = reference(&plan, Path::new("/bin/firedrill"), &env, &urls, &BTreeMap::new());
        assert_eq!(
            command.join(" "),
            "/bin/firedrill target --announce --listen 127.0.0.1:0 --openai-url http://o/v1 --openai-key ok \
             --supabase-url http://s --supabase-key sk --side-url http://side --api-key firedrill-reference-key \
             --speed 4 --defect broken-agent=nutrition --defect leak=1 --resilient"
        );
        let headers = BTreeMap::from([("x-api-key".to_owned(), Secret::new("mine".into()))]);
        let command = reference(&plan, Path::new("/bin/firedrill"), &env, &urls, &headers);
        assert!(command.join(" ").contains("--api-key mine"));
    }

    #[test]
    fn no_two_apps_get_the_same_port() {
        let ports: Vec<Port> = (0..50).map(|_| free_port().unwrap()).collect();
        let numbers: std::collections::BTreeSet<u16> = ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers.len(), 50);
        assert!(claim(ports[0].number).is_err());
        let number = ports[0].number;
        drop(ports);
        assert!(claim(number).is_ok());
    }

    #[test]
    fn places_are_filled() {
        let urls = BTreeMap::from([("openai".to_owned(), "http://127.0.0.1:9101".to_owned())]);
        assert_eq!(
            fill("{openai.url}/v1 {port} {other.url}", 8001, &urls),
            "http://127.0.0.1:9101/v1 8001 {other.url}"
        );
    }

    #[test]
    fn secrets_go_by_name() {
        assert!(is_secret("supabase_service_key") && is_secret("ADMIN_TOKEN"));
        assert!(!is_secret("PORT") && !is_secret("ENVIRONMENT"));
    }
}
