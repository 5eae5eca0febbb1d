//! The command line that would run a run again.

use super::args::RunArgs;
use crate::units::Seed;

/// Restates the arguments, with the seed that was used.
pub(super) fn command(args: &RunArgs, seed: Seed) -> String {
    let mut words = vec!["firedrill".to_owned(), "run".to_owned()];
    words.extend(args.scenario.iter().map(|scenario| quoted(scenario)));
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(format!("--{name} {}", quoted(&value)));
        }
    };
    option("target", args.target.clone());
    option("pid", args.pid.map(|pid| pid.to_string()));
    option("users", args.users.map(|users| users.to_string()));
    option("duration", args.duration.map(|duration| duration.to_string().replace(' ', "")));
    option("faults", args.faults.clone());
    option("seed", Some(seed.to_string()));
    for (key, value) in &args.set {
        // What is set there may be a secret, and this line goes into the report.
        let hidden = key.starts_with("headers") || key.starts_with("target.env");
        option("set", Some(format!("{key}={}", if hidden { "..." } else { value })));
    }
    for defect in &args.defect {
        option("defect", Some(defect.clone()));
    }
    option("playbook", args.playbook.as_ref().map(|path| path.display().to_string()));
    option("fail-on", args.fail_on.map(|severity| severity.to_string()));
    for host in &args.i_may_test {
        option("i-may-test", Some(host.clone()));
    }
    words.join(" ")
}

/// Quotes a word for a POSIX shell where it needs it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restates_what_was_typed_with_the_seed() {
        let args = RunArgs {
            scenario: Some("my scenario.toml".into()),
            users: Some(5),
            set: vec![("load.closed.ramp-up".into(), "5s".into()), ("headers.X-API-Key".into(), "hunter2".into())],
            ..RunArgs::default()
        };
        assert_eq!(
            command(&args, Seed(7)),
            "firedrill run 'my scenario.toml' --users 5 --seed 7 --set load.closed.ramp-up=5s --set headers.X-API-Key=..."
        );
    }
}
