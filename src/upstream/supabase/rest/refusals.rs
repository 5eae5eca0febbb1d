//! What PostgREST and PostgreSQL say to a read that they refuse (PostgREST's `Error.hs`, PostgreSQL 15's sources).

use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::schema::TableDef;
use crate::upstream::supabase::errors::PgError;
use http::StatusCode;
use std::collections::HashSet;

const OPERATOR_HINT: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";
const FUNCTION_HINT: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";

/// PostgreSQL's refusal as PostgREST passes it on.
pub fn sql(error: SqlError) -> PgError {
    let mut refusal = PgError::new(error.status(true), error.code, error.message);
    refusal.details = error.details;
    refusal.hint = error.hint;
    refusal
}

/// 42883: a type lacks an operator.
pub fn no_operator(kind: &str, operator: &str) -> PgError {
    sql(SqlError::new("42883", format!("operator does not exist: {kind} {operator} unknown")).hint(OPERATOR_HINT))
}

/// 42725: several operators would fit.
pub fn ambiguous_operator(kind: &str, operator: &str) -> PgError {
    let hint = "Could not choose a best candidate operator. You might need to add explicit type casts.";
    sql(SqlError::new("42725", format!("operator is not unique: {kind} {operator} unknown")).hint(hint))
}

/// 42883: a function does not take a type.
pub fn no_function(name: &str, kind: &str) -> PgError {
    sql(SqlError::new("42883", format!("function {name}({kind}) does not exist")).hint(FUNCTION_HINT))
}

/// 42703: a table has no such column. `alias` is what the query calls the table.
pub fn no_column(table: &TableDef, alias: &str, column: &str) -> PgError {
    let error = SqlError::new("42703", format!("column {alias}.{} does not exist", column));
    let names = near_columns(table, column);
    sql(match names.as_slice() {
        [one] => error.hint(format!("Perhaps you meant to reference the column \"{alias}.{one}\".")),
        [one, two] => error.hint(format!(
            "Perhaps you meant to reference the column \"{alias}.{one}\" or the column \"{alias}.{two}\"."
        )),
        _ => error,
    })
}

/// The columns whose names are as near as any, and near enough (PostgreSQL's `updateFuzzyAttrMatchState`).
fn near_columns<'a>(table: &'a TableDef, column: &str) -> Vec<&'a str> {
    const FURTHEST: usize = 3;
    let mut best = (FURTHEST + 1, Vec::new());
    for known in table.columns() {
        let distance = strsim::levenshtein(column, &known.name);
        // With more than half of it different, it is no misspelling.
        if distance > FURTHEST || distance > column.chars().count() / 2 {
            continue;
        }
        match distance.cmp(&best.0) {
            std::cmp::Ordering::Less => best = (distance, vec![known.name.as_str()]),
            std::cmp::Ordering::Equal => best.1.push(&known.name),
            std::cmp::Ordering::Greater => {}
        }
    }
    best.1
}

/// PGRST205: the schema has no such table.
pub fn no_table<'a>(schema: &str, table: &str, known: impl Iterator<Item = &'a str>) -> PgError {
    let message = format!("Could not find the table '{schema}.{table}' in the schema cache");
    let mut error = PgError::new(StatusCode::NOT_FOUND, "PGRST205", message);
    error.hint = nearest(table, known, 0.75).map(|near| format!("Perhaps you meant the table '{schema}.{near}'"));
    error
}

/// PGRST108: something is said of a relation that is not embedded.
pub fn not_embedded(name: &str) -> PgError {
    let message = format!("'{name}' is not an embedded resource in this request");
    let mut error = PgError::new(StatusCode::BAD_REQUEST, "PGRST108", message);
    error.hint = Some(format!("Verify that '{name}' is included in the 'select' query parameter."));
    error
}

/// PGRST106: the schema is not exposed.
pub fn no_schema(schema: &str, exposed: &[String]) -> PgError {
    let mut error = PgError::new(StatusCode::NOT_ACCEPTABLE, "PGRST106", format!("Invalid schema: {schema}"));
    error.hint = Some(format!("Only the following schemas are exposed: {}", exposed.join(", ")));
    error
}

/// The name that is most like another, if one is alike enough: as the fuzzy set that PostgREST asks ranks names, by
/// edit distance over length among those that share two neighbouring characters.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let pairs = |text: &str| -> HashSet<(char, char)> {
        let text: Vec<char> = format!("-{text}-").chars().collect();
        text.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let own = pairs(&wanted);
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let lower = name.to_lowercase();
        if own.is_disjoint(&pairs(&lower)) {
            continue;
        }
        let score = strsim::normalized_levenshtein(&wanted, &lower);
        if score >= least && best.is_none_or(|(other, _)| score > other) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}
