//! Numbers and times in the words of a verdict.

use crate::units::Offset;

/// A count with thousands separators: `1,204`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 step`, `1,204 steps`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// A share: `89%`, and one decimal where whole percents would hide something: `2.8%`, `99.6%`.
pub(super) fn share(part: f64) -> String {
    let percent = part * 100.0;
    let rounded = if (10.0..=90.0).contains(&percent) { percent.round() } else { (percent * 10.0).round() / 10.0 };
    format!("{rounded}%")
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// The moment at which a second begins; saturates instead of overflowing on absurd seconds.
pub(super) const fn moment(second: u64) -> Offset {
    Offset::from_micros(second.saturating_mul(1_000_000))
}

/// A stretch of time: `0:15–0:45`.
pub(super) fn range(from: u64, to: u64) -> String {
    format!("{}–{}", moment(from), moment(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        assert_eq!(count(1_204), "1,204");
        assert_eq!(count(12), "12");
        assert_eq!(counted(1_000_000, "step"), "1,000,000 steps");
        assert_eq!(
            (share(0.888), share(0.028), share(0.996), share(0.0)),
            ("89%".into(), "2.8%".into(), "99.6%".into(), "0%".into())
        );
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(range(15, 45), "0:15–0:45");
    }
}
