//! Numbers as people read them: `1,204`, `94.2 %`, `1.4 s`, `388 MiB`.
//!
//! A figure and its unit are joined by a no-break space, so that they stay on one line.

use crate::model::verdict::{Figure, Unit};
use crate::units::{Money, Offset, Span};

/// What stands where there is no figure.
pub const NONE: &str = "–";
const NBSP: char = '\u{a0}';

/// A whole number with thousands separated.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with as many decimals as it needs to be told from its neighbours: three digits or so.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let whole = count(size.round() as u64);
        return if value < 0.0 { format!("-{whole}") } else { whole };
    }
    let decimals = if size >= 100.0 || value == value.round() {
        0
    } else if size >= 1.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A fraction as a percentage. Never rounds to 0 % or 100 % what is not.
pub fn share(fraction: f64) -> String {
    if !fraction.is_finite() {
        return NONE.to_owned();
    }
    format!("{}{NBSP}%", percent(fraction))
}

fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent == 0.0 || percent == 100.0 {
        return format!("{percent:.0}");
    }
    if percent > 0.0 && percent < 0.05 {
        return if percent < 0.005 { "<0.01".to_owned() } else { format!("{percent:.2}") };
    }
    if percent < 100.0 && percent > 99.95 {
        return if percent > 99.995 { ">99.99".to_owned() } else { format!("{percent:.2}") };
    }
    format!("{percent:.1}")
}

/// `part` of `whole` as a percentage.
pub fn share_of(part: u64, whole: u64) -> String {
    if whole == 0 { NONE.to_owned() } else { share(part as f64 / whole as f64) }
}

/// A duration in the unit that suits its size.
pub fn seconds(secs: f64) -> String {
    if !secs.is_finite() {
        return NONE.to_owned();
    }
    if secs == 0.0 {
        return format!("0{NBSP}s");
    }
    if secs < 0.9995 {
        let millis = secs * 1000.0;
        return if millis < 9.95 { format!("{millis:.1}{NBSP}ms") } else { format!("{millis:.0}{NBSP}ms") };
    }
    if secs < 9.95 {
        return format!("{secs:.1}{NBSP}s");
    }
    if secs < 119.5 {
        return format!("{secs:.0}{NBSP}s");
    }
    let whole = secs.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, rest) {
        (0, m, 0) => format!("{m}{NBSP}min"),
        (0, m, s) => format!("{m}{NBSP}min{NBSP}{s}{NBSP}s"),
        (h, 0, _) => format!("{h}{NBSP}h"),
        (h, m, _) => format!("{h}{NBSP}h{NBSP}{m}{NBSP}min"),
    }
}

/// Microseconds as a duration.
pub fn micros(micros: u64) -> String {
    seconds(micros as f64 / 1e6)
}

/// A configured span as a duration: exact, so without needless decimals.
pub fn span(span: Span) -> String {
    exact(seconds(span.get().as_secs_f64()))
}

/// A figure that is exact, such as a limit or a tick: `50 %` rather than `50.0 %`.
pub fn exact(text: String) -> String {
    text.replace(&format!(".0{NBSP}"), &NBSP.to_string())
}

/// Bytes in binary units.
pub fn bytes(bytes: f64) -> String {
    if !bytes.is_finite() {
        return NONE.to_owned();
    }
    for (unit, scale) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        // A whole GiB is a large step, so small numbers of them keep a decimal.
        if bytes >= scale as f64 {
            let value = bytes / scale as f64;
            return if value < 10.0 && unit == "GiB" {
                format!("{value:.1}{NBSP}{unit}")
            } else {
                format!("{value:.0}{NBSP}{unit}")
            };
        }
    }
    format!("{bytes:.0}{NBSP}B")
}

/// A figure's value in its unit.
pub fn value(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    match unit {
        Unit::Share => share(value),
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
        Unit::Count => number(value),
        Unit::Dollars => Money::dollars(value).to_string(),
    }
}

/// A figure's 95 % interval, its unit once.
pub fn interval(figure: &Figure) -> Option<String> {
    let (low, high) = figure.interval?;
    Some(match figure.unit {
        Unit::Share => format!("{}–{}", percent(low), share(high)),
        unit => format!("{}–{}", value(low, unit), value(high, unit)),
    })
}

/// A stretch of the run: `0:20–0:41`.
pub fn stretch(from: Offset, until: Offset) -> String {
    let (from, until) = (from.to_string(), until.to_string());
    if from == until { from } else { format!("{from}–{until}") }
}

/// `1 step`, `2 steps`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{}{NBSP}{}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_well() {
        let plain = |text: String| text.replace(NBSP, " ");
        assert_eq!(count(1_204_000), "1,204,000");
        assert_eq!(count(999), "999");
        assert_eq!(plain(share(0.942)), "94.2 %");
        assert_eq!(plain(share(0.9999)), "99.99 %");
        assert_eq!(plain(share(0.999_999)), ">99.99 %");
        assert_eq!(plain(share(0.000_01)), "<0.01 %");
        assert_eq!(plain(seconds(0.0012)), "1.2 ms");
        assert_eq!(plain(seconds(0.388)), "388 ms");
        assert_eq!(plain(seconds(1.44)), "1.4 s");
        assert_eq!(plain(seconds(3600.0)), "1 h");
        assert_eq!(plain(seconds(125.0)), "2 min 5 s");
        assert_eq!(plain(bytes(f64::from(388 << 20))), "388 MiB");
        assert_eq!(plain(bytes(1.6e9)), "1.5 GiB");
        assert_eq!(share(f64::NAN), NONE);
    }
}
