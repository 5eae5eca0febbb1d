//! Did you mean: the nearest valid name, and lists of names for people.

/// The name among `choices` that `typed` is most likely a slip of.
pub(super) fn nearest<'a>(typed: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    // A third of the word may be wrong: more than that and the guess is no help.
    let allowed = typed.chars().count().div_ceil(3).clamp(1, 4);
    choices
        .into_iter()
        .map(|choice| {
            let distance = strsim::damerau_levenshtein(&typed, &choice.to_lowercase());
            // `plan` for `daily-plan`: a part of the name is a likelier slip than its distance says.
            let inside = typed.len() >= 4 && (choice.contains(&typed) || typed.contains(choice) && choice.len() >= 4);
            (if inside { distance.min(2) } else { distance }, choice)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}

/// Names in backticks: `a`, `b` and `c`.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [head @ .., tail] => format!("{} {last} {tail}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_slips_and_nothing_far_away() {
        let keys = ["users", "ramp-up", "hold", "graceful-stop"];
        assert_eq!(nearest("usres", keys), Some("users"));
        assert_eq!(nearest("ramp_up", keys), Some("ramp-up"));
        assert_eq!(nearest("gracefulstop", keys), Some("graceful-stop"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("brownout", ["openai-brownout", "supabase-outage"]), Some("openai-brownout"));
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
