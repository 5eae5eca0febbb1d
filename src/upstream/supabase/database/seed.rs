//! [`load`]: a database from the files of a seed.

use super::compile::Compiler;
use super::ddl::{self, RowSource, Rows};
use super::draft::Draft;
use super::error::SqlError;
use super::expression::{Expr, Function, Scope};
use super::row::Row;
use super::schema::TableName;
use super::store::Store;
use super::transaction::{Assignments, ForeignKeys, OnConflict, Transaction};
use super::value::Value;
use crate::model::upstream::{SeedFile, SeedFormat};
use crate::units::Seed;
use crate::upstream::supabase::identity::{Identity, Role};
use serde_json::value::RawValue;
use sqlparser::ast;
use std::collections::BTreeMap;
use std::fmt;

/// Why a seed cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    /// The file.
    pub file: String,
    /// The line, from 1, if it is one line's fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// A database and what the reader of the run should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The database.
    pub store: Store,
    /// What is not kept, or not known: file, line, message.
    pub warnings: Vec<String>,
}

/// Loads the files, first all that declare tables, then all rows in their order.
///
/// # Errors
/// The first thing that is wrong, with file and line.
pub fn load(files: &[SeedFile], seed: Seed, now: i64) -> Result<Loaded, SeedError> {
    let mut store = Store::new(seed);
    let mut draft = Draft::default();
    let mut warnings = Vec::new();
    let mut scripts = BTreeMap::new();
    for (at, file) in files.iter().enumerate().filter(|(_, file)| file.format == SeedFormat::Sql) {
        let fail = |remark: super::draft::Remark| SeedError {
            file: file.name.clone(),
            line: Some(remark.line),
            message: remark.message,
        };
        scripts.insert(at, ddl::read(&file.text, &mut draft).map_err(fail)?);
        // Checked file by file, so that what is wrong is said of the right one.
        let mut so_far = draft.clone();
        so_far.finish().map_err(fail)?;
        let said = so_far.warnings.iter().map(|w| (w.line, format!("{}:{}: {}", file.name, w.line, w.message)));
        let mut said: Vec<(usize, String)> = said.collect();
        said.sort();
        said.dedup();
        for (_, warning) in said {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        draft.warnings.clear();
    }
    if !draft.tables.is_empty() {
        store.make_strict();
        for (name, start, step) in &draft.sequences {
            store.volatile_mut().add_sequence(name.clone(), *start, *step);
        }
        // Every file was finished without an error before.
        for definition in draft.finish().unwrap_or_default() {
            store.declare(definition);
        }
    }
    let service = Identity::of(Role::Service);
    for (at, file) in files.iter().enumerate() {
        let mut loader = Loader { store: &mut store, identity: &service, now, file };
        match file.format {
            SeedFormat::Sql => {
                for rows in scripts.remove(&at).unwrap_or_default() {
                    loader.script_rows(rows, &draft)?;
                }
            }
            SeedFormat::Json => loader.json()?,
            SeedFormat::Csv => loader.csv()?,
        }
    }
    let file = files.last().map(|file| file.name.clone()).unwrap_or_default();
    Transaction::begin(&mut store, &service, now).check_all_references().map_err(|error| SeedError {
        file,
        line: None,
        message: told(&error),
    })?;
    Ok(Loaded { store, warnings })
}

fn told(error: &SqlError) -> String {
    match &error.details {
        Some(details) => format!("{} ({details})", error.message),
        None => error.message.clone(),
    }
}

struct Loader<'a> {
    store: &'a mut Store,
    identity: &'a Identity,
    now: i64,
    file: &'a SeedFile,
}

impl Loader<'_> {
    fn fail(&self, line: Option<usize>, message: impl Into<String>) -> SeedError {
        SeedError { file: self.file.name.clone(), line, message: message.into() }
    }

    fn add(
        &mut self,
        table: &TableName,
        rows: Vec<Assignments>,
        conflict: Option<&OnConflict>,
        line: Option<usize>,
    ) -> Result<(), SeedError> {
        let mut transaction = Transaction::begin(self.store, self.identity, self.now);
        match transaction.insert(table, rows, conflict, ForeignKeys::Open) {
            Ok(_) => {
                transaction.commit();
                Ok(())
            }
            Err(error) => {
                drop(transaction);
                Err(self.fail(line, told(&error)))
            }
        }
    }

    /// The places of columns; a table without a schema gets those that it lacks.
    fn places(&mut self, table: &TableName, columns: &[String], line: Option<usize>) -> Result<Vec<usize>, SeedError> {
        let Some(own) = self.store.table_or_new(&table.schema, &table.table) else {
            return Err(self.fail(line, format!("relation \"{}\" does not exist", table.table)));
        };
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            match own.place_or_new(column) {
                Some(place) => places.push(place),
                None => {
                    let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.table);
                    return Err(self.fail(line, message));
                }
            }
        }
        Ok(places)
    }

    fn script_rows(&mut self, rows: Rows<'_>, draft: &Draft) -> Result<(), SeedError> {
        let line = Some(rows.line);
        if let RowSource::Sequence(name, value, called) = &rows.source {
            self.store.volatile().set_sequence(name, *value, *called);
            return Ok(());
        }
        let places = if rows.columns.is_empty() {
            let table = self.store.named(&rows.table);
            let table =
                table.ok_or_else(|| self.fail(line, format!("relation \"{}\" does not exist", rows.table.table)))?;
            (0..table.definition().columns().len()).collect()
        } else {
            self.places(&rows.table, &rows.columns, line)?
        };
        match rows.source {
            RowSource::Sequence(..) => Ok(()),
            RowSource::Values(values, lenient) => {
                let compiler = Compiler { table: None, types: draft };
                for row in values {
                    let assignments = self.values(&rows.table, &places, &row, &compiler, line)?;
                    let conflict = self.ignoring(&rows.table).filter(|_| lenient);
                    self.add(&rows.table, vec![assignments], conflict.as_ref(), line)?;
                }
                Ok(())
            }
            RowSource::Copy(lines) => {
                for (number, text) in lines {
                    let assignments = self.copied(&rows.table, &places, text, number)?;
                    self.add(&rows.table, vec![assignments], None, Some(number))?;
                }
                Ok(())
            }
        }
    }

    /// What lets a row be that is there already: by the primary key.
    fn ignoring(&self, table: &TableName) -> Option<OnConflict> {
        let key = self.store.named(table)?.definition().primary_key()?;
        Some(OnConflict { columns: key.columns.clone(), update: false })
    }

    fn values(
        &self,
        table: &TableName,
        places: &[usize],
        row: &[ast::Expr],
        compiler: &Compiler<'_>,
        line: Option<usize>,
    ) -> Result<Assignments, SeedError> {
        if row.len() > places.len() {
            return Err(self.fail(line, "INSERT has more expressions than target columns"));
        }
        let Some(definition) = self.store.named(table).map(|table| table.definition()) else { return Ok(Vec::new()) };
        let empty = Row::default();
        let scope = Scope { row: &empty, identity: self.identity, now: self.now, volatile: self.store.volatile() };
        let mut assignments = Vec::with_capacity(row.len());
        for (place, written) in places.iter().zip(row) {
            if written.to_string().eq_ignore_ascii_case("default") {
                continue;
            }
            let Some(column) = definition.column_at(*place) else { continue };
            let value = compiler
                .value(written, &column.kind)
                .map_err(|unknown| {
                    self.fail(line, format!("a value of \"{}\": firedrill does not know {unknown}", column.name))
                })?
                .evaluate(&scope)
                .map_err(|error| self.fail(line, told(&error)))?;
            assignments.push((*place, Some(value)));
        }
        Ok(assignments)
    }

    /// A line of `COPY`'s text format.
    fn copied(&self, table: &TableName, places: &[usize], text: &str, line: usize) -> Result<Assignments, SeedError> {
        let fields: Vec<&str> = text.split('\t').collect();
        if fields.len() != places.len() {
            let what = if fields.len() < places.len() {
                "missing data for a column"
            } else {
                "extra data after last expected column"
            };
            return Err(self.fail(Some(line), what));
        }
        let Some(definition) = self.store.named(table).map(|table| table.definition()) else { return Ok(Vec::new()) };
        let mut assignments = Vec::with_capacity(fields.len());
        for (place, field) in places.iter().zip(fields) {
            let Some(column) = definition.column_at(*place) else { continue };
            let value = if field == "\\N" {
                Value::Null
            } else {
                column.kind.parse(&unescaped(field)).map_err(|error| self.fail(Some(line), told(&error)))?
            };
            assignments.push((*place, Some(value)));
        }
        Ok(assignments)
    }

    fn json(&mut self) -> Result<(), SeedError> {
        let file = self.file;
        let tables: BTreeMap<String, Vec<&RawValue>> = serde_json::from_str(&file.text).map_err(|error| {
            self.fail(
                Some(error.line()),
                format!("{error}; a seed is a JSON object of tables, each a list of rows: {{ \"profiles\": [ {{ \"id\": \"…\" }} ] }}"),
            )
        })?;
        // Users belong to Auth: the database does not show them.
        for (name, rows) in tables.into_iter().filter(|(name, _)| !name.starts_with("auth.")) {
            let table = match name.split_once('.') {
                Some((schema, table)) => TableName::new(schema, table),
                None => TableName::new("public", name.as_str()),
            };
            self.places(&table, &[], None)?;
            for raw in rows {
                let at_line = |mut error: SeedError| {
                    error.line = Some(line_of(&file.text, raw.get()));
                    error
                };
                let row: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get())
                    .map_err(|_| at_line(self.fail(None, format!("a row of \"{name}\" is an object"))))?;
                let columns: Vec<String> = row.keys().cloned().collect();
                let places = self.places(&table, &columns, None).map_err(at_line)?;
                let mut assignments = Vec::with_capacity(places.len());
                for (place, (column, raw)) in places.into_iter().zip(&row) {
                    let kind = self.store.named(&table).and_then(|table| table.definition().kind(column).cloned());
                    let kind = kind.unwrap_or(super::types::ColumnType::Any);
                    let value =
                        kind.parse_json(raw.get(), column).map_err(|error| at_line(self.fail(None, told(&error))))?;
                    assignments.push((place, Some(value)));
                }
                self.add(&table, vec![assignments], None, None).map_err(at_line)?;
            }
            self.pass_sequences(&table);
        }
        Ok(())
    }

    fn csv(&mut self) -> Result<(), SeedError> {
        let file = self.file;
        let stem = file.name.rsplit('/').next().unwrap_or(&file.name);
        let stem = stem.strip_suffix(".csv").unwrap_or(stem);
        let table = match stem.split_once('.') {
            Some((schema, table)) => TableName::new(schema, table),
            None => TableName::new("public", stem),
        };
        let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(file.text.as_bytes());
        let header = reader.headers().map_err(|error| self.fail(Some(1), error.to_string()))?.clone();
        let columns: Vec<String> = header.iter().map(str::to_owned).collect();
        let places = self.places(&table, &columns, Some(1))?;
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map(|position| usize::try_from(position.line()).unwrap_or(0));
                self.fail(line, error.to_string())
            })?;
            let line = record.position().map(|position| usize::try_from(position.line()).unwrap_or(0));
            let mut assignments = Vec::with_capacity(places.len());
            for ((place, column), field) in places.iter().zip(&columns).zip(&record) {
                let kind = self.store.named(&table).and_then(|table| table.definition().kind(column).cloned());
                let kind = kind.unwrap_or(super::types::ColumnType::Any);
                let value = if field.is_empty() {
                    Value::Null
                } else if kind == super::types::ColumnType::Any {
                    // Nothing tells a number from a text here but its look.
                    let number = serde_json::from_str::<serde_json::Number>(field).is_ok();
                    let json = if number || matches!(field, "true" | "false") || field.starts_with(['{', '[']) {
                        field.to_owned()
                    } else {
                        serde_json::Value::from(field).to_string()
                    };
                    kind.parse_json(&json, column).map_err(|error| self.fail(line, told(&error)))?
                } else {
                    kind.parse(field).map_err(|error| self.fail(line, told(&error)))?
                };
                // What is empty is null, or the default where null may not be.
                let left_out = value.is_null() && self.has_default(&table, *place);
                if !left_out {
                    assignments.push((*place, Some(value)));
                }
            }
            self.add(&table, vec![assignments], None, line)?;
        }
        self.pass_sequences(&table);
        Ok(())
    }

    /// Lets the sequences of a table's columns go on behind the rows that were loaded: JSON and CSV have no `setval`.
    fn pass_sequences(&self, table: &TableName) {
        let Some(own) = self.store.named(table) else { return };
        for (place, column) in own.definition().columns().iter().enumerate() {
            let Some(Expr::Call(Function::Nextval, arguments)) = &column.default else { continue };
            let Some(Expr::Constant(Value::Text(name))) = arguments.first() else { continue };
            let largest = own.rows().filter_map(|(_, row)| match row.get(place) {
                Value::Int(number) => Some(*number),
                _ => None,
            });
            if let Some(largest) = largest.max() {
                self.store.volatile().pass_sequence(name, largest);
            }
        }
    }

    fn has_default(&self, table: &TableName, place: usize) -> bool {
        let column = self.store.named(table).and_then(|table| table.definition().column_at(place));
        column.is_some_and(|column| column.not_null && column.default.is_some())
    }
}

/// The line of a part of a text.
fn line_of(whole: &str, part: &str) -> usize {
    let at = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    whole.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// A field of `COPY`'s text format without its escapes.
fn unescaped(field: &str) -> String {
    if !field.contains('\\') {
        return field.to_owned();
    }
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some(other) => other,
            None => '\\',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SCHEMA: &str = "
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        create table if not exists public.\"authors\" (
            id bigint generated by default as identity primary key,
            name varchar(20) not null unique,
            mood mood default 'ok'::mood,
            joined timestamptz not null default timezone('utc'::text, now())
        );
        CREATE TABLE public.items (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            author_id bigint,
            owner uuid NOT NULL,
            price numeric(8,2) DEFAULT 0,
            tags text[] DEFAULT '{}'::text[],
            total numeric GENERATED ALWAYS AS (price * 2) STORED,
            status text DEFAULT 'draft'::text,
            CONSTRAINT items_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'live'::text]))),
            CHECK (price >= 0)
        );
        ALTER TABLE public.items OWNER TO postgres;
        ALTER TABLE ONLY public.items ADD CONSTRAINT items_pkey PRIMARY KEY (id);
        ALTER TABLE ONLY public.items ADD CONSTRAINT items_author_id_fkey FOREIGN KEY (author_id)
            REFERENCES public.authors(id) ON DELETE CASCADE;
        CREATE UNIQUE INDEX items_live ON public.items USING btree (author_id) WHERE (status = 'live'::text);
        ALTER TABLE public.items ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON public.items FOR ALL TO authenticated USING ((( SELECT auth.uid() AS uid) = owner));
        COPY public.authors (id, name, mood) FROM stdin;
1\tAda\tok
2\tBo\\tb\t\\N
\\.
        SELECT pg_catalog.setval('public.authors_id_seq', 2, true);
        INSERT INTO public.items (id, author_id, owner, price, tags) VALUES
            ('00000000-0000-0000-0000-000000000001', 1, '00000000-0000-0000-0000-00000000000a', 1.005, '{a,\"b c\"}');
    ";

    fn file(name: &str, text: &str) -> SeedFile {
        let format = match name.rsplit('.').next() {
            Some("sql") => SeedFormat::Sql,
            Some("csv") => SeedFormat::Csv,
            _ => SeedFormat::Json,
        };
        SeedFile { name: name.into(), format, text: text.into() }
    }

    fn row(store: &Store, table: &str, at: usize) -> String {
        let table = store.table("public", table).unwrap();
        let (_, row) = table.rows().nth(at).unwrap();
        let values =
            (0..table.definition().columns().len()).map(|place| row.get(place).to_text().unwrap_or("∅".into()));
        values.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_dump_becomes_a_database() {
        let loaded = load(&[file("schema.sql", SCHEMA)], Seed(1), 1_700_000_000_000_000).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_eq!(row(&loaded.store, "authors", 1), "2|Bo\tb|∅|2023-11-14 22:13:20+00");
        assert_eq!(
            row(&loaded.store, "items", 0),
            "00000000-0000-0000-0000-000000000001|1|00000000-0000-0000-0000-00000000000a|1.01|{a,\"b c\"}|2.02|draft"
        );
        let items = loaded.store.table("public", "items").unwrap().definition();
        let names: Vec<&str> = items.keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["items_pkey", "items_live"]);
        let names: Vec<&str> = items.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["items_price_check", "items_status_check"]);
        assert!(items.row_security.is_some());
        assert_eq!(loaded.store.volatile().next("authors_id_seq").unwrap(), 3);
    }

    #[test]
    fn rows_come_from_json_and_csv_too() {
        let json = "{\n\"authors\": [\n{\"id\": 7, \"name\": \"Cy\"}]}";
        let csv = "id,name,joined\n9,Di,2025-01-01\n10,Ed,\n";
        let files = [file("schema.sql", SCHEMA), file("x/rows.json", json), file("authors.csv", csv)];
        let loaded = load(&files, Seed(1), 0).unwrap();
        assert_eq!(row(&loaded.store, "authors", 2), "7|Cy|ok|1970-01-01 00:00:00+00");
        assert_eq!(row(&loaded.store, "authors", 3), "9|Di|ok|2025-01-01 00:00:00+00");
        assert_eq!(row(&loaded.store, "authors", 4), "10|Ed|ok|1970-01-01 00:00:00+00");
        assert_eq!(loaded.store.volatile().next("authors_id_seq").unwrap(), 11);
    }

    #[rstest]
    #[case("a.sql", "CREATE TABLE a (\n  id int,\n  x nope);", None)]
    #[case("a.sql", "\nCREATE TABLE a (id int;", Some("a.sql:2: sql parser error"))]
    #[case("a.sql", "CREATE TABLE a (id int);\nINSERT INTO a VALUES ('x');", Some("a.sql:2: a value of \"id\""))]
    #[case(
        "a.sql",
        "CREATE TABLE a (id int);\nCOPY a (id) FROM stdin;\n1\nx\n\\.\n",
        Some("a.sql:4: invalid input syntax")
    )]
    #[case(
        "a.sql",
        "CREATE TABLE a (id int primary key);\nINSERT INTO a VALUES (1), (1);",
        Some("a.sql:2: duplicate key")
    )]
    #[case("a.sql", "CREATE TABLE a (id int REFERENCES b(id));", Some("a.sql:1: relation \"b\" does not exist"))]
    #[case("a.json", "{\"a\": [\n{}, 3]}", Some("a.json:2: a row of \"a\" is an object"))]
    #[case("a.json", "{\"a\": [", Some("a.json:1: EOF"))]
    #[case("a.csv", "id,b\n1\n", Some("a.csv:2: CSV error"))]
    fn what_is_wrong_is_said_with_its_line(#[case] name: &str, #[case] text: &str, #[case] error: Option<&str>) {
        let loaded = load(&[file(name, text)], Seed(1), 0);
        match error {
            None => assert_eq!(
                loaded.unwrap().warnings,
                ["a.sql:3: firedrill does not know the type \"nope\": its values are kept as text"]
            ),
            Some(error) => {
                let told = loaded.unwrap_err().to_string();
                assert!(told.starts_with(error), "{told}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_a_warning() {
        let script = "CREATE TABLE a (id int, CONSTRAINT c CHECK (ts_rank(id) > 1));\nCREATE FUNCTION f() RETURNS int AS $$ select 1; $$;\nCREATE TRIGGER t BEFORE UPDATE ON a EXECUTE FUNCTION f();";
        let loaded = load(&[file("s.sql", script)], Seed(1), 0).unwrap();
        assert_eq!(
            loaded.warnings,
            [
                "s.sql:1: check \"c\" is not enforced: firedrill does not know the function `ts_rank`",
                "s.sql:2: `CREATE FUNCTION` is passed over: firedrill does not know it",
                "s.sql:3: `CREATE TRIGGER` is passed over: firedrill does not know it",
            ]
        );
    }
}
