//! Reading: `GET` and `HEAD` on a table, and rendering rows, also those that a write gives back.

use super::errors::PgError;
use super::filter::Node;
use super::query::{Order, Preferences, Query, Rows};
use super::relations::{self, Relation};
use super::select::{Embed, Item};
use super::store::Store;
use super::table::{RowNumber, Table};
use super::value::{Cell, Literal, SortKey};
use crate::upstream::answer::Answer;
use http::StatusCode;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

const JSON: &str = "application/json; charset=utf-8";
const OBJECT: &str = "application/vnd.pgrst.object+json; charset=utf-8";

/// Answers a read.
pub fn read(
    store: &RwLock<Store>,
    table: &str,
    query: &Query,
    preferences: &Preferences,
    head: bool,
) -> Result<Answer, PgError> {
    query.check_embedded()?;
    prepare_indexes(store, table, query);
    let store = store.read().unwrap_or_else(PoisonError::into_inner);
    let page = match store.table(table) {
        Some(rows) => page(&store, table, rows, query, preferences),
        None => Page { numbers: Vec::new(), total: 0, offset: 0 },
    };
    let Page { numbers, total, offset } = page;
    if preferences.count && offset > total {
        return Err(PgError::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", "Requested range not satisfiable")
            .details(format!("An offset of {offset} was requested, but there are only {total} rows.")));
    }
    let status = if preferences.count && numbers.len() < total { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    if preferences.single && numbers.len() != 1 {
        return Err(PgError::not_single(numbers.len()));
    }
    let count = preferences.count.then_some(total);
    let range = content_range(offset, numbers.len(), count);
    let body = if head { Vec::new() } else { render(&store, table, &numbers, query, preferences.single) };
    let content_type = if preferences.single { OBJECT } else { JSON };
    Ok(Answer::text(status, content_type, body).with("content-range", &range))
}

/// Rows as the body of an answer: an array, or the one row itself.
pub fn render(store: &Store, table: &str, numbers: &[RowNumber], query: &Query, single: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + numbers.len() * 256);
    if !single {
        out.push(b'[');
    }
    if let Some(rows) = store.table(table) {
        let renderer = Renderer { store, embedded: &query.embedded };
        for (at, number) in numbers.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            renderer.row(&mut out, table, rows, *number, &query.select, "");
        }
    }
    if !single {
        out.push(b']');
    }
    out
}

/// The `Content-Range` of an answer; clients take the count from it.
pub fn content_range(offset: usize, returned: usize, total: Option<usize>) -> String {
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    match returned {
        0 => format!("*/{total}"),
        some => format!("{offset}-{}/{total}", offset + some - 1),
    }
}

struct Page {
    numbers: Vec<RowNumber>,
    total: usize,
    offset: usize,
}

fn page(store: &Store, name: &str, table: &Table, query: &Query, preferences: &Preferences) -> Page {
    let mut numbers = table.select(&query.rows.conditions);
    let renderer = Renderer { store, embedded: &query.embedded };
    for item in &query.select {
        if let Item::Embed(embed) = item
            && embed.inner
        {
            numbers.retain(|number| {
                renderer
                    .related(name, table, *number, embed, &embed.output)
                    .is_some_and(|(_, rows, _)| !rows.is_empty())
            });
        }
    }
    sort(table, &mut numbers, &query.rows.order);
    let total = numbers.len();
    let (mut offset, mut limit) = (query.rows.offset, query.rows.limit);
    if let (0, None, Some((first, last))) = (offset, limit, preferences.range) {
        offset = first;
        limit = last.map(|last| (last + 1).saturating_sub(first));
    }
    let numbers = numbers.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).collect();
    Page { numbers, total, offset }
}

fn sort(table: &Table, numbers: &mut Vec<RowNumber>, order: &[Order]) {
    if order.is_empty() {
        return;
    }
    let keys = |number: RowNumber| -> Vec<Option<SortKey>> {
        let key = |by: &Order| by.column.resolve(table.cell(number, &by.column.column)).sort_key();
        order.iter().map(key).collect()
    };
    let mut keyed: Vec<_> = numbers.iter().map(|number| (keys(*number), *number)).collect();
    // Stable: rows that are equal stay in order of insertion.
    keyed.sort_by(|(a, _), (b, _)| {
        let compared = a.iter().zip(b).zip(order).map(|((a, b), by)| match (a, b) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) if by.nulls_first => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) if by.nulls_first => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) if by.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    *numbers = keyed.into_iter().map(|(_, number)| number).collect();
}

/// Makes the indexes that a read of large tables needs, under a short write lock of their own.
fn prepare_indexes(store: &RwLock<Store>, table: &str, query: &Query) {
    let wanted: Vec<(String, usize)> = {
        let store = store.read().unwrap_or_else(PoisonError::into_inner);
        let own = store.table(table).and_then(|rows| rows.missing_index(&query.rows.conditions));
        let own = own.map(|place| (table.to_owned(), place));
        let embedded = query.select.iter().filter_map(|item| {
            let Item::Embed(embed) = item else { return None };
            let relation = relation(&store, table, embed)?;
            let related = store.table(&embed.relation)?;
            // A look-up per row: what one look-up wants, all of them want.
            let place = related.missing_index(&[equality(&relation.other, Literal::new(""))])?;
            Some((embed.relation.clone(), place))
        });
        own.into_iter().chain(embedded).collect()
    };
    if !wanted.is_empty() {
        let mut store = store.write().unwrap_or_else(PoisonError::into_inner);
        for (table, place) in wanted {
            if let Some(rows) = store.table_mut(&table) {
                rows.build_index(place);
            }
        }
    }
}

fn relation(store: &Store, table: &str, embed: &Embed) -> Option<Relation> {
    let has_column = |table: &str, column: &str| store.table(table).is_some_and(|rows| rows.place(column).is_some());
    relations::find(table, &embed.relation, embed.hint.as_deref(), &has_column)
}

fn equality(column: &str, literal: Literal) -> Node {
    use super::filter::{ColumnRef, Test};
    Node::Test(ColumnRef { column: column.to_owned(), path: Vec::new(), as_text: false }, Test::Equal(literal))
}

struct Renderer<'a> {
    store: &'a Store,
    embedded: &'a BTreeMap<String, Rows>,
}

impl<'a> Renderer<'a> {
    fn row(&self, out: &mut Vec<u8>, name: &str, table: &Table, number: RowNumber, items: &[Item], path: &str) {
        out.push(b'{');
        let mut first = true;
        self.fields(out, &mut first, name, table, number, items, path);
        out.push(b'}');
    }

    #[expect(clippy::too_many_arguments, reason = "a recursive writer: all of it is the place where it writes")]
    fn fields(
        &self,
        out: &mut Vec<u8>,
        first: &mut bool,
        name: &str,
        table: &Table,
        number: RowNumber,
        items: &[Item],
        path: &str,
    ) {
        if items.is_empty() {
            return self.fields(out, first, name, table, number, &[Item::All], path);
        }
        for item in items {
            match item {
                Item::All => {
                    for column in table.columns() {
                        key(out, first, column);
                        table.cell(number, column).write_json(out);
                    }
                }
                Item::Column { output, source, as_text } => {
                    key(out, first, output);
                    let cell = source.resolve(table.cell(number, &source.column));
                    match (as_text, cell.as_text()) {
                        (true, Some(text)) => Cell::Text((*text).into()).write_json(out),
                        _ => cell.write_json(out),
                    }
                }
                Item::Embed(embed) => {
                    let path = if path.is_empty() { embed.output.clone() } else { format!("{path}.{}", embed.output) };
                    let related = self.related(name, table, number, embed, &path);
                    if embed.spread {
                        if let Some((rows, numbers, _)) = related
                            && let Some(number) = numbers.first()
                        {
                            self.fields(out, first, &embed.relation, rows, *number, &embed.items, &path);
                        }
                        continue;
                    }
                    key(out, first, &embed.output);
                    self.embed(out, embed, related, &path);
                }
            }
        }
    }

    fn embed(&self, out: &mut Vec<u8>, embed: &Embed, related: Option<(&Table, Vec<RowNumber>, bool)>, path: &str) {
        if embed.is_count() {
            let count = related.map_or(0, |(_, numbers, _)| numbers.len());
            out.extend_from_slice(format!("[{{\"count\":{count}}}]").as_bytes());
            return;
        }
        match related {
            // Nothing is known of such a relation: null, as for a missing row.
            None => out.extend_from_slice(b"null"),
            Some((rows, numbers, true)) => match numbers.first() {
                Some(number) => self.row(out, &embed.relation, rows, *number, &embed.items, path),
                None => out.extend_from_slice(b"null"),
            },
            Some((rows, numbers, false)) => {
                out.push(b'[');
                for (at, number) in numbers.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.row(out, &embed.relation, rows, *number, &embed.items, path);
                }
                out.push(b']');
            }
        }
    }

    /// The rows of `embed` that belong to a row: their table, their numbers, and whether there is at most one.
    fn related(
        &self,
        name: &str,
        table: &Table,
        number: RowNumber,
        embed: &Embed,
        path: &str,
    ) -> Option<(&'a Table, Vec<RowNumber>, bool)> {
        let relation = relation(self.store, name, embed)?;
        let rows = self.store.table(&embed.relation)?;
        let own = table.cell(number, &relation.own);
        let Some(own) = own.as_text() else { return Some((rows, Vec::new(), relation.to_one)) };
        let mut conditions = vec![equality(&relation.other, Literal::new(&own))];
        let wanted = self.embedded.get(path).or_else(|| self.embedded.get(&embed.relation));
        conditions.extend(wanted.into_iter().flat_map(|rows| rows.conditions.iter().cloned()));
        let mut numbers = rows.select(&conditions);
        if let Some(wanted) = wanted {
            sort(rows, &mut numbers, &wanted.order);
            numbers = numbers.into_iter().skip(wanted.offset).take(wanted.limit.unwrap_or(usize::MAX)).collect();
        }
        Some((rows, numbers, relation.to_one))
    }
}

fn key(out: &mut Vec<u8>, first: &mut bool, name: &str) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    Cell::Text(name.into()).write_json(out);
    out.push(b':');
}
