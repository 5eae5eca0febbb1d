//! A reader for Prometheus' text exposition format 0.0.4 (and OpenMetrics as far as samples go).

/// The sum over all series of a metric's name; `None` if it has none.
pub(super) fn sum(text: &str, name: &str) -> Option<f64> {
    text.lines().filter_map(sample).filter(|(found, _)| *found == name).map(|(_, value)| value).reduce(|a, b| a + b)
}

/// Whether the page announces the metric, with or without series: a counter with labels has none before its first count.
pub(super) fn declares(text: &str, name: &str) -> bool {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).any(|rest| {
        let declared = rest.split_ascii_whitespace().next().unwrap_or_default();
        // OpenMetrics announces a counter without the suffix that its series carry.
        declared == name || Some(declared) == name.strip_suffix("_total")
    })
}

/// A line's metric name and value; `None` for comments, blank lines and whatever is not in the format.
fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        // Without labels a blank must follow the name.
        None if line.len() > end && line[end..].starts_with([' ', '\t']) => rest,
        None => return None,
    };
    // A time or an exemplar may follow; the value is all we want.
    let value = rest.split_ascii_whitespace().next()?;
    Some((name, number(value)?))
}

/// What follows the closing brace, which may also occur within a quoted value.
fn after_labels(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

/// Rust reads the format's numbers, and some words that are not in it.
fn number(text: &str) -> Option<f64> {
    let special = text.trim_start_matches(['+', '-']);
    let starts_well = special.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (starts_well || matches!(special, "Inf" | "NaN")).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_page() {
        let page = "# HELP http_requests_total requests\n# TYPE http_requests_total counter\n\
                    http_requests_total{method=\"POST\",path=\"/a}b\\\"c\"} 10\n\
                    http_requests_total{method=\"GET\"}5 1700000000\n\
                    http_requests_total_created 99\n  up 1\nodd NaN\nlast +Inf\nbad{x=\"1\" 3\nworse x\n\
                    hist_bucket{le=\"0.1\"} 2 # {trace=\"a\"} 0.05\n";
        assert_eq!(sum(page, "http_requests_total"), Some(15.0));
        assert_eq!(sum(page, "up"), Some(1.0));
        assert!(sum(page, "odd").unwrap().is_nan());
        assert_eq!(sum(page, "last"), Some(f64::INFINITY));
        assert_eq!(sum(page, "hist_bucket"), Some(2.0));
        assert!(declares(page, "http_requests_total") && !declares(page, "up") && !declares(page, "http_requests"));
        assert!(declares("# TYPE calls counter", "calls_total"));
        for absent in ["bad", "worse", "http_requests", "HELP", ""] {
            assert_eq!(sum(page, absent), None, "{absent}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC|\n){0,200}", name in "[a-z_]{0,4}") {
            let _ = sum(&text, &name);
        }

        #[test]
        fn sums_what_was_written(
            series in proptest::collection::vec((0_usize..3, "(\\PC|\\\\|\"|\n){0,12}", -1e6_f64..1e6, any::<Option<u32>>()), 0..20),
        ) {
            let names = ["first_total", "second:rate", "first"];
            let mut page = String::new();
            for (name, label, value, time) in &series {
                let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let label = label.replace(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'], " ");
                page += &format!("{}{{a=\"{label}\",b=\"x\"}} {value}", names[*name]);
                page += &time.map_or(String::new(), |t| format!(" {t}"));
                page += "\n";
            }
            for (index, name) in names.iter().enumerate() {
                let of_name: Vec<f64> = series.iter().filter(|s| s.0 == index).map(|s| s.2).collect();
                match sum(&page, name) {
                    Some(total) => prop_assert!((total - of_name.iter().sum::<f64>()).abs() < 1e-3),
                    None => prop_assert!(of_name.is_empty()),
                }
            }
        }
    }
}
