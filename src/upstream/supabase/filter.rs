//! PostgREST's filters: the grammar of `column=op.value` and of `or=(…)`/`and=(…)`, and what they mean for a row.

use super::errors::PgError;
use super::value::{Cell, Literal};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// How deep `and(…)`/`or(…)` may nest.
const DEEPEST: usize = 16;

/// A column, or something inside a JSON column (`data->scores->>total`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    /// The column.
    pub column: String,
    /// Keys and array places on the way in.
    pub path: Vec<String>,
    /// Whether the end is taken as text (`->>`).
    pub as_text: bool,
}

impl ColumnRef {
    /// Reads a column with its arrows.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split("->");
        let column = unquoted(parts.next().unwrap_or_default().trim());
        let mut as_text = false;
        let path = parts
            .map(|part| {
                as_text = part.starts_with('>');
                unquoted(part.trim_start_matches('>').trim())
            })
            .collect();
        Self { column, path, as_text }
    }

    /// The last name on the way: what PostgREST calls it in answers.
    pub fn last_name(&self) -> &str {
        self.path.last().unwrap_or(&self.column)
    }

    /// What it is in a row whose `column` holds `cell`.
    pub fn resolve<'a>(&self, cell: &'a Cell) -> Cow<'a, Cell> {
        if self.path.is_empty() {
            return Cow::Borrowed(cell);
        }
        let Cell::Json(json) = cell else { return Cow::Owned(Cell::Null) };
        let Ok(mut value) = serde_json::from_str::<Value>(json) else { return Cow::Owned(Cell::Null) };
        for step in &self.path {
            let inner = match &mut value {
                Value::Object(fields) => fields.remove(step),
                Value::Array(items) => step.parse().ok().filter(|at| *at < items.len()).map(|at| items.swap_remove(at)),
                _ => None,
            };
            value = inner.unwrap_or(Value::Null);
        }
        let cell = Cell::from_json(&value);
        Cow::Owned(if self.as_text {
            cell.as_text().map_or(Cell::Null, |text| Cell::Text((*text).into()))
        } else {
            cell
        })
    }
}

/// A name without the quotes around it.
fn unquoted(text: &str) -> String {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// What a column is held against.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `eq`.
    Equal(Literal),
    /// `neq`.
    NotEqual(Literal),
    /// `gt`, `gte`, `lt`, `lte`: the orders that pass.
    Ordered(&'static [Ordering], Literal),
    /// `like` and `ilike`: the pattern, and whether case matters not.
    Like(Vec<char>, bool),
    /// `in`.
    In(Vec<Literal>),
    /// `is.null`.
    IsNull,
    /// `is.true`, `is.false`.
    Is(bool),
    /// `is.unknown`, which is null for a boolean.
    IsUnknown,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// All of them.
    And(Vec<Node>),
    /// Any of them.
    Or(Vec<Node>),
    /// Not this.
    Not(Box<Node>),
    /// One test.
    Test(ColumnRef, Test),
}

impl Node {
    /// Reads `column=condition`.
    pub fn parse(column: &str, condition: &str) -> Result<Self, PgError> {
        let (negated, rest) = match condition.strip_prefix("not.") {
            Some(rest) => (true, rest),
            None => (false, condition),
        };
        let (operator, value) = rest.split_once('.').ok_or_else(|| PgError::unreadable("filter", condition))?;
        let node = Self::Test(ColumnRef::parse(column), test(operator, value, condition)?);
        Ok(if negated { Self::Not(Box::new(node)) } else { node })
    }

    /// Reads `or=(…)` or `and=(…)`; `key` is `or`, `and`, `not.or` or `not.and`.
    pub fn parse_logic(key: &str, list: &str) -> Result<Self, PgError> {
        logic(key, list, 0)
    }

    /// Whether it holds for a row, in SQL's three-valued logic: `None` is unknown, which does not select the row.
    pub fn holds<'a>(&self, cell: &dyn Fn(&str) -> &'a Cell) -> Option<bool> {
        match self {
            Self::And(nodes) => {
                let mut all = Some(true);
                for node in nodes {
                    match node.holds(cell) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Self::Or(nodes) => {
                let mut any = Some(false);
                for node in nodes {
                    match node.holds(cell) {
                        Some(true) => return Some(true),
                        None => any = None,
                        Some(false) => {}
                    }
                }
                any
            }
            Self::Not(node) => node.holds(cell).map(|holds| !holds),
            Self::Test(column, test) => test.holds(&column.resolve(cell(&column.column))),
        }
    }

    /// The literals of which a plain column must equal one, if this is such a test.
    pub fn equalities(&self) -> Option<(&str, &[Literal])> {
        match self {
            Self::Test(column, test) if column.path.is_empty() => match test {
                Test::Equal(literal) => Some((&column.column, std::slice::from_ref(literal))),
                Test::In(literals) => Some((&column.column, literals)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Test {
    fn holds(&self, cell: &Cell) -> Option<bool> {
        let is_null = matches!(cell, Cell::Null);
        match self {
            Self::IsNull | Self::IsUnknown => Some(is_null),
            Self::Is(wanted) => Some(*cell == Cell::Bool(*wanted)),
            _ if is_null => None,
            Self::Equal(literal) => Some(cell.compare(literal) == Some(Ordering::Equal)),
            Self::NotEqual(literal) => Some(cell.compare(literal) != Some(Ordering::Equal)),
            Self::Ordered(passing, literal) => cell.compare(literal).map(|order| passing.contains(&order)),
            Self::In(literals) => Some(literals.iter().any(|literal| cell.compare(literal) == Some(Ordering::Equal))),
            Self::Like(pattern, ignore_case) => cell.as_text().map(|text| like(pattern, &text, *ignore_case)),
        }
    }
}

fn test(operator: &str, value: &str, whole: &str) -> Result<Test, PgError> {
    use Ordering::{Equal, Greater, Less};
    let literal = || Literal::new(value);
    Ok(match operator {
        "eq" => Test::Equal(literal()),
        "neq" => Test::NotEqual(literal()),
        "gt" => Test::Ordered(&[Greater], literal()),
        "gte" => Test::Ordered(&[Greater, Equal], literal()),
        "lt" => Test::Ordered(&[Less], literal()),
        "lte" => Test::Ordered(&[Less, Equal], literal()),
        // PostgREST takes `*` for `%`, which need not be escaped in a URL.
        "like" | "ilike" => {
            let ignore_case = operator == "ilike";
            let pattern = if ignore_case { value.to_lowercase() } else { value.to_owned() };
            Test::Like(pattern.replace('*', "%").chars().collect(), ignore_case)
        }
        "in" => Test::In(list(value).ok_or_else(|| PgError::unreadable("filter", whole))?),
        "is" => match value.to_ascii_lowercase().as_str() {
            "null" => Test::IsNull,
            "true" => Test::Is(true),
            "false" => Test::Is(false),
            "unknown" => Test::IsUnknown,
            _ => return Err(PgError::unreadable("filter", whole)),
        },
        _ => {
            return Err(PgError::unreadable("filter", whole)
                .details("firedrill's Supabase mock knows eq, neq, gt, gte, lt, lte, like, ilike, in, is and not"));
        }
    })
}

/// Whether `text` is like `pattern` (`%` any run, `_` any one), with bounded backtracking.
fn like(pattern: &[char], text: &str, ignore_case: bool) -> bool {
    let text: Vec<char> = if ignore_case { text.to_lowercase().chars().collect() } else { text.chars().collect() };
    let (mut p, mut t, mut last) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                last = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match last {
                Some((star, taken)) => {
                    last = Some((star, taken + 1));
                    p = star + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

/// Reads `(a,"b,c","d\"e")`.
fn list(text: &str) -> Option<Vec<Literal>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let mut literals = Vec::new();
    let mut current = String::new();
    let (mut quoted, mut chars) = (false, inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => current.push(chars.next()?),
            '"' => quoted = !quoted,
            ',' if !quoted => literals.push(Literal::new(&std::mem::take(&mut current))),
            c => current.push(c),
        }
    }
    literals.push(Literal::new(&current));
    (!quoted).then_some(literals)
}

fn logic(key: &str, text: &str, depth: usize) -> Result<Node, PgError> {
    let fail = || PgError::unreadable("logic tree", text);
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(fail)?;
    if depth >= DEEPEST {
        return Err(fail());
    }
    let mut nodes = Vec::new();
    for part in split_top_level(inner, ',').ok_or_else(fail)? {
        let part = part.trim();
        let (prefix, rest) = match part.strip_prefix("not.") {
            Some(rest) if rest.starts_with("and(") || rest.starts_with("or(") => ("not.", rest),
            _ => ("", part),
        };
        let nested = rest.find('(').filter(|at| matches!(&rest[..*at], "and" | "or"));
        nodes.push(match nested {
            Some(at) => logic(&format!("{prefix}{}", &rest[..at]), &rest[at..], depth + 1)?,
            None => {
                let (column, condition) = part.split_once('.').ok_or_else(fail)?;
                // Inside a tree a value may be quoted, because of its commas or parentheses.
                let (operator, value) = condition.rsplit_once(".\"").unwrap_or((condition, ""));
                match value.strip_suffix('"') {
                    Some(value) if !operator.contains('"') => {
                        Node::parse(column, &format!("{operator}.{}", unescaped(value)))?
                    }
                    _ => Node::parse(column, condition)?,
                }
            }
        });
    }
    match key {
        "and" => Ok(Node::And(nodes)),
        "or" => Ok(Node::Or(nodes)),
        "not.and" => Ok(Node::Not(Box::new(Node::And(nodes)))),
        "not.or" => Ok(Node::Not(Box::new(Node::Or(nodes)))),
        _ => Err(fail()),
    }
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    out
}

/// Splits at `separator` outside parentheses and quotes; `None` if those do not match up.
pub fn split_top_level(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.checked_sub(1)?,
            c if c == separator && !quoted && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (depth == 0 && !quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    fn holds(node: &Node, row: &Value) -> Option<bool> {
        let cells: Vec<(String, Cell)> =
            row.as_object().unwrap().iter().map(|(k, v)| (k.clone(), Cell::from_json(v))).collect();
        node.holds(&|name| cells.iter().find(|(column, _)| column == name).map_or(&Cell::Null, |(_, cell)| cell))
    }

    #[rstest]
    #[case("a", "eq.1", Some(true))]
    #[case("a", "neq.1", Some(false))]
    #[case("a", "not.eq.1", Some(false))]
    #[case("a", "gt.0", Some(true))]
    #[case("a", "gte.1", Some(true))]
    #[case("a", "lt.1", Some(false))]
    #[case("a", "lte.1", Some(true))]
    #[case("a", "in.(3,2,1)", Some(true))]
    #[case("a", "not.in.(3,2)", Some(true))]
    #[case("a", "in.()", Some(false))]
    #[case("b", "eq.x,y.z", Some(true))]
    #[case("b", "in.(q,\"x,y.z\")", Some(true))]
    #[case("b", "like.x*z", Some(true))]
    #[case("b", "like.X*", Some(false))]
    #[case("b", "ilike.X%", Some(true))]
    #[case("b", "like.x_y.z", Some(true))]
    #[case("n", "eq.1", None)]
    #[case("n", "neq.1", None)]
    #[case("n", "not.eq.1", None)]
    #[case("n", "is.null", Some(true))]
    #[case("n", "not.is.null", Some(false))]
    #[case("a", "is.null", Some(false))]
    #[case("t", "is.true", Some(true))]
    #[case("t", "eq.true", Some(true))]
    #[case("j->k->>v", "eq.5", Some(true))]
    #[case("j->l->0", "eq.7", Some(true))]
    #[case("j->>missing", "is.null", Some(true))]
    fn operators_mean_what_postgrest_means(
        #[case] column: &str,
        #[case] condition: &str,
        #[case] expected: Option<bool>,
    ) {
        let row = json!({"a": 1, "b": "x,y.z", "n": null, "t": true, "j": {"k": {"v": 5}, "l": [7]}});
        assert_eq!(holds(&Node::parse(column, condition).unwrap(), &row), expected);
    }

    #[rstest]
    #[case("or", "(a.eq.2,b.eq.x)", true)]
    #[case("or", "(a.eq.2,b.eq.y)", false)]
    #[case("and", "(a.eq.1,or(b.eq.q,b.eq.x))", true)]
    #[case("or", "(a.eq.9,and(a.gt.0,not.or(b.eq.q,b.eq.r)))", true)]
    #[case("not.or", "(a.eq.2,b.eq.y)", true)]
    #[case("or", "(a.in.(5,1),b.eq.q)", true)]
    #[case("or", "(b.eq.\"x\",a.eq.7)", true)]
    fn trees_nest(#[case] key: &str, #[case] text: &str, #[case] expected: bool) {
        let node = Node::parse_logic(key, text).unwrap();
        assert_eq!(holds(&node, &json!({"a": 1, "b": "x"})), Some(expected));
    }

    #[rstest]
    #[case("a", "1")]
    #[case("a", "frobs.1")]
    #[case("a", "in.1,2")]
    #[case("a", "is.maybe")]
    fn nonsense_is_refused(#[case] column: &str, #[case] condition: &str) {
        assert_eq!(Node::parse(column, condition).unwrap_err().code, "PGRST100");
    }

    proptest! {
        #[test]
        fn no_text_panics(column in "\\PC{0,20}", condition in "\\PC{0,40}") {
            let _ = Node::parse(&column, &condition);
            let _ = Node::parse_logic("or", &condition);
        }

        #[test]
        fn no_tree_panics(text in "[(),.abnotrdeqi\"\\\\]{0,60}") {
            for key in ["or", "not.and"] {
                if let Ok(node) = Node::parse_logic(key, &text) {
                    holds(&node, &json!({"a": 1}));
                }
            }
        }

        #[test]
        fn nesting_is_bounded(depth in 0_usize..5_000) {
            let text = format!("{}a.eq.1{}", "(or".repeat(depth) + "(", ")".repeat(depth * 2 + 1));
            let _ = Node::parse_logic("or", &text);
        }
    }
}
