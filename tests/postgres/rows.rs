//! Random rows of a schema that has every type the mock knows.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;

const SCHEMA: &str = "
create type mood as enum ('sad', 'ok', 'happy');
create table authors (
    id int primary key, name text, rating numeric(6,2), born date,
    parent_id int references authors(id)
);
create table books (
    id int primary key, author_id int references authors(id), editor_id int references authors(id),
    title varchar(40), code char(5), body text,
    pages int2, stock int4, views int8, price numeric, ratio float8, weight float4, active bool,
    published timestamptz, noted timestamp, day date, hour time, span interval,
    uid uuid, tags text[], numbers int[], data jsonb, raw json, mood mood, bytes bytea,
    during int4range, days daterange, costs numrange
);
create table labels (id int primary key, label text, weight int);
create table book_labels (
    book_id int references books(id), label_id int references labels(id), primary key (book_id, label_id)
);
create table covers (book_id int primary key references books(id), color text, size int);
";

/// The values of every type, as SQL literals without their quotes: a handful, so that many are equal.
pub fn values(column: &str) -> &'static [&'static str] {
    match column {
        "title" | "name" | "label" | "color" => &[
            "",
            "a",
            "A",
            "abc",
            "Abc",
            "a,b",
            "a\"b",
            "a\\b",
            "x%y",
            "a_c",
            "the cats sat",
            "Fat rats",
            "é",
            "x(y)",
            "*",
        ],
        "body" => {
            &["", "The fat cats sat on a mat", "a mouse ate rats and cheese", "running dogs", "cat", "line\nbreak"]
        }
        "code" => &["", "a", "ab", "abcde", "AB"],
        "pages" => &["0", "1", "-5", "10", "300", "32767"],
        "stock" | "size" => &["0", "1", "-1", "42", "100000", "-2147483648"],
        "views" => &["0", "5", "9007199254740993", "-9223372036854775808", "9223372036854775807"],
        "price" | "rating" => &["0", "1.10", "1.1", "19.99", "-3.5", "100", "0.001"],
        "ratio" => &["0", "-0", "0.1", "1e20", "1e-7", "123456.789", "Infinity", "NaN", "-2.5"],
        "weight" => &["0", "0.1", "1e10", "3.25", "-1.5"],
        "active" => &["true", "false"],
        "published" => &[
            "2024-01-01 00:00:00+00",
            "2024-01-01 02:00:00+02",
            "2024-06-15 12:30:45.123456+00",
            "1999-12-31 23:59:59.5-05",
            "2024-02-29 12:00:00+00",
        ],
        "noted" => &["2024-01-01 00:00:00", "2024-06-15 12:30:45.1", "1970-01-01 00:00:00", "2038-01-19 03:14:08"],
        "day" | "born" => &["2024-01-01", "2024-02-29", "1970-01-01", "1850-07-04", "2024-12-31"],
        "hour" => &["00:00:00", "12:30:45.5", "23:59:59", "24:00:00"],
        "span" => &["1 day", "24:00:00", "1 mon", "-1 days +02:03:04", "1 year 2 mons", "00:00:00"],
        "uid" => &[
            "00000000-0000-0000-0000-000000000001",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "ffffffff-ffff-4fff-8fff-ffffffffffff",
        ],
        "tags" => &["{}", "{a}", "{a,b}", "{b,a}", "{a,b,c}", "{\"x y\",NULL}", "{\"a,b\"}", "{\"\"}"],
        "numbers" => &["{}", "{1}", "{1,2,3}", "{3,2}", "{NULL}", "{10,20}"],
        "data" => &[
            "{}",
            "null",
            "1",
            "\"text\"",
            "[1, 2, 3]",
            "[\"a\", \"b\"]",
            "{\"a\": 1}",
            "{\"a\": 1, \"b\": {\"c\": [1, \"x\", null]}}",
            "{\"a\": \"1\", \"b\": null}",
            "{\"bb\": 1.10, \"a\": 2, \"c\": true}",
            "{\"k\": \"é\\n\"}",
            "{\"a\": 10}",
        ],
        "raw" => &["{\"b\":1, \"a\" : [1,2]}", "null", "[ 1,\"x\" ]", "{\"a\":1,\"a\":2}", "\"s\"", "1.50"],
        "mood" => &["sad", "ok", "happy"],
        "bytes" => &["\\x", "\\x00ff", "\\x68690a"],
        "during" => &["[1,5)", "[5,10]", "empty", "(,3)", "[7,)", "[1,5]", "(,)"],
        "days" => &["[2024-01-01,2024-02-01)", "[2024-01-15,)", "empty", "[2024-02-01,2024-02-01]"],
        "costs" => &["[1.5,2.5)", "(2.5,3]", "empty", "[1,1]", "(,0)", "[2.5,2.5]"],
        _ => &["1", "2", "3"],
    }
}

/// The columns of `books` that the tests are about.
pub const COLUMNS: [&str; 25] = [
    "id",
    "title",
    "code",
    "body",
    "pages",
    "stock",
    "views",
    "price",
    "ratio",
    "weight",
    "active",
    "published",
    "noted",
    "day",
    "hour",
    "span",
    "uid",
    "tags",
    "numbers",
    "data",
    "raw",
    "mood",
    "during",
    "days",
    "costs",
];

fn value(random: &mut ChaCha8Rng, column: &str) -> String {
    if random.random_bool(0.15) {
        return "null".to_owned();
    }
    quoted(values(column).choose(random).unwrap())
}

/// A text as an SQL literal.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A script that makes the tables and fills them.
pub fn script(random: &mut ChaCha8Rng) -> String {
    let mut script = SCHEMA.to_owned();
    let reference = |random: &mut ChaCha8Rng, most: usize| {
        if random.random_bool(0.2) { "null".to_owned() } else { random.random_range(1..=most).to_string() }
    };
    for id in 1..=8 {
        let parent = if id == 1 { "null".to_owned() } else { reference(random, id - 1) };
        let (name, rating, born) = (value(random, "name"), value(random, "rating"), value(random, "born"));
        let _ = writeln!(script, "insert into authors values ({id}, {name}, {rating}, {born}, {parent});");
    }
    let columns = "id, author_id, editor_id, title, code, body, pages, stock, views, price, ratio, weight, active, published, \
                   noted, day, hour, span, uid, tags, numbers, data, raw, mood, bytes, during, days, costs";
    for id in 1..=60 {
        let (author, editor) = (reference(random, 8), reference(random, 8));
        let rest: Vec<String> = columns.split(", ").skip(3).map(|column| value(random, column.trim())).collect();
        let _ =
            writeln!(script, "insert into books ({columns}) values ({id}, {author}, {editor}, {});", rest.join(", "));
    }
    for id in 1..=6 {
        let label = value(random, "label");
        let _ = writeln!(script, "insert into labels values ({id}, {label}, {});", reference(random, 3));
    }
    for book in 1..=60 {
        for label in 1..=6 {
            if random.random_bool(0.2) {
                let _ = writeln!(script, "insert into book_labels values ({book}, {label});");
            }
        }
        if random.random_bool(0.6) {
            let (color, size) = (value(random, "color"), value(random, "size"));
            let _ = writeln!(script, "insert into covers values ({book}, {color}, {size});");
        }
    }
    script
}
