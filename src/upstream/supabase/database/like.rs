//! `LIKE`: matching a text with `%` and `_`.

/// Whether a text matches a pattern: `%` stands for any text, `_` for one character, `\` takes the next one as it is.
pub fn matches(text: &str, pattern: &str, without_case: bool) -> bool {
    let (text, pattern) = if without_case {
        (text.to_lowercase(), pattern.to_lowercase())
    } else {
        (text.to_owned(), pattern.to_owned())
    };
    let text: Vec<char> = text.chars().collect();
    let pattern = steps(&pattern);
    // Greedy with one place to go back to: linear for most, quadratic at worst.
    let (mut at, mut step) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(step) {
            Some(Step::Any) => {
                back = Some((step + 1, at));
                step += 1;
            }
            Some(Step::One) => {
                at += 1;
                step += 1;
            }
            Some(Step::Char(c)) if *c == text[at] => {
                at += 1;
                step += 1;
            }
            _ => match back {
                Some((to, from)) => {
                    back = Some((to, from + 1));
                    (step, at) = (to, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[step..].iter().all(|step| *step == Step::Any)
}

#[derive(PartialEq)]
enum Step {
    Any,
    One,
    Char(char),
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut chars = pattern.chars();
    let mut steps = Vec::new();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '%' => Step::Any,
            '_' => Step::One,
            '\\' => Step::Char(chars.next().unwrap_or('\\')),
            c => Step::Char(c),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("abc", "a%", false, true)]
    #[case("abc", "_b_", false, true)]
    #[case("abc", "A%C", false, false)]
    #[case("abc", "A%C", true, true)]
    #[case("50%", "50\\%", false, true)]
    #[case("500", "50\\%", false, false)]
    #[case("aXbXc", "%X%c", false, true)]
    #[case("", "%", false, true)]
    #[case("", "_", false, false)]
    fn matches_as_sql_does(#[case] text: &str, #[case] pattern: &str, #[case] without_case: bool, #[case] yes: bool) {
        assert_eq!(matches(text, pattern, without_case), yes);
    }
}
