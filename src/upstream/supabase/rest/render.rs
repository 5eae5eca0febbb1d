//! From rows to bytes: JSON as `json_agg` writes it, embedded rows as `jsonb`, and CSV as rows are written as text.

use super::expression::json_text;
use super::fetch::compare_keys;
use super::grammar::ast::Aggregate;
use super::plan::{Child, Context, Node, Output};
use super::{aggregate, cast, scan};
use crate::upstream::supabase::database::output::write_json_string;
use crate::upstream::supabase::database::row::Row;
use crate::upstream::supabase::database::table::RowNumber;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use std::borrow::Cow;
use std::collections::HashMap;

/// How objects are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As `json`: `{"a":1}`.
    Json,
    /// As `jsonb`: `{"a": 1}`.
    Jsonb,
}

impl Style {
    fn comma(self) -> &'static [u8] {
        match self {
            Self::Json => b",",
            Self::Jsonb => b", ",
        }
    }

    fn colon(self) -> &'static [u8] {
        match self {
            Self::Json => b":",
            Self::Jsonb => b": ",
        }
    }
}

/// One value of a row that is told, or what goes into one.
struct Cell<'a> {
    name: Cow<'a, str>,
    content: Content<'a>,
}

enum Content<'a> {
    Value(Cow<'a, Value>),
    /// What an aggregate takes of this row.
    Input(&'a Output, Value),
}

/// Rows as names and values: what CSV and groups are written from.
pub type Told = Vec<(String, Value)>;

impl Context<'_> {
    /// Rows as JSON, and how many were written: an array, or the first row itself.
    ///
    /// # Errors
    /// What casts and aggregates refuse values with.
    pub fn json(&self, node: &Node<'_>, numbers: &[RowNumber], single: bool) -> Result<(Vec<u8>, usize), PgError> {
        let mut out = Vec::with_capacity(64 + numbers.len().min(1 << 14) * 256);
        let mut written = 0;
        let mut separate = |out: &mut Vec<u8>| {
            if !single {
                // `json_agg` begins a new line for every row.
                out.extend_from_slice(if written == 0 { b"[" } else { b", \n " });
            }
            written += 1;
        };
        if node.grouped {
            for told in self.groups(node, numbers)? {
                separate(&mut out);
                write_told(&mut out, told, Style::Json);
            }
        } else {
            for number in numbers {
                let Some(row) = node.table.row(*number) else { continue };
                separate(&mut out);
                self.write_row(&mut out, node, row, Style::Json)?;
            }
        }
        match (single, written) {
            (false, 0) => out.extend_from_slice(b"[]"),
            (false, _) => out.push(b']'),
            (true, _) => {}
        }
        Ok((out, written))
    }

    /// Rows as CSV, and how many were written.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub fn csv(&self, node: &Node<'_>, numbers: &[RowNumber]) -> Result<(Vec<u8>, usize), PgError> {
        let rows = self.told(node, numbers)?;
        let mut out = String::new();
        let names: Vec<&str> = rows.first().map_or_else(Vec::new, |row| row.iter().map(|(name, _)| &**name).collect());
        out.push_str(&names.join(","));
        out.push('\n');
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            for (at, (_, value)) in row.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_record_field(&mut out, value);
            }
        }
        Ok((out.into_bytes(), rows.len()))
    }

    /// How many rows are told: fewer than there are where they are grouped.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub fn count(&self, node: &Node<'_>, numbers: &[RowNumber]) -> Result<usize, PgError> {
        if node.grouped { Ok(self.groups(node, numbers)?.len()) } else { Ok(numbers.len()) }
    }

    /// Whether anything would be told of the related rows of a row. Aggregates tell of no rows, too.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub fn any_related(&self, child: &Child<'_>, row: &Row) -> Result<bool, PgError> {
        if !child.node.grouped {
            return Ok(!self.first_related(child, row, 1)?.is_empty());
        }
        let numbers = self.related(child, row)?;
        Ok(!self.groups(&child.node, &numbers)?.is_empty())
    }

    /// A row without values, as JSON.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub fn nulls(&self, node: &Node<'_>) -> Result<Vec<u8>, PgError> {
        let mut cells = Vec::new();
        self.cells(&mut cells, node, None)?;
        let mut out = Vec::new();
        write_told(&mut out, cells.into_iter().map(settled).collect(), Style::Json);
        Ok(out)
    }

    /// Rows as names and values.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub fn told(&self, node: &Node<'_>, numbers: &[RowNumber]) -> Result<Vec<Told>, PgError> {
        if node.grouped {
            return self.groups(node, numbers);
        }
        let rows = numbers.iter().filter_map(|number| node.table.row(*number));
        rows.map(|row| {
            let mut cells = Vec::new();
            self.cells(&mut cells, node, Some(row))?;
            Ok(cells.into_iter().map(settled).collect())
        })
        .collect()
    }

    fn write_row(&self, out: &mut Vec<u8>, node: &Node<'_>, row: &Row, style: Style) -> Result<(), PgError> {
        if !node.direct {
            let mut cells = Vec::new();
            self.cells(&mut cells, node, Some(row))?;
            write_told(out, cells.into_iter().map(settled).collect(), style);
            return Ok(());
        }
        out.push(b'{');
        let mut first = true;
        for output in &node.outputs {
            let start = out.len();
            match output {
                Output::Star => {
                    for (place, column) in node.table.definition().columns().iter().enumerate() {
                        write_key(out, &mut first, &column.name, style);
                        write_value(out, row.get(place), style);
                    }
                }
                Output::Field { name, value, cast } => {
                    write_key(out, &mut first, name, style);
                    let value = value.value(row);
                    match cast {
                        None => write_value(out, &value, style),
                        Some(kind) => write_value(out, &cast::cast(&value, kind)?, style),
                    }
                }
                Output::Embed(number) => {
                    let child = &node.children[*number];
                    write_key(out, &mut first, &child.name, style);
                    // What is inside was counted where it was written.
                    self.write_embedded(out, child, row)?;
                    continue;
                }
                Output::Spread(number) => {
                    let mut cells = Vec::new();
                    self.spread(&mut cells, &node.children[*number], Some(row))?;
                    for (name, value) in cells.into_iter().map(settled) {
                        write_key(out, &mut first, &name, style);
                        write_value(out, &value, style);
                    }
                }
                // Rows with aggregates are written as groups.
                Output::Aggregate { .. } => {}
            }
            self.work.spend_bytes(out.len() - start)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// The related rows of a row, as `jsonb`.
    fn write_embedded(&self, out: &mut Vec<u8>, child: &Child<'_>, row: &Row) -> Result<(), PgError> {
        if child.relation.is_none() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let numbers = self.related(child, row)?;
        let node = &child.node;
        let mut written = 0;
        let to_one = child.is_to_one();
        let mut separate = |out: &mut Vec<u8>| {
            if !to_one {
                out.extend_from_slice(if written == 0 { b"[" } else { b", " });
            }
            written += 1;
        };
        if node.grouped {
            for told in self.groups(node, &numbers)? {
                separate(out);
                write_told(out, told, Style::Jsonb);
            }
        } else {
            for number in &numbers {
                let Some(related) = node.table.row(*number) else { continue };
                separate(out);
                self.write_row(out, node, related, Style::Jsonb)?;
            }
        }
        out.extend_from_slice(match (to_one, written) {
            (true, 0) => b"null",
            (true, _) => b"",
            (false, 0) => b"[]",
            (false, _) => b"]",
        });
        Ok(())
    }

    /// What is told of a row, or of no row where a left join found none.
    fn cells<'a>(&self, cells: &mut Vec<Cell<'a>>, node: &'a Node<'_>, row: Option<&'a Row>) -> Result<(), PgError> {
        self.work.spend(1 + node.outputs.len() as u64 + node.table.bytes_of_one() / 8)?;
        for output in &node.outputs {
            match output {
                Output::Star => {
                    for (place, column) in node.table.definition().columns().iter().enumerate() {
                        let value = row.map_or(Cow::Owned(Value::Null), |row| Cow::Borrowed(row.get(place)));
                        cells.push(Cell { name: Cow::Borrowed(&column.name), content: Content::Value(value) });
                    }
                }
                Output::Field { name, value, cast } => {
                    let value = row.map_or(Cow::Owned(Value::Null), |row| value.value(row));
                    let value = match cast {
                        None => value,
                        Some(kind) => Cow::Owned(cast::cast(&value, kind)?),
                    };
                    cells.push(Cell { name: Cow::Borrowed(name), content: Content::Value(value) });
                }
                Output::Aggregate { name, argument, .. } => {
                    let input = match (row, argument) {
                        (None, _) => Value::Null,
                        (Some(_), None) => Value::Bool(true),
                        (Some(row), Some((value, None))) => value.value(row).into_owned(),
                        (Some(row), Some((value, Some(kind)))) => cast::cast(&value.value(row), kind)?,
                    };
                    cells.push(Cell { name: Cow::Borrowed(name), content: Content::Input(output, input) });
                }
                Output::Embed(number) => {
                    let child = &node.children[*number];
                    let value = match row {
                        None => Value::Null,
                        Some(row) => {
                            let mut json = Vec::new();
                            self.write_embedded(&mut json, child, row)?;
                            match &json[..] {
                                b"null" => Value::Null,
                                _ => Value::Jsonb(String::from_utf8(json).unwrap_or_default().into()),
                            }
                        }
                    };
                    let content = Content::Value(Cow::Owned(value));
                    cells.push(Cell { name: Cow::Borrowed(&child.name), content });
                }
                Output::Spread(number) => self.spread(cells, &node.children[*number], row)?,
            }
        }
        Ok(())
    }

    /// The columns of an embedded table among those of its parent: values of a to-one relation, arrays of others.
    fn spread<'a>(&self, cells: &mut Vec<Cell<'a>>, child: &'a Child<'_>, row: Option<&'a Row>) -> Result<(), PgError> {
        let node = &child.node;
        if child.is_to_one() {
            let related = match row {
                Some(row) => self.related_row(child, row)?,
                None => None,
            };
            return self.cells(cells, node, related);
        }
        let numbers = row.map_or(Ok(Vec::new()), |row| self.related(child, row))?;
        let mut arrays: Vec<(Cow<'a, str>, String)> = Vec::new();
        let rows: Vec<Option<&Row>> = numbers.iter().map(|number| node.table.row(*number)).collect();
        // The names are known without a row; its values are not written then.
        let mut none = Vec::new();
        self.cells(&mut none, node, None)?;
        arrays.extend(none.into_iter().map(|cell| (cell.name, String::from("["))));
        for (at, related) in rows.into_iter().enumerate() {
            let mut values = Vec::new();
            self.cells(&mut values, node, related)?;
            for ((_, array), cell) in arrays.iter_mut().zip(values) {
                if at > 0 {
                    array.push_str(", ");
                }
                array.push_str(&json_text(&settled(cell).1));
            }
        }
        for (name, mut array) in arrays {
            array.push(']');
            cells.push(Cell { name, content: Content::Value(Cow::Owned(Value::Json(array.into()))) });
        }
        Ok(())
    }

    /// Rows as groups with their aggregates, ordered and limited.
    fn groups(&self, node: &Node<'_>, numbers: &[RowNumber]) -> Result<Vec<Told>, PgError> {
        struct Group<'a> {
            cells: Vec<Cell<'a>>,
            inputs: Vec<Vec<Value>>,
            first: Option<&'a Row>,
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut known: HashMap<Vec<Option<u64>>, Vec<usize>> = HashMap::new();
        for row in numbers.iter().filter_map(|number| node.table.row(*number)) {
            let mut cells = Vec::new();
            self.cells(&mut cells, node, Some(row))?;
            let values = |cells: &[Cell<'_>]| -> Vec<Option<u64>> {
                cells
                    .iter()
                    .filter_map(|cell| if let Content::Value(value) = &cell.content { Some(value.key()) } else { None })
                    .collect()
            };
            let same = |group: &Group<'_>| {
                group.cells.iter().zip(&cells).all(|(a, b)| match (&a.content, &b.content) {
                    (Content::Value(a), Content::Value(b)) => a.is_same(b),
                    _ => true,
                })
            };
            let alike = known.entry(values(&cells)).or_default();
            let number = match alike.iter().copied().find(|number| same(&groups[*number])) {
                Some(number) => number,
                None => {
                    alike.push(groups.len());
                    groups.push(Group { cells: Vec::new(), inputs: Vec::new(), first: Some(row) });
                    groups.len() - 1
                }
            };
            let group = &mut groups[number];
            let inputs = cells.iter_mut().filter_map(|cell| match &mut cell.content {
                Content::Input(_, value) => Some(std::mem::replace(value, Value::Null)),
                Content::Value(_) => None,
            });
            for (at, input) in inputs.enumerate() {
                if group.inputs.len() <= at {
                    group.inputs.push(Vec::new());
                }
                group.inputs[at].push(input);
            }
            if group.cells.is_empty() {
                group.cells = cells;
            }
        }
        let mut without_rows = Vec::new();
        self.cells(&mut without_rows, node, None)?;
        if groups.is_empty() && without_rows.iter().all(|cell| matches!(cell.content, Content::Input(..))) {
            // Aggregates over nothing are still one row, unless there is something to group by.
            groups.push(Group { cells: without_rows, inputs: Vec::new(), first: None });
        }
        if !node.order.is_empty() {
            let mut keyed = Vec::with_capacity(groups.len());
            for group in groups {
                let keys = group.first.map_or(Ok(Vec::new()), |row| self.keys(node, row))?;
                keyed.push((keys, group));
            }
            keyed.sort_by(|(a, _), (b, _)| compare_keys(&node.order, a, b));
            groups = keyed.into_iter().map(|(_, group)| group).collect();
        }
        let wanted = groups.into_iter().skip(node.offset).take(node.limit.unwrap_or(usize::MAX));
        wanted
            .map(|group| {
                let mut inputs = group.inputs.into_iter();
                let told = |cell: Cell<'_>| {
                    let value = match cell.content {
                        Content::Value(value) => value.into_owned(),
                        Content::Input(output, _) => finished(output, &inputs.next().unwrap_or_default())?,
                    };
                    Ok((cell.name.into_owned(), value))
                };
                group.cells.into_iter().map(told).collect()
            })
            .collect()
    }
}

/// The result of an aggregate over what it took of the rows of a group.
fn finished(output: &Output, inputs: &[Value]) -> Result<Value, PgError> {
    let Output::Aggregate { function, argument, cast, .. } = output else { return Ok(Value::Null) };
    let mut value = aggregate::compute(*function, inputs)?;
    if let (Aggregate::Sum, Some((of, before))) = (function, argument) {
        // Integers are summed exactly; how large the sum may be depends on what they were.
        let kind = aggregate::result(*function, before.as_ref().unwrap_or(of.kind()))?;
        if matches!(kind, ColumnType::Int8) {
            value = cast::cast(&value, &kind)?;
        }
    }
    match cast {
        Some(kind) => cast::cast(&value, kind),
        None => Ok(value),
    }
}

fn settled(cell: Cell<'_>) -> (String, Value) {
    let value = match cell.content {
        Content::Value(value) => value.into_owned(),
        Content::Input(_, input) => input,
    };
    (cell.name.into_owned(), value)
}

fn write_told(out: &mut Vec<u8>, mut told: Told, style: Style) {
    if style == Style::Jsonb {
        // Of two with one name the last stays.
        told.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        let mut kept: Told = Vec::with_capacity(told.len());
        for (name, value) in told {
            if kept.last().is_some_and(|(last, _)| *last == name) {
                kept.pop();
            }
            kept.push((name, value));
        }
        told = kept;
    }
    out.push(b'{');
    let mut first = true;
    for (name, value) in &told {
        write_key(out, &mut first, name, style);
        write_value(out, value, style);
    }
    out.push(b'}');
}

fn write_key(out: &mut Vec<u8>, first: &mut bool, name: &str, style: Style) {
    if !std::mem::replace(first, false) {
        out.extend_from_slice(style.comma());
    }
    write_json_string(out, name);
    out.extend_from_slice(style.colon());
}

fn write_value(out: &mut Vec<u8>, value: &Value, style: Style) {
    let needs_form = matches!(value, Value::Json(_) | Value::Array(_) | Value::Float4(_) | Value::Float8(_));
    if style == Style::Json || !needs_form {
        return value.write_json(out);
    }
    // `jsonb` has a form of its own for what is in it.
    let text = json_text(value);
    match ColumnType::Jsonb.parse(&text) {
        Ok(Value::Jsonb(json)) => out.extend_from_slice(json.as_bytes()),
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

/// A value as `record_out` writes it: in quotes where it needs them, nothing for null.
fn write_record_field(out: &mut String, value: &Value) {
    if value.is_null() {
        return;
    }
    let mut text = String::new();
    value.write_output(&mut text);
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || c.is_ascii_whitespace();
    if !text.is_empty() && !text.contains(special) {
        out.push_str(&text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// A body without the fields that are null (`nulls=stripped`).
pub fn stripped(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    scan::strip_nulls(std::str::from_utf8(body).unwrap_or_default(), &mut out);
    out
}
