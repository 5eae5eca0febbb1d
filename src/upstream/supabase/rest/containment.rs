//! `@>`, `<@`, `&&` and the operators of ranges.

use super::grammar::ast::SimpleOperator;
use super::scan;
use crate::upstream::supabase::database::value::{Array, Range, Value};
use bigdecimal::BigDecimal;
use std::cmp::Ordering;

/// How deep JSON is compared; deeper is taken for different.
const DEEPEST: usize = 512;

/// Whether `left operator right`; both are arrays, both ranges, or both `jsonb`. `None` if they are not.
pub fn holds(operator: SimpleOperator, left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => arrays(operator, left, right),
        (Value::Range(left), Value::Range(right)) => ranges(operator, left, right),
        (Value::Jsonb(left), Value::Jsonb(right)) => match operator {
            SimpleOperator::Contains => Some(json_contains(left, right)),
            SimpleOperator::ContainedIn => Some(json_contains(right, left)),
            _ => None,
        },
        _ => None,
    }
}

fn arrays(operator: SimpleOperator, left: &Array, right: &Array) -> Option<bool> {
    // A null is in no array.
    let has = |array: &Array, value: &Value| !value.is_null() && array.elements.iter().any(|own| own.is_same(value));
    match operator {
        SimpleOperator::Contains => Some(right.elements.iter().all(|value| has(left, value))),
        SimpleOperator::ContainedIn => Some(left.elements.iter().all(|value| has(right, value))),
        SimpleOperator::Overlaps => Some(left.elements.iter().any(|value| has(right, value))),
        _ => None,
    }
}

/// One end of a range.
#[derive(Clone, Copy)]
struct Bound<'a> {
    value: Option<&'a Value>,
    inclusive: bool,
    lower: bool,
}

fn lower(range: &Range) -> Bound<'_> {
    Bound { value: range.lower.as_ref(), inclusive: range.lower_inclusive, lower: true }
}

fn upper(range: &Range) -> Bound<'_> {
    Bound { value: range.upper.as_ref(), inclusive: range.upper_inclusive, lower: false }
}

/// The order of two bounds on the line of values (PostgreSQL's `range_cmp_bounds`).
fn compare(a: Bound<'_>, b: Bound<'_>) -> Ordering {
    let infinite = |bound: Bound<'_>| if bound.lower { Ordering::Less } else { Ordering::Greater };
    match (a.value, b.value) {
        (None, None) if a.lower == b.lower => Ordering::Equal,
        (None, _) => infinite(a),
        (_, None) => infinite(b).reverse(),
        (Some(x), Some(y)) => x.compare(y).then_with(|| match (a.inclusive, b.inclusive) {
            (false, false) if a.lower == b.lower => Ordering::Equal,
            (false, false) | (false, true) => {
                if a.lower {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (true, false) => {
                if b.lower {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (true, true) => Ordering::Equal,
        }),
    }
}

fn ranges(operator: SimpleOperator, left: &Range, right: &Range) -> Option<bool> {
    let contains = |outer: &Range, inner: &Range| {
        inner.empty
            || !outer.empty
                && compare(lower(outer), lower(inner)) != Ordering::Greater
                && compare(upper(outer), upper(inner)) != Ordering::Less
    };
    let some = !left.empty && !right.empty;
    Some(match operator {
        SimpleOperator::Contains => contains(left, right),
        SimpleOperator::ContainedIn => contains(right, left),
        SimpleOperator::Overlaps => {
            some && compare(lower(left), upper(right)) != Ordering::Greater
                && compare(lower(right), upper(left)) != Ordering::Greater
        }
        SimpleOperator::StrictlyLeft => some && compare(upper(left), lower(right)) == Ordering::Less,
        SimpleOperator::StrictlyRight => some && compare(lower(left), upper(right)) == Ordering::Greater,
        SimpleOperator::NotRightOf => some && compare(upper(left), upper(right)) != Ordering::Greater,
        SimpleOperator::NotLeftOf => some && compare(lower(left), lower(right)) != Ordering::Less,
        SimpleOperator::Adjacent => some && (touch(upper(left), lower(right)) || touch(upper(right), lower(left))),
        SimpleOperator::NotEqual => return None,
    })
}

/// Whether nothing lies between an upper and a lower bound, and nothing is in both. Discrete ranges are `[a, b)`
/// here, so that their bounds touch as those of others do.
fn touch(upper: Bound<'_>, lower: Bound<'_>) -> bool {
    match (upper.value, lower.value) {
        (Some(a), Some(b)) => a.compare(b) == Ordering::Equal && upper.inclusive != lower.inclusive,
        _ => false,
    }
}

/// `jsonb @> jsonb`.
pub fn json_contains(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim(), inner.trim());
    // On the top level only, an array contains a scalar that it has.
    if outer.starts_with('[') && !inner.starts_with(['[', '{']) {
        return any_element(outer, &mut |own| json_same(own, inner, 0));
    }
    contains_at(outer, inner, 0)
}

fn any_element(array: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut found = false;
    let _ = scan::elements(array, &mut |own| {
        found |= test(own);
        (!found).then_some(())
    });
    found
}

fn contains_at(outer: &str, inner: &str, depth: usize) -> bool {
    if depth > DEEPEST {
        return false;
    }
    match (outer.as_bytes().first(), inner.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let mut all = true;
            let _ = scan::members(inner, &mut |key, wanted| {
                let mut found = false;
                let _ = scan::members(outer, &mut |own, value| {
                    found |= own == key && contains_at(value, wanted, depth + 1);
                    (!found).then_some(())
                });
                all &= found;
                all.then_some(())
            });
            all
        }
        (Some(b'['), Some(b'[')) => {
            let mut all = true;
            let _ = scan::elements(inner, &mut |wanted| {
                all &= any_element(outer, &mut |own| contains_at(own, wanted, depth + 1));
                all.then_some(())
            });
            all
        }
        (Some(b'{' | b'['), _) | (_, Some(b'{' | b'[')) => false,
        _ => json_same(outer, inner, depth),
    }
}

/// Whether two scalars are the same.
fn json_same(a: &str, b: &str, depth: usize) -> bool {
    if a == b {
        return true;
    }
    let number = |text: &str| text.as_bytes().first().is_some_and(|c| c.is_ascii_digit() || *c == b'-');
    if number(a) && number(b) {
        return match (a.parse::<BigDecimal>(), b.parse::<BigDecimal>()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
    }
    a.starts_with(['{', '[']) && contains_at(a, b, depth + 1) && contains_at(b, a, depth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    // PostgreSQL 15's documentation, 8.14.3, and what it answers.
    #[rstest]
    #[case(r#""foo""#, r#""foo""#, true)]
    #[case("[1, 2, 3]", "[1, 3]", true)]
    #[case("[1, 2, 3]", "[3, 1]", true)]
    #[case("[1, 2, 3]", "[1, 2, 2]", true)]
    #[case(r#"{"product": "PostgreSQL", "version": 9.4, "jsonb": true}"#, r#"{"version": 9.4}"#, true)]
    #[case("[1, 2, [1, 3]]", "[1, 3]", false)]
    #[case("[1, 2, [1, 3]]", "[[1, 3]]", true)]
    #[case(r#"{"foo": {"bar": "baz"}}"#, r#"{"bar": "baz"}"#, false)]
    #[case(r#"{"foo": {"bar": "baz"}}"#, r#"{"foo": {}}"#, true)]
    #[case(r#"["foo", "bar"]"#, r#""bar""#, true)]
    #[case(r#""bar""#, r#"["bar"]"#, false)]
    #[case("1.0", "1", true)]
    #[case("[]", "[]", true)]
    #[case("{}", "[]", false)]
    fn jsonb_contains(#[case] outer: &str, #[case] inner: &str, #[case] expected: bool) {
        assert_eq!(json_contains(outer, inner), expected);
    }
}
