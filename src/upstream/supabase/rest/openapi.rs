//! PostgREST's root: what a schema serves, as an OpenAPI 2.0 document.

use super::super::database::schema::TableDef;
use super::super::database::store::Store;
use super::super::database::types::ColumnType;
use super::rpc::Functions;
use serde_json::{Map, Value, json};

/// The document of a schema.
pub fn document(store: &Store, schema: &str, functions: &Functions, host: &str) -> Vec<u8> {
    let (mut paths, mut definitions, mut parameters) = (Map::new(), Map::new(), shared_parameters());
    let described = |summary: &str| {
        json!({"get": {"tags": ["Introspection"], "summary": summary, "produces":
            ["application/openapi+json", "application/json"], "responses": {"200": {"description": "OK"}}}})
    };
    paths.insert("/".to_owned(), described("OpenAPI description (this document)"));
    for (name, table) in store.tables_of(schema) {
        let table = table.definition();
        paths.insert(format!("/{name}"), table_path(name, table));
        definitions.insert(name.to_owned(), definition(table));
        for column in table.columns() {
            let parameter = json!({"name": column.name, "required": false, "in": "query", "type": "string"});
            parameters.insert(format!("rowFilter.{name}.{}", column.name), parameter);
        }
        parameters.insert(
            format!("body.{name}"),
            json!({"name": name, "description": name, "required": false, "in": "body",
                   "schema": {"$ref": format!("#/definitions/{name}")}}),
        );
    }
    for function in functions.of(schema) {
        let arguments: Map<String, Value> =
            function.arguments.iter().map(|argument| (argument.name.clone(), property(&argument.kind, &[]))).collect();
        let required: Vec<&str> = function
            .arguments
            .iter()
            .filter(|argument| argument.default.is_none())
            .map(|argument| argument.name.as_str())
            .collect();
        let mut body = json!({"type": "object", "properties": arguments});
        if !required.is_empty() {
            body["required"] = json!(required);
        }
        let post = json!({
            "tags": [format!("(rpc) {}", function.name)],
            "produces": ["application/json", "application/vnd.pgrst.object+json"],
            "parameters": [{"name": "args", "required": true, "in": "body", "schema": body},
                           {"$ref": "#/parameters/preferParams"}],
            "responses": {"200": {"description": "OK"}},
        });
        paths.insert(format!("/rpc/{}", function.name), json!({"post": post}));
    }
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "standard public schema", "description": "", "version": "14.1"},
        "host": host, "basePath": "/", "schemes": ["http"],
        "consumes": ["application/json", "application/vnd.pgrst.object+json;nulls=stripped",
                     "application/vnd.pgrst.object+json", "text/csv"],
        "produces": ["application/json", "application/vnd.pgrst.object+json;nulls=stripped",
                     "application/vnd.pgrst.object+json", "text/csv"],
        "paths": paths, "definitions": definitions, "parameters": parameters,
        "externalDocs": {"description": "PostgREST Documentation",
                         "url": "https://postgrest.org/en/v14/references/api.html"},
    });
    // Our own values always serialise.
    serde_json::to_vec(&document).unwrap_or_default()
}

fn shared_parameters() -> Map<String, Value> {
    let header = |name: &str, values: &[&str]| {
        json!({"name": name, "description": "Preference", "required": false, "in": "header", "type": "string",
               "enum": values})
    };
    let query = |name: &str, about: &str| json!({"name": name, "description": about, "required": false, "in": "query", "type": "string"});
    let range = |name: &str| json!({"name": name, "required": false, "in": "header", "type": "string"});
    Map::from_iter([
        ("preferParams".to_owned(), header("Prefer", &["params=single-object"])),
        ("preferReturn".to_owned(), header("Prefer", &["return=representation", "return=minimal", "return=none"])),
        ("preferCount".to_owned(), header("Prefer", &["count=none"])),
        ("select".to_owned(), query("select", "Filtering Columns")),
        ("on_conflict".to_owned(), query("on_conflict", "On Conflict")),
        ("order".to_owned(), query("order", "Ordering")),
        ("limit".to_owned(), query("limit", "Limiting and Pagination")),
        ("offset".to_owned(), query("offset", "Limiting and Pagination")),
        ("range".to_owned(), range("Range")),
        ("rangeUnit".to_owned(), range("Range-Unit")),
    ])
}

fn table_path(name: &str, table: &TableDef) -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/parameters/{name}")});
    let filters: Vec<Value> =
        table.columns().iter().map(|column| reference(&format!("rowFilter.{name}.{}", column.name))).collect();
    let with = |more: &[&str]| -> Vec<Value> {
        filters.iter().cloned().chain(more.iter().map(|name| reference(name))).collect()
    };
    let operation = |parameters: Vec<Value>, responses: Value| json!({"tags": [name], "parameters": parameters, "responses": responses});
    let rows = json!({"type": "array", "items": {"$ref": format!("#/definitions/{name}")}});
    let body = format!("body.{name}");
    json!({
        "get": operation(
            with(&["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]),
            json!({"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}})
        ),
        "post": operation(
            [body.as_str(), "select", "preferReturn"].iter().map(|name| reference(name)).collect(),
            json!({"201": {"description": "Created"}})
        ),
        "patch": operation(with(&[&body, "preferReturn"]), json!({"204": {"description": "No Content"}})),
        "delete": operation(with(&["preferReturn"]), json!({"204": {"description": "No Content"}})),
    })
}

fn definition(table: &TableDef) -> Value {
    let required: Vec<&str> =
        table.columns().iter().filter(|column| column.not_null).map(|column| column.name.as_str()).collect();
    let primary = table.primary_key();
    let properties: Map<String, Value> = table
        .columns()
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let mut notes = Vec::new();
            if primary.is_some_and(|key| key.columns.contains(&place)) {
                notes.push("This is a Primary Key.<pk/>".to_owned());
            }
            let foreign = table.foreign_keys.iter().find(|key| key.columns == [place]);
            notes.extend(foreign.map(|key| {
                let target = &key.target.table;
                format!("This is a Foreign Key to `{target}.id`.<fk table='{target}' column='id'/>")
            }));
            (column.name.clone(), property(&column.kind, &notes))
        })
        .collect();
    let mut definition = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        definition["required"] = json!(required);
    }
    definition
}

fn property(kind: &ColumnType, notes: &[String]) -> Value {
    let name = kind.name();
    let json_type = match kind {
        ColumnType::Bool => Some("boolean"),
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 => Some("integer"),
        ColumnType::Float4 | ColumnType::Float8 | ColumnType::Numeric(_) => Some("number"),
        ColumnType::Array(_) => Some("array"),
        ColumnType::Json | ColumnType::Jsonb | ColumnType::Any => None,
        _ => Some("string"),
    };
    let mut property = Map::new();
    property.insert("format".to_owned(), json!(name));
    property.extend(json_type.map(|kind| ("type".to_owned(), json!(kind))));
    match kind {
        ColumnType::Enum(kind) => {
            property.insert("enum".to_owned(), json!(kind.labels.iter().map(|label| &**label).collect::<Vec<_>>()));
        }
        ColumnType::Array(element) => {
            property.insert("items".to_owned(), property_items(element));
        }
        ColumnType::Varchar(Some(length)) => {
            property.insert("maxLength".to_owned(), json!(length));
        }
        _ => {}
    }
    if !notes.is_empty() {
        property.insert("description".to_owned(), json!(format!("Note:\n{}", notes.join("\n"))));
    }
    Value::Object(property)
}

fn property_items(element: &ColumnType) -> Value {
    match property(element, &[]) {
        Value::Object(mut inner) => {
            inner.remove("format");
            Value::Object(inner)
        }
        other => other,
    }
}
