//! The app under test: [`TargetPlan`], and the headers that it is sent.

use super::collector::Collector;
use super::env::{self, EnvError};
use super::request::World;
use super::scenario_file::{ReferenceFile, TargetFile};
use super::template;
use super::value::{OneOrMany, Table};
use crate::model::plan::TargetPlan;
use crate::model::secret::Secret;
use crate::units::{ByteSize, Span};
use std::collections::BTreeMap;
use toml::Spanned;
use url::{Host, Url};

/// How long a command may take to get ready: HolisticOS's start takes 5 to 15 s on the small instance.
const READY_WITHIN: Span = Span::from_secs(60);

/// Fills in the environment; a missing variable is a mistake at the place that names it.
pub(super) fn expand(out: &mut Collector, world: &World<'_>, written: &Spanned<String>) -> String {
    match env::expand(written.get_ref(), world.env) {
        Ok(value) => value,
        Err(errors) => {
            for error in errors {
                match &error {
                    EnvError::Missing(name) if world.env_required => {
                        out.error(written.span(), error.to_string())
                            .label("needed here")
                            .help(format!("set it (`export {name}=…`), or give a default: `${{env.{name}:-default}}`"));
                    }
                    EnvError::Missing(_) => out.warn(written.span(), &error),
                    EnvError::Malformed(_) => {
                        out.error(written.span(), error.to_string()).help(
                            "write `${env.NAME}` or `${env.NAME:-default}`; the name has letters, digits and `_`",
                        );
                    }
                }
            }
            String::new()
        }
    }
}

/// The headers sent with every step and probe.
pub(super) fn headers(
    out: &mut Collector,
    world: &World<'_>,
    written: &Table<Spanned<String>>,
) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, value) in written {
        header_name(out, name);
        let plain = !env::mentions(value.get_ref());
        if plain && template::has_placeholder(value.get_ref()) {
            out.error(value.span(), "[headers] has no placeholders")
                .help("they go out as they stand, also with probes; a header with placeholders belongs to a step: headers = { … }");
        }
        let value_text = expand(out, world, value);
        if http::HeaderValue::from_str(&value_text).is_err() {
            // Never the value itself: it may be a secret.
            out.error(value.span(), format!("the value of `{}` cannot be sent as a header", name.get_ref()))
                .help("a header is one line of text; look for a line break at the end of the variable's value");
        }
        headers.insert(name.get_ref().clone(), Secret::new(value_text));
    }
    headers
}

/// Reports a name that no header can have.
pub(super) fn header_name(out: &mut Collector, name: &Spanned<String>) {
    if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
        out.error(name.span(), format!("`{}` cannot be the name of a header", name.get_ref()))
            .help("a name has letters, digits and dashes, such as `X-API-Key`");
    }
}

/// The app under test.
pub(super) fn target(
    out: &mut Collector,
    world: &World<'_>,
    written: Option<&Spanned<TargetFile>>,
    allow_hosts: &[String],
) -> TargetPlan {
    let empty = Spanned::new(0..0, TargetFile::default());
    let (given, written) = match written {
        Some(written) => (true, written),
        None => (false, &empty),
    };
    let file = written.get_ref();
    let limit = file.memory_limit.as_ref().map(|limit| {
        let size = out.quantity(limit, ByteSize::mib(512));
        if size < ByteSize::mib(16) {
            out.error(limit.span(), format!("no app runs in {size}")).help("write a limit such as \"512MiB\"");
        }
        size
    });
    if let (Some(_), None) | (None, Some(_)) = (&file.url, &file.pid)
        && let Some(pid) = &file.pid
    {
        out.error(pid.span(), "`pid` belongs to a target by `url`")
            .help("firedrill knows the process of an app that it starts; with --pid, give --target URL too");
    }
    if file.command.is_none() {
        for (key, span) in [
            ("env", file.env.keys().next().map(Spanned::span)),
            ("ready", file.ready.as_ref().map(Spanned::span)),
            ("ready-within", file.ready_within.as_ref().map(Spanned::span)),
        ] {
            if let Some(span) = span {
                out.error(span, format!("`{key}` belongs to a target by `command`"))
                    .help("an app by `url` runs already, and the reference app needs no settings of this kind");
            }
        }
    }
    match (&file.url, &file.reference, &file.command) {
        (None, Some(reference), None) => self::reference(out, reference.get_ref(), limit),
        (Some(address), None, None) => {
            if let Some(limit) = &file.memory_limit {
                out.error(limit.span(), "`memory-limit` needs an app that firedrill starts")
                    .help("an app by `url` keeps the limit that it was started with; remove the key");
            }
            let pid = file.pid.as_ref().map(|pid| out.number(pid, "`pid`", 1, u32::MAX));
            TargetPlan::Url { url: base_url(out, world, address, allow_hosts), pid }
        }
        (address, None, Some(command)) => {
            let words = self::command(out, command);
            let fallback = Spanned::new(command.span(), "http://127.0.0.1:{port}".to_owned());
            let address = address.as_ref().unwrap_or(&fallback);
            // `{port}` is filled in when the app is started; any number serves to look at the rest.
            let probe = Spanned::new(address.span(), address.get_ref().replace("{port}", "8001"));
            base_url(out, world, &probe, allow_hosts);
            let ready = file.ready.as_ref().map_or("/".to_owned(), |ready| path(out, ready));
            TargetPlan::Command {
                command: words,
                env: file.env.iter().map(|(k, v)| (k.get_ref().clone(), Secret::new(expand(out, world, v)))).collect(),
                url: address.get_ref().trim_end_matches('/').to_owned(),
                ready,
                ready_within: out.quantity_or(file.ready_within.as_ref(), READY_WITHIN),
                memory_limit: limit,
            }
        }
        (None, None, None) if !given => self::reference(out, &ReferenceFile::default(), limit),
        (None, None, None) => {
            out.error(written.span(), "the target has no kind").help(KINDS);
            self::reference(out, &ReferenceFile::default(), limit)
        }
        _ => {
            out.error(written.span(), "the target is of more than one kind").help(KINDS);
            self::reference(out, &ReferenceFile::default(), limit)
        }
    }
}

const KINDS: &str = "write one of { url = \"http://127.0.0.1:8001\" }, { reference = {} } and { command = \"…\" }";

fn reference(out: &mut Collector, file: &ReferenceFile, memory_limit: Option<ByteSize>) -> TargetPlan {
    let speed = match &file.speed {
        Some(speed) if speed.get_ref().is_finite() && *speed.get_ref() >= 0.01 && *speed.get_ref() <= 1000.0 => {
            *speed.get_ref()
        }
        Some(speed) => {
            out.error(speed.span(), format!("`speed` cannot be {}", speed.get_ref()))
                .help("1 is as fast as the real instance, 4 is four times as fast; from 0.01 to 1000");
            1.0
        }
        None => 1.0,
    };
    for defect in &file.defects {
        if defect.get_ref().trim().is_empty() || defect.get_ref().starts_with('=') {
            out.error(defect.span(), "a defect without a name").help("write `name` or `name=value`");
        }
    }
    TargetPlan::Reference {
        resilient: file.resilient,
        defects: file.defects.iter().map(|defect| defect.get_ref().clone()).collect(),
        speed,
        memory_limit,
    }
}

/// A path of the target, checked.
pub(super) fn path(out: &mut Collector, written: &Spanned<String>) -> String {
    let text = written.get_ref();
    if text.starts_with("http://") || text.starts_with("https://") {
        out.error(written.span(), "only the path belongs here")
            .help("the address of the app is `target`'s; start with `/`");
    } else if !text.starts_with('/') {
        out.error(written.span(), "a path starts with `/`").help(format!("write \"/{text}\""));
    } else if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '#') {
        out.error(written.span(), format!("{bad:?} cannot stand in a path"))
            .help("write it percent-encoded, such as %20");
    }
    text.clone()
}

fn base_url(out: &mut Collector, world: &World<'_>, written: &Spanned<String>, allow_hosts: &[String]) -> String {
    const EXAMPLE: &str = "write an address such as \"http://127.0.0.1:8001\"";
    let text = expand(out, world, written);
    if text.is_empty() && !written.get_ref().is_empty() {
        return String::new(); // the environment's mistake is noted already
    }
    // What came from the environment is not shown.
    let secret = env::mentions(written.get_ref());
    let url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(url) if !secret => {
            let scheme = url.scheme().to_owned();
            out.error(written.span(), format!("the target cannot be reached by `{scheme}:`")).help(EXAMPLE);
            return text;
        }
        Ok(_) => {
            out.error(written.span(), "the target's address is neither http nor https").help(EXAMPLE);
            return text;
        }
        Err(error) => {
            out.error(written.span(), format!("the target's address is not a URL: {error}")).help(EXAMPLE);
            return text;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        out.error(written.span(), "the target's address holds a user name or password")
            .help("send it as a header: headers = { Authorization = \"${env.TARGET_AUTH}\" }");
    }
    if url.query().is_some() || url.fragment().is_some() {
        out.error(written.span(), "the target's address holds a query or fragment")
            .help("queries belong to steps: get = \"/path?key=value\"");
    }
    let (loopback, host) = match url.host() {
        Some(Host::Ipv4(ip)) => (ip.is_loopback(), ip.to_string()),
        Some(Host::Ipv6(ip)) => (ip.is_loopback(), ip.to_string()),
        Some(Host::Domain(name)) => (name == "localhost" || name.ends_with(".localhost"), name.to_owned()),
        None => (false, String::new()),
    };
    if !loopback && !allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)) {
        let host = if secret { "the target's host".to_owned() } else { format!("`{host}`") };
        out.error(written.span(), format!("{host} is not this machine, and the scenario does not allow it"))
            .label("the load would go there")
            .help("if you may test that host, name it at the top of the scenario: allow-hosts = [\"…\"]");
    }
    text.trim_end_matches('/').to_owned()
}

fn command(out: &mut Collector, written: &Spanned<OneOrMany<String>>) -> Vec<String> {
    let words = match written.get_ref() {
        OneOrMany::Many(words) => words.clone(),
        OneOrMany::One(text) => match split(text) {
            Some(words) => words,
            None => {
                out.error(written.span(), "a quote in the command is not closed")
                    .help("close it, or write the command as a list: [\"program\", \"argument\"]");
                return vec![text.clone()];
            }
        },
    };
    if words.first().is_none_or(|program| program.trim().is_empty()) {
        out.error(written.span(), "the command is empty")
            .help("write it as \"program argument\" or [\"program\", \"argument\"]");
    }
    words
}

/// Splits a command line into words as a shell does, with quotes and backslashes but nothing else: no variables, no
/// globs. `None` where a quote is not closed.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' if c == '"' => into.push(chars.next()?),
                        other => into.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_split_as_by_a_shell() {
        assert_eq!(
            split("uvicorn 'my app:app' --port \"{port}\" a\\ b").unwrap(),
            ["uvicorn", "my app:app", "--port", "{port}", "a b"]
        );
        assert_eq!(split("run ''").unwrap(), ["run", ""]);
        assert_eq!(split("run 'x"), None);
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[^']{0,8}", 0..5)) {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line).unwrap(), words);
        }
    }
}
