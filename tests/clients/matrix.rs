//! `docs/fidelity.md`: what was measured, as tables.

use crate::programs::Client;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// As with the real service; what the client did, where it is not the same for every client.
    Good(String),
    /// Not as with the real service: what the client did, and why that is wrong.
    Short(String, String),
    /// The client has no such call.
    Absent,
}

/// A table of the document.
#[derive(Debug)]
pub struct Table {
    /// Its title.
    pub title: &'static str,
    /// What its rows are.
    pub rows: &'static str,
    /// What is to be known about it.
    pub text: &'static str,
    /// The columns.
    pub clients: Vec<Client>,
    /// Its rows: name, and a cell for each client.
    pub cells: Vec<(String, Vec<Cell>)>,
}

/// How many cells of a client are good, and how many fall short.
pub type Score = (usize, usize);

impl Table {
    /// Each client's score.
    pub fn scores(&self) -> Vec<(Client, Score)> {
        let mut scores: Vec<(Client, Score)> = self.clients.iter().map(|client| (*client, (0, 0))).collect();
        for (_, cells) in &self.cells {
            for (cell, (_, score)) in cells.iter().zip(&mut scores) {
                match cell {
                    Cell::Good(_) => score.0 += 1,
                    Cell::Short(..) => score.1 += 1,
                    Cell::Absent => {}
                }
            }
        }
        scores
    }
}

/// What begins the document.
const HEAD: &str = "\
# Fidelity

What the official clients make of firedrill's mocks, cell by cell. A test runs the clients themselves, pinned in
[`tests/clients/environments`](../tests/clients/environments), and writes this file; it fails when the file no longer
says what it measured.

```sh
FIREDRILL_WRITE_DOCS=1 cargo test --test clients -- --ignored   # measure again and write this file
cargo test --test clients -- --ignored                          # measure again and compare
```

- **✓**: what the client parsed was looked at, field by field where it matters, and is what the real service would
  have given it; for failures, the class of what came out, the number of requests that the mock received, and the
  time between them.
- **✗ n**: falls short, and note n below the table says how.
- **–**: the client has no such call, or the case is about the wire beneath it, which one client shows.

";

/// The whole document.
pub fn document(tables: &[Table]) -> String {
    let mut out = String::from(HEAD);
    out.push_str("| client | version | ✓ | ✗ |\n|---|---|---|---|\n");
    let mut sums: BTreeMap<Client, Score> = BTreeMap::new();
    let mut order: Vec<Client> = Vec::new();
    for (client, (good, short)) in tables.iter().flat_map(Table::scores) {
        if !order.contains(&client) {
            order.push(client);
        }
        let sum = sums.entry(client).or_default();
        sum.0 += good;
        sum.1 += short;
    }
    for client in order {
        let (good, short) = sums[&client];
        let _ = writeln!(out, "| {} | {} | {good} | {short} |", client.title, client.version());
    }
    for table in tables {
        write_table(&mut out, table);
    }
    out
}

fn write_table(out: &mut String, table: &Table) {
    let _ = write!(out, "\n## {}\n\n{}\n\n| {} |", table.title, table.text, table.rows);
    for client in &table.clients {
        let _ = write!(out, " {} {} |", client.title, client.version());
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(table.clients.len()));
    let mut notes: Vec<String> = Vec::new();
    for (name, cells) in &table.cells {
        let _ = write!(out, "| {name} |");
        for cell in cells {
            let _ = match cell {
                Cell::Good(did) if did.is_empty() => write!(out, " ✓ |"),
                Cell::Good(did) => write!(out, " ✓ {} |", escaped(did)),
                Cell::Absent => write!(out, " – |"),
                Cell::Short(did, why) => {
                    let why = steady(why);
                    let number = notes.iter().position(|note| *note == why).unwrap_or_else(|| {
                        notes.push(why);
                        notes.len() - 1
                    });
                    let did = if did.is_empty() { String::new() } else { format!(" {}", escaped(did)) };
                    write!(out, " ✗{did} [{}] |", number + 1)
                }
            };
        }
        out.push('\n');
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for (number, note) in notes.iter().enumerate() {
        let _ = writeln!(out, "{}. {}", number + 1, escaped(note));
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

/// The same text on every run: without ports and identifiers, which differ.
fn steady(text: &str) -> String {
    let ports = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let identifiers = regex::Regex::new(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}").unwrap();
    let times = regex::Regex::new(r"\b\d+\.\d{2,}\b").unwrap();
    let text = ports.replace_all(text, "127.0.0.1");
    let text = identifiers.replace_all(&text, "…");
    times.replace_all(&text, "…").into_owned()
}
