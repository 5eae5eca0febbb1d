//! Which parameter of a query string says what, in the order in which PostgREST complains about them.

use super::ast::{Condition, Field, FieldItem, Filter, Item, Query, Rows};
use super::reader::{self, Complaint};
use crate::upstream::supabase::errors::PgError;
use http::StatusCode;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Conditions and orders of one request; more is nonsense, and would cost without bound.
const MOST_PARAMETERS: usize = 1_000;

/// What a request's parameters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// A table, or a function called by `POST`: everything that is no keyword is a filter.
    Filters,
    /// A function called by `GET`: what has no operator is an argument.
    Arguments,
}

/// Reads a query string; PGRST100 if it cannot be read.
pub fn parse(text: &str, parameters: Parameters) -> Result<Query, PgError> {
    let pairs = pairs(text);
    let mut query = Query::default();
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let keyed = |words: &[&str]| pairs.iter().filter(|(key, _)| words.contains(&&*last(key))).collect::<Vec<_>>();

    let (mut ordered, mut logical, mut ranged) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in keyed(&["order"]) {
        let (path, _) = tree_path(key)?;
        ordered.push(path.clone());
        let order = read(value, "failed to parse order", |r| r.order())?;
        let rows = query.rows_at(path);
        if rows.order.is_empty() {
            rows.order = order;
        }
    }
    for (key, value) in keyed(&["and", "or"]) {
        let names = read(key, "failed to parse logic path", |r| r.separated(|r| r.name(), |r| r.delimiter()))?;
        let negated = names.iter().any(|name| name == "not");
        let operator = names.last().cloned().unwrap_or_default();
        let path: Vec<String> = names[..names.len() - 1].iter().filter(|name| *name != "not").cloned().collect();
        logical.push(path.clone());
        let whole = format!("{}{operator}{value}", if negated { "not." } else { "" });
        let condition = reader::read(&whole, |r| r.condition())
            .map_err(|complaint| refused("failed to parse logic tree", value, complaint))?;
        query.rows_at(path).conditions.push(condition);
    }
    let first = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value);
    if let Some(text) = first("columns") {
        query.columns = Some(read(text, "failed to parse columns parameter", |r| r.names())?);
    }
    let select = first("select").map_or("*", |text| text);
    query.select = match plain_columns(select) {
        Some(items) => items,
        None => read(select, "failed to parse select parameter", |r| r.items())?,
    };
    let filtered = filters(&mut query, &pairs, parameters, &last)?;
    if let Some(text) = first("on_conflict") {
        query.on_conflict = Some(read(text, "failed to parse on_conflict parameter", |r| r.names())?);
    }
    for (key, value) in keyed(&["limit", "offset"]) {
        let (path, _) = tree_path(key)?;
        // What is no number is as if it were not there.
        let Ok(number) = value.trim().parse::<i64>() else { continue };
        ranged.push(path.clone());
        let rows = query.rows_at(path);
        if last(key) == "limit" {
            rows.limit = Some(number);
        } else {
            rows.offset = u64::try_from(number).unwrap_or(0);
        }
    }
    let sorts = [filtered, ordered, ranged, logical];
    let all = sorts.into_iter().flat_map(|paths| paths.into_iter().rev());
    query.touched = all.filter(|path| !path.is_empty()).collect();
    Ok(query)
}

/// Reads the filters; gives the ways to the tables that they are about.
fn filters(
    query: &mut Query,
    pairs: &[(Cow<'_, str>, Cow<'_, str>)],
    parameters: Parameters,
    last: &dyn Fn(&str) -> String,
) -> Result<Vec<Vec<String>>, PgError> {
    let mut paths = Vec::new();
    for (key, value) in pairs {
        let reserved = matches!(&**key, "select" | "columns" | "on_conflict" | "apikey")
            || matches!(&*last(key), "order" | "limit" | "offset" | "and" | "or");
        if reserved {
            continue;
        }
        let (path, field) = tree_path(key)?;
        let operation = reader::read(value, |r| r.operation(reader::Reader::single_value));
        let (negated, operation) = match operation {
            Ok(operation) => operation,
            // By `GET`, what begins like no operator at all is an argument.
            Err(complaint) if parameters == Parameters::Arguments && complaint.place == "(line 1, column 1)" => {
                query.arguments.push((field.name, value.clone().into_owned()));
                continue;
            }
            Err(complaint) => return Err(refused("failed to parse filter", value, complaint)),
        };
        paths.push(path.clone());
        query.rows_at(path).conditions.push(Condition::Filter(Filter { field, negated, operation }));
    }
    Ok(paths)
}

impl Query {
    fn rows_at(&mut self, path: Vec<String>) -> &mut Rows {
        if path.is_empty() {
            return &mut self.rows;
        }
        let place = self.embedded.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
            self.embedded.push((path, Rows::default()));
            self.embedded.len() - 1
        });
        &mut self.embedded[place].1
    }
}

/// What almost all requests select: `*`, or plain columns.
fn plain_columns(select: &str) -> Option<Vec<Item>> {
    let plain = |name: &str| {
        !name.is_empty() && (name == "*" || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    };
    let item = |name: &str| {
        let field = Field::column(name);
        Item::Field(FieldItem { alias: None, field, cast: None, aggregate: None, aggregate_cast: None })
    };
    select.split(',').map(|name| plain(name).then(|| item(name))).collect()
}

fn tree_path(key: &str) -> Result<(Vec<String>, Field), PgError> {
    // Almost all keys are one plain name.
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !key.is_empty() {
        return Ok((Vec::new(), Field::column(key)));
    }
    read(key, "failed to parse tree path", |r| r.tree_path())
}

fn read<T>(text: &str, what: &str, grammar: impl Fn(&mut reader::Reader<'_>) -> reader::Read<T>) -> Result<T, PgError> {
    reader::read(text, grammar).map_err(|complaint| refused(what, text, complaint))
}

fn refused(what: &str, text: &str, complaint: Complaint) -> PgError {
    let message = format!("\"{what} ({text})\" {}", complaint.place);
    PgError::new(StatusCode::BAD_REQUEST, "PGRST100", message).details(complaint.details)
}

/// The parameters that have a value, decoded. PostgREST takes `;` for `&`, and `+` for a space.
fn pairs(text: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    text.split(['&', ';'])
        .filter_map(|pair| pair.split_once('='))
        .take(MOST_PARAMETERS)
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::ast::*;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn refusal(text: &str) -> (String, String) {
        let error = parse(text, Parameters::Filters).unwrap_err();
        assert_eq!(error.code, "PGRST100");
        (error.message, error.details.map(|details| details.to_string()).unwrap_or_default())
    }

    // The examples in PostgREST's own sources (QueryParams.hs, PostgREST 14), which its tests run.
    #[rstest]
    #[case(
        "a.b=noop.0",
        "failed to parse filter (noop.0)",
        1,
        r#"unexpected "o" expecting "not" or operator (eq, gt, ...)"#
    )]
    #[case("id=val", "failed to parse filter (val)", 1, r#"unexpected "v" expecting "not" or operator (eq, gt, ...)"#)]
    #[case(
        "select=id,clients(name[])",
        "failed to parse select parameter (id,clients(name[]))",
        16,
        r#"unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#
    )]
    #[case(
        "select=data->>-78xy",
        "failed to parse select parameter (data->>-78xy)",
        11,
        r#"unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#
    )]
    #[case(
        "select=name!hint",
        "failed to parse select parameter (name!hint)",
        5,
        r#"unexpected '!' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#
    )]
    #[case(
        "select=name::",
        "failed to parse select parameter (name::)",
        7,
        "unexpected end of input expecting letter or digit"
    )]
    #[case(
        "id=fts().value",
        "failed to parse filter (fts().value)",
        5,
        r#"unexpected ")" expecting operator (eq, gt, ...)"#
    )]
    #[case(
        "id=eq().value",
        "failed to parse filter (eq().value)",
        4,
        r#"unexpected ")" expecting operator (eq, gt, ...)"#
    )]
    #[case(
        "id=is().value",
        "failed to parse filter (is().value)",
        3,
        r#"unexpected "(" expecting operator (eq, gt, ...)"#
    )]
    #[case(
        "id=in().value",
        "failed to parse filter (in().value)",
        3,
        r#"unexpected "(" expecting operator (eq, gt, ...)"#
    )]
    #[case(
        "order=clients(name,id)",
        "failed to parse order (clients(name,id))",
        8,
        r#"unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"#
    )]
    #[case(
        "order=id.ac",
        "failed to parse order (id.ac)",
        4,
        r#"unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast""#
    )]
    #[case(
        "order=id.descc",
        "failed to parse order (id.descc)",
        8,
        r#"unexpected 'c' expecting delimiter (.), "," or end of input"#
    )]
    #[case(
        "order=id.nulsfist",
        "failed to parse order (id.nulsfist)",
        4,
        r#"unexpected "n" expecting "asc", "desc", "nullsfirst" or "nullslast""#
    )]
    #[case(
        "order=id.nullslasttt",
        "failed to parse order (id.nullslasttt)",
        13,
        r#"unexpected 't' expecting "," or end of input"#
    )]
    #[case(
        "order=id.asc.nlsfst",
        "failed to parse order (id.asc.nlsfst)",
        8,
        r#"unexpected "l" expecting "nullsfirst" or "nullslast""#
    )]
    #[case("or=()", "failed to parse logic tree (())", 4,
        r#"unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"#)]
    #[case(
        "or=(id.in.1,2,id.eq.3)",
        "failed to parse logic tree ((id.in.1,2,id.eq.3))",
        10,
        r#"unexpected "1" expecting "(""#
    )]
    #[case("or=)(", "failed to parse logic tree ()()", 3, r#"unexpected ")" expecting "(""#)]
    #[case(
        "and=(ord(id.eq.1,id.eq.1),id.eq.2)",
        "failed to parse logic tree ((ord(id.eq.1,id.eq.1),id.eq.2))",
        7,
        r#"unexpected "d" expecting "(""#
    )]
    #[case(
        "or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        "failed to parse logic tree ((id.eq.1,not.xor(id.eq.2,id.eq.3)))",
        16,
        r#"unexpected "x" expecting logic operator (and, or)"#
    )]
    fn complaints_are_postgrests_own(
        #[case] text: &str,
        #[case] what: &str,
        #[case] column: usize,
        #[case] details: &str,
    ) {
        let (message, said) = refusal(text);
        assert_eq!(message, format!("\"{what}\" (line 1, column {column})"));
        assert_eq!(said, details);
    }

    fn filter(text: &str) -> Filter {
        let mut query = parse(text, Parameters::Filters).unwrap();
        match query.rows.conditions.pop() {
            Some(Condition::Filter(filter)) => filter,
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case("a=eq.1", Operation::Quant(QuantOperator::Equal, None, "1".into()))]
    #[case("a=eq(any).%7B1,2%7D", Operation::Quant(QuantOperator::Equal, Some(Quantifier::Any), "{1,2}".into()))]
    #[case("a=like(all).{x*}", Operation::Quant(QuantOperator::Like, Some(Quantifier::All), "{x*}".into()))]
    #[case("a=gte.2", Operation::Quant(QuantOperator::GreaterEqual, None, "2".into()))]
    #[case("a=in.(a,\"b,c\",\"d\\\"e\")", Operation::In(vec!["a".into(), "b,c".into(), "d\"e".into()]))]
    #[case("a=in.()", Operation::In(vec![String::new()]))]
    #[case("a=in.(\"a\"b,c)", Operation::In(vec!["\"a\"b".into(), "c".into()]))]
    #[case("a=is.NULL", Operation::Is(Is::Null))]
    #[case("a=is.not_null", Operation::Is(Is::NotNull))]
    #[case("a=isdistinct.5", Operation::IsDistinct("5".into()))]
    #[case("a=wfts(english).cat+dog", Operation::Search(SearchKind::Web, Some("english".into()), "cat dog".into()))]
    #[case("a=sr.([1,2)", Operation::Simple(SimpleOperator::StrictlyRight, "([1,2)".into()))]
    #[case("a=neq.x.y", Operation::Simple(SimpleOperator::NotEqual, "x.y".into()))]
    fn operations_are_read(#[case] text: &str, #[case] expected: Operation) {
        assert_eq!(filter(text).operation, expected);
        let negated = text.replacen("a=", "a=not.", 1);
        assert_eq!((filter(&negated).negated, filter(&negated).operation), (true, expected));
    }

    #[test]
    fn everything_finds_its_place() {
        let query = parse(
            "select=id,n:data-%3Ea-%3E%3E0::int,total:amount.sum()::text,count(),lines!fk!inner(*,item:items(name)),\
             ...author(name)&id=gt.3&lines.qty=lt.5&lines.item.name=like.a*&or=(a.eq.1,not.and(b.is.null,c.in.(1,2)))\
             &lines.or=(qty.eq.1,qty.eq.2)&not.and=(a.eq.1)&order=data->a.desc.nullslast,author(name)&lines.order=qty\
             &lines.limit=2&limit=10&offset=5&columns=\"a\",\"b\"&on_conflict=id,%22b%20c%22&apikey=x",
            Parameters::Filters,
        )
        .unwrap();
        assert_eq!(query.select.len(), 6);
        let Item::Field(n) = &query.select[1] else { panic!() };
        assert_eq!(n.alias.as_deref(), Some("n"));
        assert_eq!(n.field.path[1], JsonStep { as_text: true, to: JsonKey::Index(0) });
        assert_eq!(n.cast.as_deref(), Some("int"));
        let Item::Field(total) = &query.select[2] else { panic!() };
        assert_eq!((total.aggregate, total.aggregate_cast.as_deref()), (Some(Aggregate::Sum), Some("text")));
        let Item::Relation(lines) = &query.select[4] else { panic!() };
        assert_eq!((lines.hint.as_deref(), lines.inner, lines.items.len()), (Some("fk"), true, 2));
        assert!(matches!(&query.select[5], Item::Relation(author) if author.spread));
        assert_eq!(query.rows.conditions.len(), 3);
        assert!(matches!(&query.rows.conditions[1], Condition::Logic { negated: true, all: true, .. }));
        assert_eq!((query.rows.limit, query.rows.offset, query.rows.order.len()), (Some(10), 5, 2));
        assert_eq!(query.rows.order[0].nulls_first, Some(false));
        assert_eq!(query.rows.order[1].relation.as_deref(), Some("author"));
        let lines = &query.embedded.iter().find(|(path, _)| path == &["lines"]).unwrap().1;
        assert_eq!((lines.conditions.len(), lines.limit, lines.order.len()), (2, Some(2), 1));
        assert!(query.embedded.iter().any(|(path, _)| path == &["lines", "item"]));
        assert_eq!(query.columns.unwrap(), ["a", "b"]);
        assert_eq!(query.on_conflict.unwrap(), ["id", "b c"]);
    }

    #[test]
    fn a_function_called_by_get_has_arguments_and_filters() {
        let query = parse("a=1&b={1,2}&id=gt.3&select=id", Parameters::Arguments).unwrap();
        assert_eq!(query.arguments, [("a".into(), "1".into()), ("b".into(), "{1,2}".into())]);
        assert_eq!(query.rows.conditions.len(), 1);
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_grammar_reads(select in "[a-z0-9_*,]{0,24}") {
            if let Some(items) = plain_columns(&select) {
                let by_grammar = read(&select, "", |r| r.items());
                prop_assert_eq!(by_grammar, Ok(items));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}", shaped in "[a-c=&(),:!.*>\"\\\\{}-]{0,80}") {
            for parameters in [Parameters::Filters, Parameters::Arguments] {
                let _ = parse(&text, parameters);
                let _ = parse(&shaped, parameters);
                for key in ["select", "order", "or", "a.not.and", "a", "columns", "on_conflict", "a.limit"] {
                    let _ = parse(&format!("{key}={text}"), parameters);
                    let _ = parse(&format!("{key}={shaped}"), parameters);
                }
            }
        }

        #[test]
        fn words_of_the_grammar_do_not_panic(words in proptest::collection::vec(prop_oneof![
            Just("eq"), Just("."), Just("("), Just(")"), Just(","), Just("not"), Just("in"), Just("is"), Just("null"),
            Just("and"), Just("or"), Just("->"), Just("->>"), Just("::"), Just("!inner"), Just("..."), Just("count()"),
            Just("\""), Just("\\"), Just("a"), Just("-"), Just("1"), Just("desc"), Just("nullsfirst"), Just("é"),
            Just("fts"), Just("(any)"), Just("*"), Just(":"), Just(" "), Just("%"), Just("%2"), Just("=")
        ], 0..40)) {
            let text = words.concat();
            for key in ["select", "order", "or", "a", "columns"] {
                let _ = parse(&format!("{key}={text}"), Parameters::Filters);
            }
        }
    }

    #[rstest]
    #[case("select=", "a(", ")")]
    #[case("or=", "(or", ")")]
    fn nesting_is_bounded(#[case] key: &str, #[case] open: &str, #[case] close: &str) {
        let text = format!("{key}{}(a.eq.1){}", open.repeat(20_000), close.repeat(20_000));
        assert_eq!(parse(&text, Parameters::Filters).unwrap_err().code, "PGRST100");
    }
}
