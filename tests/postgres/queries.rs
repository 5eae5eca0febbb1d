//! Random queries, each as PostgREST is asked it and as the SQL that PostgREST makes of it.

use crate::rows::{COLUMNS, values};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;

/// What a query is to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One or two filters.
    Filters,
    /// `and`, `or` and `not` in each other.
    Trees,
    /// Orders and parts.
    Orders,
    /// Columns, aliases, casts, JSON paths.
    Selects,
    /// Aggregates over groups.
    Aggregates,
    /// Related tables.
    Embeds,
}

/// A query.
pub struct Case {
    /// The path below `/rest/v1/` with its query string.
    pub url: String,
    /// The same, readable.
    pub shown: String,
    /// What gives the same answer as one text.
    pub sql: String,
    /// Its parameters, whose types PostgreSQL finds out, as for PostgREST.
    pub values: Vec<String>,
}

/// A parameter of the SQL, to be numbered at the end.
fn quoted(text: &str) -> String {
    format!("\u{1}{text}\u{2}")
}

/// Numbers the parameters.
fn numbered(sql: &str) -> (String, Vec<String>) {
    let (mut out, mut values, mut rest) = (String::new(), Vec::new(), sql);
    while let Some((before, after)) = rest.split_once('\u{1}') {
        let (value, after) = after.split_once('\u{2}').unwrap();
        values.push(value.to_owned());
        let _ = write!(out, "{before}${}", values.len());
        rest = after;
    }
    out.push_str(rest);
    (out, values)
}

/// Draws a query.
pub fn draw(kind: Kind, random: &mut ChaCha8Rng) -> Case {
    let mut query = Draft::new("books");
    match kind {
        Kind::Filters => {
            query.item("id", "public.books.id");
            for _ in 0..random.random_range(1..=2) {
                query.filter(random);
            }
        }
        Kind::Trees => {
            query.item("id", "public.books.id");
            let (key, text, sql) = tree(random, true, 0);
            query.parameters.push((key, text));
            query.conditions.push(sql);
        }
        Kind::Orders => {
            query.item("id", "public.books.id");
            for _ in 0..random.random_range(1..=3) {
                query.order(random);
            }
            query.part(random);
        }
        Kind::Selects => query.columns(random),
        Kind::Aggregates => query.groups(random),
        Kind::Embeds => return embeds(random),
    }
    if kind != Kind::Aggregates {
        query.order_by("id", "public.books.id");
    }
    query.finish()
}

struct Draft {
    table: &'static str,
    select: Vec<String>,
    items: Vec<String>,
    parameters: Vec<(String, String)>,
    joins: Vec<String>,
    conditions: Vec<String>,
    groups: Vec<String>,
    order: Vec<String>,
    order_sql: Vec<String>,
    tail: String,
    /// `select` as it is asked for.
    told: Vec<String>,
}

impl Draft {
    fn new(table: &'static str) -> Self {
        Self {
            table,
            select: Vec::new(),
            items: Vec::new(),
            parameters: Vec::new(),
            joins: Vec::new(),
            conditions: Vec::new(),
            groups: Vec::new(),
            order: Vec::new(),
            order_sql: Vec::new(),
            tail: String::new(),
            told: Vec::new(),
        }
    }

    fn item(&mut self, url: &str, sql: &str) {
        self.select.push(url.to_owned());
        self.items.push(sql.to_owned());
    }

    fn order_by(&mut self, url: &str, sql: &str) {
        self.order.push(url.to_owned());
        self.order_sql.push(sql.to_owned());
    }

    fn finish(mut self) -> Case {
        self.parameters.insert(0, ("select".to_owned(), self.select.join(",")));
        if !self.order.is_empty() {
            self.parameters.push(("order".to_owned(), self.order.join(",")));
        }
        let mut sql = format!("SELECT {} FROM public.{}", self.items.join(", "), self.table);
        self.joins.iter().for_each(|join| sql.push_str(join));
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        if !self.groups.is_empty() {
            let _ = write!(sql, " GROUP BY {}", self.groups.join(", "));
        }
        if !self.order_sql.is_empty() {
            let _ = write!(sql, " ORDER BY {}", self.order_sql.join(", "));
        }
        sql.push_str(&self.tail);
        let sql = format!("SELECT coalesce(json_agg(_postgrest_t), '[]')::text FROM ({sql}) _postgrest_t");
        let (sql, values) = numbered(&sql);
        let encoded: Vec<String> =
            self.parameters.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        let shown: Vec<String> = self.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Case {
            url: format!("{}?{}", self.table, encoded.join("&")),
            shown: format!("{}?{}", self.table, shown.join("&")),
            sql,
            values,
        }
    }

    /// PostgREST moves an embedded table to the front whenever it puts a filter, an order or a limit there: first all
    /// filters, then orders, then limits, the last of each first.
    fn move_what_is_spoken_of(&mut self) {
        let kind = |key: &str| match key.rsplit('.').next().unwrap() {
            "order" => 1,
            "limit" | "offset" => 2,
            _ => 0,
        };
        let mut keys: Vec<&str> = self.parameters.iter().map(|(key, _)| key.as_str()).rev().collect();
        keys.retain(|key| key.contains('.'));
        keys.sort_by_key(|key| kind(key));
        for name in keys.iter().map(|key| key.split('.').next().unwrap()) {
            let is_it = |text: &String| {
                let text = text.trim_start_matches("...");
                text.split(['!', '(', ':']).next() == Some(name) && text.contains('(')
            };
            if let Some(at) = self.select.iter().position(is_it) {
                self.items[1..=at].rotate_right(1);
                self.joins[..at].rotate_right(1);
                // So that the items stay beside their texts; the texts are put back at the end.
                self.select[1..=at].rotate_right(1);
            }
        }
        let key = |text: &String| self.told.iter().position(|told| told == text);
        self.select.sort_by_key(key);
    }

    fn filter(&mut self, random: &mut ChaCha8Rng) {
        let (column, expression) = field(random);
        let (operation, sql) = operation(random, &column, &expression, false);
        self.parameters.push((column, operation));
        self.conditions.push(sql);
    }

    fn order(&mut self, random: &mut ChaCha8Rng) {
        let (mut url, mut sql) = field(random);
        for (word, said) in [(".asc", " ASC"), (".desc", " DESC")].choose(random).into_iter().filter(|_| true) {
            if random.random_bool(0.7) {
                url.push_str(word);
                sql.push_str(said);
            }
        }
        if random.random_bool(0.4) {
            let (word, said) = [(".nullsfirst", " NULLS FIRST"), (".nullslast", " NULLS LAST")].choose(random).unwrap();
            url.push_str(word);
            sql.push_str(said);
        }
        self.order_by(&url, &sql);
    }

    fn part(&mut self, random: &mut ChaCha8Rng) {
        if random.random_bool(0.5) {
            let limit = random.random_range(1..30);
            self.parameters.push(("limit".to_owned(), limit.to_string()));
            let _ = write!(self.tail, " LIMIT {limit}");
        }
        if random.random_bool(0.5) {
            let offset = random.random_range(0..70);
            self.parameters.push(("offset".to_owned(), offset.to_string()));
            let _ = write!(self.tail, " OFFSET {offset}");
        }
    }

    fn columns(&mut self, random: &mut ChaCha8Rng) {
        if random.random_bool(0.1) {
            self.item("*", "public.books.*");
        }
        for _ in 0..random.random_range(1..=4) {
            let (mut url, mut sql) = field(random);
            let name = output_name(&url);
            if random.random_bool(0.35) {
                let kind = cast(random);
                let _ = write!(url, "::{kind}");
                sql = format!("CAST({sql} AS {kind})");
            }
            let alias = if random.random_bool(0.3) {
                url = format!("x y:{url}");
                Some("x y".to_owned())
            } else {
                name
            };
            if let Some(alias) = alias {
                let _ = write!(sql, " AS \"{alias}\"");
            }
            self.item(&url, &sql);
        }
    }

    fn groups(&mut self, random: &mut ChaCha8Rng) {
        let mut columns: Vec<&str> =
            ["active", "mood", "author_id", "pages", "code", "day", "title", "tags", "raw"].to_vec();
        for _ in 0..random.random_range(0..=2) {
            let at = random.random_range(0..columns.len());
            let column = columns.remove(at);
            let sql = format!("public.books.{column}");
            self.item(column, &sql);
            self.order_by(column, &sql);
            self.groups.push(sql);
        }
        for number in 0..random.random_range(1..=3) {
            if random.random_bool(0.2) {
                self.item("count()", "count(*)");
                continue;
            }
            let (mut url, mut sql) = field(random);
            if random.random_bool(0.15) {
                let kind = cast(random);
                let _ = write!(url, "::{kind}");
                sql = format!("CAST({sql} AS {kind})");
            }
            // Sums of floats depend on the order, which PostgreSQL chooses where it groups.
            // So does which of several equal values is the least.
            let inexact = ["ratio", "weight", "float", "span", "interval"].iter().any(|name| url.contains(name));
            let exact = inexact && !self.groups.is_empty();
            let functions: &[&str] = if exact { &["count"] } else { &["sum", "avg", "min", "max", "count"] };
            let function = functions.choose(random).unwrap();
            url = format!("{url}.{function}()");
            sql = format!("{function}({sql})");
            if random.random_bool(0.2) {
                let kind = ["text", "int", "float8", "numeric"].choose(random).unwrap();
                let _ = write!(url, "::{kind}");
                sql = format!("CAST({sql} AS {kind})");
            }
            self.item(&format!("a{number}:{url}"), &format!("{sql} AS a{number}"));
        }
        if random.random_bool(0.4) {
            self.filter(random);
        }
    }
}

/// What PostgREST calls a field with a JSON path; PostgreSQL names the others.
fn output_name(url: &str) -> Option<String> {
    let mut parts = url.split("->").map(|part| part.trim_start_matches('>'));
    let column = parts.next()?;
    let keys: Vec<&str> = parts.collect();
    if keys.is_empty() {
        return None;
    }
    let key = keys.iter().rev().find(|key| key.parse::<i32>().is_err());
    Some(key.copied().unwrap_or(column).to_owned())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn cast(random: &mut ChaCha8Rng) -> &'static str {
    [
        "text",
        "int",
        "int2",
        "bigint",
        "float8",
        "float4",
        "numeric",
        "bool",
        "date",
        "timestamptz",
        "timestamp",
        "time",
        "interval",
        "jsonb",
        "json",
        "uuid",
        "varchar",
        "mood",
        "bytea",
        "nonsense",
    ]
    .choose(random)
    .unwrap()
}

/// A column of `books`, perhaps with a JSON path: as PostgREST takes it, and as SQL.
fn field(random: &mut ChaCha8Rng) -> (String, String) {
    if random.random_bool(0.02) {
        let wrong = ["titel", "nope", "Id", "price_"].choose(random).unwrap();
        return ((*wrong).to_owned(), format!("public.books.\"{wrong}\""));
    }
    if random.random_bool(0.25) {
        let column = ["data", "data", "data", "raw", "tags", "numbers", "title"].choose(random).unwrap();
        let path = ["a", "b,c,0", "b,c", "0", "1", "-1", "a,b", "bb", "k", "c"].choose(random).unwrap();
        let (mut url, mut sql) = ((*column).to_owned(), format!("public.books.{column}"));
        if !["data", "raw"].contains(column) {
            sql = format!("to_jsonb({sql})");
        }
        let steps: Vec<&str> = path.split(',').collect();
        for (at, step) in steps.iter().enumerate() {
            let arrow = if at + 1 == steps.len() && random.random_bool(0.5) { "->>" } else { "->" };
            let _ = write!(url, "{arrow}{step}");
            match step.parse::<i32>() {
                Ok(_) => drop(write!(sql, "{arrow}{}::int", quoted(step))),
                Err(_) => drop(write!(sql, "{arrow}{}", quoted(step))),
            }
        }
        return (url, format!("({sql})"));
    }
    let column = COLUMNS.choose(random).unwrap();
    ((*column).to_owned(), format!("public.books.{column}"))
}

const COMPARISONS: [(&str, &str); 6] =
    [("eq", "="), ("neq", "<>"), ("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")];
const PATTERNS: [(&str, &str); 4] = [("like", "LIKE"), ("ilike", "ILIKE"), ("match", "~"), ("imatch", "~*")];
const SETS: [(&str, &str); 8] = [
    ("cs", "@>"),
    ("cd", "<@"),
    ("ov", "&&"),
    ("sl", "<<"),
    ("sr", ">>"),
    ("nxr", "&<"),
    ("nxl", "&>"),
    ("adj", "-|-"),
];
const SEARCHES: [(&str, &str); 4] = [
    ("fts", "to_tsquery"),
    ("plfts", "plainto_tsquery"),
    ("phfts", "phraseto_tsquery"),
    ("wfts", "websearch_to_tsquery"),
];

fn is_text(column: &str) -> bool {
    ["title", "body", "code"].contains(&column) || column.contains("->>")
}

fn is_set(column: &str) -> bool {
    ["tags", "numbers", "during", "days", "costs", "data"].contains(&column)
}

/// A literal for a field: one of its values, sometimes something else.
fn literal(random: &mut ChaCha8Rng, column: &str) -> String {
    let odd = [
        "",
        " ",
        "abc",
        "1",
        "01",
        " 7 ",
        "1.5",
        "-1",
        "true",
        "t",
        "2024-01-01",
        "{}",
        "{a}",
        "[1,2)",
        "null",
        "99999",
        "1e3",
        "x'y",
    ];
    if random.random_bool(0.2) {
        return (*odd.choose(random).unwrap()).to_owned();
    }
    if column.contains("->>") {
        return (*["1", "x", "text", "a", "10", "{\"c\": [1, \"x\", null]}"].choose(random).unwrap()).to_owned();
    }
    if column.contains("->") {
        return (*["1", "\"1\"", "\"x\"", "null", "[1, 2]", "{\"c\": [1, \"x\", null]}", "\"a\"", "2.0"]
            .choose(random)
            .unwrap())
        .to_owned();
    }
    if column == "id" {
        return random.random_range(0..65).to_string();
    }
    (*values(column).choose(random).unwrap_or(&"1")).to_owned()
}

/// An array literal of PostgreSQL.
fn array(elements: &[String]) -> String {
    let escaped = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", elements.iter().map(escaped).collect::<Vec<_>>().join(","))
}

/// `op.value` of a filter and its SQL. Inside a tree the value is written so that its commas do not count.
fn operation(random: &mut ChaCha8Rng, column: &str, expression: &str, in_tree: bool) -> (String, String) {
    let negated = random.random_bool(0.2);
    let said = |value: &str| {
        if in_tree { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) } else { value.to_owned() }
    };
    let fitting = random.random_bool(0.85);
    let choice = match random.random_range(0..10) {
        _ if fitting && is_text(column) => {
            *["compare", "pattern", "pattern", "in", "search", "is"].choose(random).unwrap()
        }
        _ if fitting && is_set(column) => *["set", "set", "compare", "is"].choose(random).unwrap(),
        _ if fitting => *["compare", "compare", "in", "is", "distinct", "each"].choose(random).unwrap(),
        0 => "pattern",
        1 => "set",
        2 => "search",
        3 => "each",
        4 => "in",
        5 => "is",
        _ => "compare",
    };
    let (text, sql) = match choice {
        "compare" => {
            let (name, operator) = COMPARISONS.choose(random).unwrap();
            let value = literal(random, column);
            (format!("{name}.{}", said(&value)), format!("{expression} {operator} {}", quoted(&value)))
        }
        "pattern" => {
            let (name, operator) = PATTERNS.choose(random).unwrap();
            if operator.contains("LIKE") {
                let value = ["*a*", "a%", "%", "_", "abc", "*B*", "a_c", "a\\%", "%\\", "", "F*", "50\\%"]
                    .choose(random)
                    .unwrap();
                if random.random_bool(0.2) {
                    let (quantifier, word) = [("(any)", "ANY"), ("(all)", "ALL")].choose(random).unwrap();
                    let value = "{a*,*b*}";
                    let sql = format!("{expression} {operator} {word}({})", quoted(&value.replace('*', "%")));
                    (format!("{name}{quantifier}.{}", said(value)), sql)
                } else {
                    let sql = format!("{expression} {operator} {}", quoted(&value.replace('*', "%")));
                    (format!("{name}.{}", said(value)), sql)
                }
            } else {
                let value = ["a", "^a", "c$", "[a-c]+", "(x|y)", "^$", ".", "\\d", "(", "[", "*a", "a{2}"]
                    .choose(random)
                    .unwrap();
                (format!("{name}.{}", said(value)), format!("{expression} {operator} {}", quoted(value)))
            }
        }
        "set" => {
            let (name, operator) = SETS.choose(random).unwrap();
            let value = literal(random, column);
            (format!("{name}.{}", said(&value)), format!("{expression} {operator} {}", quoted(&value)))
        }
        "search" => {
            let (name, function) = SEARCHES.choose(random).unwrap();
            let value = [
                "cat",
                "fat & rat",
                "cat | dog",
                "!cat",
                "fat <-> rats",
                "fa:*",
                "the",
                "running dog",
                "\"fat cats\"",
                "mouse -rats",
            ]
            .choose(random)
            .unwrap();
            let (config, given) =
                [("", String::new()), ("(english)", quoted("english") + ", "), ("(simple)", quoted("simple") + ", ")]
                    .choose(random)
                    .unwrap()
                    .clone();
            let sql = format!("to_tsvector({given}{expression}) @@ {function}({given}{})", quoted(value));
            (format!("{name}{config}.{}", said(value)), sql)
        }
        "is" => {
            let (name, said) = [
                ("null", "NULL"),
                ("null", "NULL"),
                ("not_null", "NOT NULL"),
                ("true", "TRUE"),
                ("false", "FALSE"),
                ("unknown", "UNKNOWN"),
            ]
            .choose(random)
            .unwrap();
            (format!("is.{name}"), format!("{expression} IS {said}"))
        }
        "distinct" => {
            let value = literal(random, column);
            (format!("isdistinct.{}", said(&value)), format!("{expression} IS DISTINCT FROM {}", quoted(&value)))
        }
        "in" => {
            let elements: Vec<String> = (0..random.random_range(0..=3)).map(|_| literal(random, column)).collect();
            let said: Vec<String> =
                elements.iter().map(|e| format!("\"{}\"", e.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            // One empty text is what an empty list is read as.
            let all = if elements.is_empty() || elements == [""] { "{}".to_owned() } else { array(&elements) };
            (format!("in.({})", said.join(",")), format!("{expression} = ANY ({})", quoted(&all)))
        }
        _ => {
            let (name, operator) = COMPARISONS
                .iter()
                .filter(|(name, _)| *name != "neq")
                .collect::<Vec<_>>()
                .choose(random)
                .copied()
                .unwrap();
            let elements: Vec<String> = (0..random.random_range(0..=3)).map(|_| literal(random, column)).collect();
            let all = if random.random_bool(0.1) { "{1,NULL}".to_owned() } else { array(&elements) };
            let (quantifier, word) = [("(any)", "ANY"), ("(all)", "ALL")].choose(random).unwrap();
            (format!("{name}{quantifier}.{}", said(&all)), format!("{expression} {operator} {word}({})", quoted(&all)))
        }
    };
    let text = if negated { format!("not.{text}") } else { text };
    let sql = if negated { format!("NOT {sql}") } else { sql };
    (text, sql)
}

/// A tree of conditions: its key, its text, its SQL.
fn tree(random: &mut ChaCha8Rng, top: bool, depth: usize) -> (String, String, String) {
    let (name, word) = [("and", " AND "), ("or", " OR ")].choose(random).unwrap();
    let negated = random.random_bool(0.3);
    let (mut texts, mut sqls) = (Vec::new(), Vec::new());
    for _ in 0..random.random_range(1..=3) {
        if depth < 2 && random.random_bool(0.3) {
            let (key, text, sql) = tree(random, false, depth + 1);
            texts.push(format!("{key}{text}"));
            sqls.push(sql);
        } else {
            let (column, expression) = field(random);
            let (operation, sql) = operation(random, &column, &expression, true);
            texts.push(format!("{column}.{operation}"));
            sqls.push(sql);
        }
    }
    let _ = top;
    let key = if negated { format!("not.{name}") } else { (*name).to_owned() };
    let sql = format!("{}({})", if negated { "NOT " } else { "" }, sqls.join(word));
    (key, format!("({})", texts.join(",")), sql)
}

/// How a table is embedded: its text in `select`, the parameters about it, and its part of the SQL.
struct Embed {
    select: String,
    parameters: Vec<(String, String)>,
    item: Option<String>,
    join: String,
    /// What it is called, and its alias in the SQL.
    name: String,
    alias: String,
    to_one: bool,
}

/// A relation of the schema: its table, how it is asked for, how it joins, and a column to filter it by.
struct Edge {
    from: &'static str,
    table: &'static str,
    asked: &'static str,
    name: &'static str,
    to_one: bool,
    /// The condition; `{p}` is the parent, `{c}` the child.
    on: &'static str,
    /// A further table in `FROM`.
    through: &'static str,
}

const EDGES: [Edge; 9] = [
    Edge {
        from: "books",
        table: "authors",
        asked: "authors!author_id",
        name: "authors",
        to_one: true,
        on: "{c}.id = {p}.author_id",
        through: "",
    },
    Edge {
        from: "books",
        table: "authors",
        asked: "ed:editor_id",
        name: "ed",
        to_one: true,
        on: "{c}.id = {p}.editor_id",
        through: "",
    },
    Edge {
        from: "books",
        table: "labels",
        asked: "labels",
        name: "labels",
        to_one: false,
        on: "{c}.id = public.book_labels.label_id AND public.book_labels.book_id = {p}.id",
        through: ", public.book_labels",
    },
    Edge {
        from: "books",
        table: "covers",
        asked: "covers",
        name: "covers",
        to_one: true,
        on: "{c}.book_id = {p}.id",
        through: "",
    },
    Edge {
        from: "authors",
        table: "books",
        asked: "b:books!books_author_id_fkey",
        name: "b",
        to_one: false,
        on: "{c}.author_id = {p}.id",
        through: "",
    },
    Edge {
        from: "authors",
        table: "authors",
        asked: "authors",
        name: "authors",
        to_one: false,
        on: "{c}.parent_id = {p}.id",
        through: "",
    },
    Edge {
        from: "authors",
        table: "authors",
        asked: "up:parent_id",
        name: "up",
        to_one: true,
        on: "{c}.id = {p}.parent_id",
        through: "",
    },
    Edge {
        from: "labels",
        table: "books",
        asked: "books",
        name: "books",
        to_one: false,
        on: "{c}.id = public.book_labels.book_id AND public.book_labels.label_id = {p}.id",
        through: ", public.book_labels",
    },
    Edge {
        from: "covers",
        table: "books",
        asked: "books",
        name: "books",
        to_one: true,
        on: "{c}.id = {p}.book_id",
        through: "",
    },
];

/// Columns of a table that embeds tell and filter.
fn told(table: &str) -> &'static [&'static str] {
    match table {
        "authors" => &["id", "name", "rating", "born"],
        "labels" => &["id", "label", "weight"],
        "covers" => &["book_id", "color", "size"],
        _ => {
            &["id", "title", "price", "ratio", "tags", "published", "raw", "data", "active", "mood", "weight", "during"]
        }
    }
}

fn embed(random: &mut ChaCha8Rng, from: &str, parent: &str, path: &str, depth: usize, number: usize) -> Embed {
    let edges: Vec<&Edge> = EDGES.iter().filter(|edge| edge.from == from).collect();
    let edge = edges[(random.random_range(0..edges.len()) + number) % edges.len()];
    let alias = format!("e{depth}_{number}");
    // A table that is found through another keeps its name in PostgREST's SQL.
    let child =
        if edge.through.is_empty() { format!("{}_{depth}", edge.table) } else { format!("public.{}", edge.table) };
    let from_sql = if edge.through.is_empty() {
        format!("public.{} AS {child}", edge.table)
    } else {
        format!("public.{}{}", edge.table, edge.through)
    };
    let way = if path.is_empty() { edge.name.to_owned() } else { format!("{path}.{}", edge.name) };
    let on = edge.on.replace("{c}", &child).replace("{p}", parent);
    let (mut parameters, mut conditions, mut select, mut items) = (Vec::new(), vec![on], Vec::new(), Vec::new());
    let spread = edge.to_one && depth == 1 && !edge.asked.contains(':') && random.random_bool(0.2);
    let counted = !spread && !edge.to_one && random.random_bool(0.15);
    if counted {
        select.push("count".to_owned());
        items.push(format!("{child}.count"));
    } else {
        for column in told(edge.table).iter().filter(|_| random.random_bool(0.4)) {
            let name = if spread { format!("s{number}_{column}") } else { (*column).to_owned() };
            select.push(if spread { format!("{name}:{column}") } else { name.clone() });
            items.push(format!("{child}.{column} AS \"{name}\""));
        }
        if select.is_empty() && spread {
            let column = told(edge.table)[1];
            select.push(format!("s{number}_{column}:{column}"));
            items.push(format!("{child}.{column} AS s{number}_{column}"));
        } else if select.is_empty() {
            select.push("*".to_owned());
            items.push(format!("{child}.*"));
        }
    }
    let mut joins = String::new();
    // The parent of a table that is found through another cannot be told apart from it when both are the same.
    if depth < 2 && !counted && !spread && edge.through.is_empty() && random.random_bool(0.5) {
        let inner = embed(random, edge.table, &child, &way, depth + 1, 0);
        select.push(inner.select);
        items.extend(inner.item);
        joins.push_str(&inner.join);
        parameters.extend(inner.parameters);
    }
    let inner_join = random.random_bool(0.25);
    if random.random_bool(0.4) {
        let column = told(edge.table)[random.random_range(0..3)];
        let (operation, sql) = operation(random, column, &format!("{child}.{column}"), false);
        parameters.push((format!("{way}.{column}"), operation));
        conditions.push(sql);
    }
    let mut tail = String::new();
    if !edge.to_one && !counted {
        let key = told(edge.table)[0];
        let descending = random.random_bool(0.5);
        parameters.push((format!("{way}.order"), format!("{key}{}", if descending { ".desc" } else { "" })));
        let _ = write!(tail, " ORDER BY {child}.{key}{}", if descending { " DESC" } else { "" });
        if random.random_bool(0.3) {
            let limit = random.random_range(1..4);
            parameters.push((format!("{way}.limit"), limit.to_string()));
            let _ = write!(tail, " LIMIT {limit}");
        }
    }
    let query = format!("SELECT {} FROM {from_sql}{joins} WHERE {}{tail}", items.join(", "), conditions.join(" AND "));
    let kind = if inner_join { "INNER" } else { "LEFT" };
    let (join, item) = if spread {
        let names: Vec<String> =
            select.iter().map(|item| format!("{alias}.\"{}\"", item.split(':').next().unwrap())).collect();
        (format!(" {kind} JOIN LATERAL ({query}) AS {alias} ON TRUE"), names.join(", "))
    } else if edge.to_one {
        (
            format!(" {kind} JOIN LATERAL ({query}) AS {alias} ON TRUE"),
            format!("row_to_json({alias}.*)::jsonb AS {}", edge.name),
        )
    } else {
        let on = if inner_join { format!("{alias} IS NOT NULL") } else { "TRUE".to_owned() };
        (
            format!(
                " {kind} JOIN LATERAL (SELECT json_agg({alias})::jsonb AS {alias} FROM ({query}) AS {alias}) AS {alias} ON {on}"
            ),
            format!("COALESCE({alias}.{alias}, '[]') AS {}", edge.name),
        )
    };
    let asked = format!("{}{}{}", if spread { "..." } else { "" }, edge.asked, if inner_join { "!inner" } else { "" });
    Embed {
        select: format!("{asked}({})", select.join(",")),
        parameters,
        item: Some(item),
        join,
        name: edge.name.to_owned(),
        alias,
        to_one: edge.to_one,
    }
}

fn embeds(random: &mut ChaCha8Rng) -> Case {
    let table = *["books", "books", "authors", "covers"].choose(random).unwrap();
    let mut query = Draft::new(table);
    let parent = format!("public.{table}");
    let key = told(table)[0];
    query.item(key, &format!("{parent}.{key}"));
    let start = random.random_range(0..4);
    let count = if table == "covers" { 1 } else { random.random_range(1..=2) };
    for number in 0..count {
        let embed = embed(random, table, &parent, "", 1, start + number);
        // What is said of a name would be about the first of two.
        let name = |select: &str| select.trim_start_matches("...").split(['!', '(', ':']).next().map(str::to_owned);
        if query.select.iter().any(|select| name(select) == name(&embed.select)) {
            continue;
        }
        query.select.push(embed.select);
        query.items.extend(embed.item);
        query.joins.push(embed.join);
        query.parameters.extend(embed.parameters);
        if random.random_bool(0.15) {
            let (text, sql) = [("is.null", "IS NOT DISTINCT FROM NULL"), ("not.is.null", "IS DISTINCT FROM NULL")]
                .choose(random)
                .unwrap();
            query.parameters.push((embed.name.clone(), (*text).to_owned()));
            query.conditions.push(format!("{} {sql}", embed.alias));
        }
        if embed.to_one && embed.name == "covers" && query.select.last().is_some_and(|s| s.contains("size")) {
            let spread = query.select.last().unwrap().starts_with("...");
            if !spread && random.random_bool(0.5) {
                query.order_by("covers(size).desc.nullslast", &format!("{}.size DESC NULLS LAST", embed.alias));
            }
        }
    }
    if random.random_bool(0.3) {
        query.part(random);
    }
    query.order_by(key, &format!("{parent}.{key}"));
    query.told = query.select.clone();
    query.move_what_is_spoken_of();
    query.finish()
}
