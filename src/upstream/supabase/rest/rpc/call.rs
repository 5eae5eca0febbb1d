//! Calling a function: its arguments, what it gives, and the answer.

use super::super::grammar::ast::{Item, Query};
use super::super::grammar::{self, Parameters};
use super::super::media::Media;
use super::super::preferences::Preferences;
use super::super::read::{Settings, Telling, finish};
use super::super::viewer::{Everybody, Viewer};
use super::super::work::Work;
use super::super::{range, refusals, render};
use super::choice;
use super::function::{Body, Function, Functions, Returns};
use crate::model::function::FunctionBody;
use crate::upstream::answer::Answer;
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::row::Row;
use crate::upstream::supabase::database::schema::{Column, TableDef, TableName};
use crate::upstream::supabase::database::store::Store;
use crate::upstream::supabase::database::table::{RowNumber, Table};
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// A call of a function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The schema, by the profile header.
    pub schema: &'a str,
    /// The function.
    pub name: &'a str,
    /// `GET`, `HEAD` or `POST`.
    pub method: &'a Method,
    /// The query string, as sent.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// What is known of the arguments of a call.
struct Arguments {
    /// As they are said.
    json: BTreeMap<String, Json>,
    /// In their types, as text; null is not there.
    text: BTreeMap<String, String>,
}

/// Calls a function and answers.
///
/// # Errors
/// PGRST101, 102, 202, 203, 25006, what its arguments are refused with, what it raises, and as a read.
pub fn invoke(
    functions: &Functions,
    store: &Store,
    settings: &Settings,
    viewer: &dyn Viewer,
    call: &Invocation<'_>,
    work: &Work,
) -> Result<Answer, PgError> {
    let post = *call.method == Method::POST;
    if !post && *call.method != Method::GET && *call.method != Method::HEAD {
        let message = format!("Cannot use the {} method on RPC", call.method);
        return Err(PgError::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST101", message));
    }
    let parameters = if post { Parameters::Filters } else { Parameters::Arguments };
    let mut query = grammar::parse(call.query, parameters)?;
    range::narrow(&mut query.rows, call.headers, *call.method == Method::GET)?;
    let given = if post { body_arguments(call, &query)? } else { query_arguments(&query) };
    let names: BTreeSet<&str> = given.keys().map(String::as_str).collect();
    let function = choice::choose(functions, call.schema, call.name, &names, post)?;
    let media = Media::negotiate(call.headers)?;
    let preferences = Preferences::read(call.headers);
    preferences.check()?;
    if function.volatile && !post {
        let message = "cannot execute INSERT in a read-only transaction";
        return Err(refusals::sql(SqlError::new("25006", message)));
    }
    let arguments = typed(function, given)?;
    let telling = Telling { store, settings, viewer, schema: call.schema, work };
    let answer = match &function.returns {
        Returns::Void => {
            run(&telling, function, &arguments)?;
            Answer::empty(StatusCode::NO_CONTENT).with("content-range", "0-0/*")
        }
        Returns::Scalar(kind) => {
            let (value, warning) = scalar(&telling, function, &arguments, kind)?;
            let total = preferences.count.map(|_| 1);
            let body = if *call.method == Method::HEAD { Vec::new() } else { bytes(&value, media) };
            finish(1, query.rows.offset, total, media, body)?.with("content-profile", call.schema).warned(warning)
        }
        Returns::Scalars(kind) => {
            let values = scalars(&telling, function, &arguments, kind)?;
            let total = preferences.count.map(|_| values.len());
            let limit = query.rows.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
            let limit = limit.min(settings.max_rows.unwrap_or(usize::MAX));
            let offset = usize::try_from(query.rows.offset).unwrap_or(usize::MAX);
            let values: Vec<&Value> = values.iter().skip(offset).take(limit).collect();
            let mut body = Vec::new();
            for (at, value) in values.iter().enumerate() {
                body.extend_from_slice(if at == 0 { b"[" } else { b", " });
                value.write_json(&mut body);
            }
            body.extend_from_slice(if values.is_empty() { b"[]" } else { b"]" });
            if *call.method == Method::HEAD {
                body.clear();
            }
            finish(values.len(), query.rows.offset, total, media, body)?.with("content-profile", call.schema)
        }
        Returns::Row(_) | Returns::Rows(_) | Returns::Table(_) => {
            rows(&telling, function, &arguments, &query, media, call, &preferences)?
        }
    };
    let answer = match preferences.applied_to_read() {
        Some(applied) => answer.with("preference-applied", &applied),
        None => answer,
    };
    let warning = answer.warning.clone().or_else(|| preferences.warning());
    Ok(answer.warned(warning))
}

fn query_arguments(query: &Query) -> BTreeMap<String, Json> {
    query.arguments.iter().map(|(name, text)| (name.clone(), Json::String(text.clone()))).collect()
}

fn body_arguments(call: &Invocation<'_>, query: &Query) -> Result<BTreeMap<String, Json>, PgError> {
    let bad = || PgError::new(StatusCode::BAD_REQUEST, "PGRST102", "Empty or invalid json");
    let kind = call.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let object = match kind.as_str() {
        "application/x-www-form-urlencoded" => url::form_urlencoded::parse(call.body)
            .map(|(name, text)| (name.into_owned(), Json::String(text.into_owned())))
            .collect(),
        "application/json" | "" if call.body.trim_ascii().is_empty() => Map::new(),
        "application/json" | "" => match serde_json::from_slice(call.body).map_err(|_| bad())? {
            Json::Object(object) => object,
            // Of a list, the first says what is given.
            Json::Array(mut all) => match all.drain(..).next() {
                Some(Json::Object(object)) => object,
                None => Map::new(),
                Some(_) => return Err(bad()),
            },
            _ => Map::new(),
        },
        other => {
            let message = format!("Content-Type not acceptable: {other}");
            return Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST102", message));
        }
    };
    let wanted = |name: &String| query.columns.as_ref().is_none_or(|columns| columns.contains(name));
    Ok(object.into_iter().filter(|(name, _)| wanted(name)).collect())
}

/// The arguments in their types, defaults included.
fn typed(function: &Function, given: BTreeMap<String, Json>) -> Result<Arguments, PgError> {
    let mut arguments = Arguments { json: BTreeMap::new(), text: BTreeMap::new() };
    for argument in &function.arguments {
        let said = given.get(&argument.name).or(argument.default.as_ref()).cloned().unwrap_or(Json::Null);
        let value = value_of(&argument.kind, &said, &argument.name)?;
        if let Some(text) = value.to_text() {
            arguments.text.insert(argument.name.clone(), text);
        }
        let mut json = Vec::new();
        value.write_json(&mut json);
        arguments.json.insert(argument.name.clone(), serde_json::from_slice(&json).unwrap_or(Json::Null));
    }
    Ok(arguments)
}

fn value_of(kind: &ColumnType, json: &Json, name: &str) -> Result<Value, PgError> {
    match json {
        Json::Null => Ok(Value::Null),
        // A text is read as the type's own text, a JSON type's too when it comes by `GET`.
        Json::String(text) if !matches!(kind, ColumnType::Json | ColumnType::Jsonb | ColumnType::Any) => {
            kind.parse(text).map_err(refusals::sql)
        }
        json => kind.parse_json(&json.to_string(), name).map_err(refusals::sql),
    }
}

/// What a function gives before it is told.
enum Given<'s> {
    Json(Json),
    Rows(&'s Table, Vec<RowNumber>, Box<Query>),
}

fn run<'s>(telling: &Telling<'s>, function: &Function, arguments: &Arguments) -> Result<Given<'s>, PgError> {
    match &function.body {
        Body::Template(environment) => {
            let filled = environment
                .get_template("body")
                .and_then(|template| template.render(minijinja::Value::from(minijinja::value::Serde(&arguments.json))));
            let broken = |error: String| {
                let message = format!("firedrill's rule for {}.{}: {error}", function.schema, function.name);
                refusals::sql(SqlError::new("XX000", message))
            };
            let text = filled.map_err(|error| broken(error.to_string()))?;
            serde_json::from_str(&text).map(Given::Json).map_err(|error| broken(format!("no JSON: {error}")))
        }
        Body::Plain(FunctionBody::Constant(json)) => Ok(Given::Json(json.clone())),
        Body::Plain(FunctionBody::Raise { code, message, details, hint }) => {
            let code = code.clone();
            let status = raised_status(&code);
            let filled = |text: &String| fill(text, &arguments.text, str::to_owned);
            let mut error = PgError::new(status, code, filled(message));
            error.details = details.as_ref().map(filled);
            error.hint = hint.as_ref().map(filled);
            Err(error)
        }
        Body::Plain(FunctionBody::Query { from, select, rows, definer }) => {
            let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let text = fill(rows, &arguments.text, escaped);
            let mut query = grammar::parse(&text, Parameters::Filters)?;
            if let Some(select) = select {
                let select = format!("select={}", escaped(&fill(select, &arguments.text, str::to_owned)));
                query.select = grammar::parse(&select, Parameters::Filters)?.select;
            } else if let Returns::Table(columns) = &function.returns {
                query.select = columns.iter().map(|(name, _)| Item::column(name)).collect();
            }
            let table = telling.store.table(telling.schema, from).ok_or_else(|| telling.no_table(from))?;
            let everybody: &'static dyn Viewer = &Everybody;
            let viewer = if *definer { everybody } else { telling.viewer };
            let inner = Telling { viewer, ..*telling };
            Ok(Given::Rows(table, inner.numbers(table, &query)?, Box::new(query)))
        }
        Body::Plain(FunctionBody::Template(_)) => Ok(Given::Json(Json::Null)),
    }
}

/// The status of an error that a function raises: as PostgreSQL's own, and `PT404` is 404.
fn raised_status(code: &str) -> StatusCode {
    if let Some(status) = code.strip_prefix("PT").and_then(|status| status.parse().ok()) {
        // An interim status (1xx) cannot end a request.
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        return status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    // Only known codes have a status of their own; the list of them is PostgreSQL's.
    const KNOWN: [&str; 14] = [
        "42501", "23503", "23505", "25006", "42883", "42P01", "42P17", "53400", "57P01", "57014", "53300", "40001",
        "40P01", "55P03",
    ];
    match KNOWN.iter().find(|known| **known == code) {
        Some(known) => SqlError::new(known, "").status(true),
        None if code.starts_with("P0") && code != "P0001" => StatusCode::INTERNAL_SERVER_ERROR,
        None if ["XX", "58", "54"].iter().any(|class| code.starts_with(class)) => StatusCode::INTERNAL_SERVER_ERROR,
        None => StatusCode::BAD_REQUEST,
    }
}

/// A text with `{argument}` in the place of which stand the arguments.
fn fill(text: &str, arguments: &BTreeMap<String, String>, escape: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        let inner = &rest[start + 1..];
        match inner.find('}').map(|end| (&inner[..end], &inner[end + 1..])) {
            Some((name, after)) if arguments.contains_key(name) => {
                out.push_str(&escape(&arguments[name]));
                rest = after;
            }
            _ => {
                out.push('{');
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

fn scalar(
    telling: &Telling<'_>,
    function: &Function,
    arguments: &Arguments,
    kind: &ColumnType,
) -> Result<(Value, Option<String>), PgError> {
    match run(telling, function, arguments)? {
        Given::Json(json) => Ok((value_of(kind, &json, &function.name)?, None)),
        Given::Rows(table, numbers, query) => {
            let first = telling.first_column(table, &numbers, &query)?.into_iter().next().unwrap_or(Value::Null);
            Ok((kind.cast(&first).map_err(refusals::sql)?, None))
        }
    }
}

fn scalars(
    telling: &Telling<'_>,
    function: &Function,
    arguments: &Arguments,
    kind: &ColumnType,
) -> Result<Vec<Value>, PgError> {
    match run(telling, function, arguments)? {
        Given::Json(Json::Array(all)) => all.iter().map(|json| value_of(kind, json, &function.name)).collect(),
        Given::Json(Json::Null) => Ok(Vec::new()),
        Given::Json(json) => Ok(vec![value_of(kind, &json, &function.name)?]),
        Given::Rows(table, numbers, query) => {
            let values = telling.first_column(table, &numbers, &query)?;
            values.iter().map(|value| kind.cast(value).map_err(refusals::sql)).collect()
        }
    }
}

fn bytes(value: &Value, media: Media) -> Vec<u8> {
    let mut body = Vec::new();
    match media {
        Media::Csv => {
            let mut text = String::from("pgrst_scalar\n");
            value.write_output(&mut text);
            return text.into_bytes();
        }
        _ => value.write_json(&mut body),
    }
    if media.strips_nulls() { render::stripped(&body) } else { body }
}

fn rows(
    telling: &Telling<'_>,
    function: &Function,
    arguments: &Arguments,
    query: &Query,
    media: Media,
    call: &Invocation<'_>,
    preferences: &Preferences,
) -> Result<Answer, PgError> {
    let given = run(telling, function, arguments)?;
    let made;
    let (table, numbers) = match given {
        Given::Rows(table, numbers, inner) => match &function.returns {
            Returns::Table(columns) => {
                made = columns_of(telling, function, columns, (table, &numbers, &inner))?;
                (&made, made.rows().map(|(number, _)| number).collect())
            }
            _ => (table, numbers),
        },
        Given::Json(json) => {
            made = table_of(telling, function, json)?;
            (&made, made.rows().map(|(number, _)| number).collect())
        }
    };
    let one = matches!(function.returns, Returns::Row(_));
    let numbers = if one { numbers.into_iter().take(1).collect() } else { numbers };
    let head = *call.method == Method::HEAD;
    let single = one && !matches!(media, Media::Csv);
    let form = if single { Media::Object(media.strips_nulls()) } else { media };
    let (body, given, total) = telling.tell_given(table, query, numbers, form, head)?;
    let total = preferences.count.map(|_| total);
    if single && given == 0 {
        // A function that gives one row gives a row of nulls rather than none.
        let body = if head { Vec::new() } else { telling.nulls(table, query)? };
        return Ok(finish(1, 0, total, media, body)?.with("content-profile", call.schema));
    }
    Ok(finish(given, query.rows.offset, total, media, body)?.with("content-profile", call.schema))
}

/// What a query gives, as rows of the function's own columns: the first thing that it tells is the first of them.
fn columns_of(
    telling: &Telling<'_>,
    function: &Function,
    columns: &[(String, ColumnType)],
    (table, numbers, query): (&Table, &[RowNumber], &Query),
) -> Result<Table, PgError> {
    let mismatch = |details: String| {
        let message = "structure of query does not match function result type";
        let mut error = refusals::sql(SqlError::new("42804", message));
        error.details = Some(details);
        error
    };
    let mut made = Table::new(declared(telling, function, columns));
    for told in telling.told(table, numbers, query)? {
        if told.len() != columns.len() {
            let (given, wanted) = (told.len(), columns.len());
            return Err(mismatch(format!(
                "Number of returned columns ({given}) does not match expected column count ({wanted})."
            )));
        }
        let mut values = Row::default();
        for (place, ((_, value), (_, kind))) in told.iter().zip(columns).enumerate() {
            values.set(place, kind.cast(value).map_err(refusals::sql)?);
        }
        made.insert(values);
    }
    Ok(made)
}

/// A table with the columns that a function gives.
fn declared(telling: &Telling<'_>, function: &Function, columns: &[(String, ColumnType)]) -> TableDef {
    let mut definition = TableDef::new(TableName::new(telling.schema, &function.name), true);
    for (name, kind) in columns {
        definition.add_column(Column::new(name, kind.clone()));
    }
    definition
}

/// Rows that a rule says outright, as a table.
fn table_of(telling: &Telling<'_>, function: &Function, json: Json) -> Result<Table, PgError> {
    let definition = match &function.returns {
        Returns::Row(name) | Returns::Rows(name) => match telling.store.table(telling.schema, name) {
            Some(table) => table.definition().clone(),
            None if telling.store.is_strict() => return Err(telling.no_table(name)),
            None => Table::undeclared(TableName::new(telling.schema, name)).definition().clone(),
        },
        Returns::Table(columns) => declared(telling, function, columns),
        Returns::Void | Returns::Scalar(_) | Returns::Scalars(_) => {
            TableDef::new(TableName::new(telling.schema, &function.name), true)
        }
    };
    let mut table = Table::new(definition);
    let rows = match json {
        Json::Array(rows) => rows,
        Json::Null => Vec::new(),
        row => vec![row],
    };
    for row in rows {
        let Json::Object(fields) = row else { continue };
        let mut values = Row::default();
        for (name, json) in &fields {
            let Some(place) = table.place_or_new(name) else { continue };
            let kind = table.definition().column_at(place).map_or(ColumnType::Any, |column| column.kind.clone());
            values.set(place, value_of(&kind, json, name)?);
        }
        table.insert(values);
    }
    Ok(table)
}
