//! Answering a read: `GET` and `HEAD` on a table, and telling rows that a write gives back.

use super::super::database::schema::TableName;
use super::super::database::store::{Store, reading, writing};
use super::super::database::table::{RowNumber, Table};
use super::super::database::value::Value;
use super::super::errors::PgError;
use super::grammar::ast::Query;
use super::grammar::{self, Parameters};
use super::media::Media;
use super::plan::{self, Context, Node};
use super::preferences::{Count, Preferences};
use super::viewer::Viewer;
use super::work::Work;
use super::{range, refusals, render};
use crate::upstream::answer::Answer;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::RwLock;

/// What stays as it is in `Content-Location`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a project's PostgREST is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The schemas that it exposes; the first is the one without a profile header.
    pub schemas: Vec<String>,
    /// The most rows of an answer (`db-max-rows`; 1,000 in a fresh project).
    pub max_rows: Option<usize>,
    /// Whether aggregates may be used (`db-aggregates-enabled`; not in a fresh project).
    pub aggregates: bool,
}

/// A request for the rows of a table.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The schema, by the profile header.
    pub schema: &'a str,
    /// The table.
    pub table: &'a str,
    /// The query string, as sent.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether only the headers of the answer are wanted.
    pub head: bool,
}

/// Answers a read.
///
/// # Errors
/// What PostgREST and PostgreSQL refuse it with.
pub fn read(
    store: &RwLock<Store>,
    settings: &Settings,
    viewer: &dyn Viewer,
    request: &Request<'_>,
    work: &Work,
) -> Result<Answer, PgError> {
    let mut query = grammar::parse(request.query, Parameters::Filters)?;
    range::narrow(&mut query.rows, request.headers, !request.head)?;
    let preferences = Preferences::read(request.headers);
    let wanted = {
        let store = reading(store);
        let telling = Telling { store: &store, settings, viewer, schema: request.schema, work };
        match telling.read(request, &query, &preferences) {
            Err(Stop::Indexes(wanted)) => wanted,
            Err(Stop::Refused(error)) => return Err(*error),
            Ok(answer) => return Ok(answer),
        }
    };
    {
        let mut store = writing(store);
        for (name, place) in wanted {
            if let Some(table) = store.table_mut(&name.schema, &name.table) {
                table.build_index(place);
            }
        }
    }
    let store = reading(store);
    let telling = Telling { store: &store, settings, viewer, schema: request.schema, work };
    telling.answer(request, &query, &preferences, false).map_err(|stop| match stop {
        Stop::Refused(error) => *error,
        Stop::Indexes(_) => refusals::no_table(request.schema, request.table, std::iter::empty()),
    })
}

/// Why a read did not come to its end.
enum Stop {
    /// Large tables should get these indexes first.
    Indexes(Vec<(TableName, usize)>),
    /// It is refused.
    Refused(Box<PgError>),
}

impl From<PgError> for Stop {
    fn from(error: PgError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// What rows are told from: the locked database and who looks.
#[derive(Clone, Copy)]
pub struct Telling<'a> {
    /// The database.
    pub store: &'a Store,
    /// How PostgREST is set.
    pub settings: &'a Settings,
    /// Who looks.
    pub viewer: &'a dyn Viewer,
    /// The schema.
    pub schema: &'a str,
    /// How much may still be done for the request.
    pub work: &'a Work,
}

impl Telling<'_> {
    fn read(&self, request: &Request<'_>, query: &Query, preferences: &Preferences) -> Result<Answer, Stop> {
        self.answer(request, query, preferences, true)
    }

    /// `first` is whether indexes may still be wished for.
    fn answer(
        &self,
        request: &Request<'_>,
        query: &Query,
        preferences: &Preferences,
        first: bool,
    ) -> Result<Answer, Stop> {
        let nothing;
        let table = match self.store.table(self.schema, request.table) {
            Some(table) => table,
            None if self.store.is_strict() => return Err(self.no_table(request.table).into()),
            None => {
                nothing = Table::undeclared(TableName::new(self.schema, request.table));
                &nothing
            }
        };
        self.with_context(|context| {
            let node = plan::plan(*context, table, query, true)?;
            let media = Media::negotiate(request.headers)?;
            preferences.check()?;
            if first {
                let mut wanted = Vec::new();
                wanted_indexes(&node, &mut wanted);
                if !wanted.is_empty() {
                    return Err(Stop::Indexes(wanted));
                }
            }
            let page = context.page(&node, preferences.count.is_some())?;
            let total = preferences.count.map(|_| page.total);
            let offset = query.rows.offset;
            let (body, given) = told(context, &node, &page.numbers, media, request.head)?;
            let answer = finish(given, offset, total, media, body)?;
            let location = location(request.table, request.query);
            let answer = answer.with("content-location", &location).with("content-profile", self.schema);
            let answer = match preferences.applied_to_read() {
                Some(applied) => answer.with("preference-applied", &applied),
                None => answer,
            };
            let warning = preferences.warning().or_else(|| self.count_warning(preferences.count, total));
            Ok(answer.warned(warning))
        })
    }

    fn with_context<T>(&self, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let Settings { max_rows, aggregates, .. } = *self.settings;
        act(&Context { store: self.store, viewer: self.viewer, max_rows, aggregates, work: self.work })
    }

    /// Tells rows that a write gives back: the body, and how many rows there are in it.
    ///
    /// # Errors
    /// As [`read`], and PGRST116 where one row was wanted.
    pub fn represent(
        &self,
        table: &Table,
        query: &Query,
        numbers: &[RowNumber],
        media: Media,
    ) -> Result<Vec<u8>, PgError> {
        self.with_context(|context| {
            // Writes are not bound by the most rows of an answer.
            let context = Context { max_rows: None, ..*context };
            let node = plan::plan(context, table, query, false)?;
            let (body, given) = told(&context, &node, numbers, media, false)?;
            if media.is_single() && given != 1 {
                return Err(PgError::not_single(given));
            }
            Ok(body)
        })
    }

    /// Refuses a query whose names or literals are wrong, before anything is written for it.
    ///
    /// # Errors
    /// As [`read`].
    pub fn check(&self, table: &Table, query: &Query) -> Result<(), PgError> {
        self.with_context(|context| plan::plan(*context, table, query, false).map(|_| ()))
    }

    /// The rows that the filters of a write choose.
    ///
    /// # Errors
    /// As [`read`].
    pub fn chosen(&self, table: &Table, query: &Query) -> Result<Vec<RowNumber>, PgError> {
        let predicates = plan::predicates(table.definition(), &query.rows.conditions)?;
        self.with_context(|context| context.chosen(table, &predicates))
    }

    /// The rows of a table that a query chooses, in its order.
    ///
    /// # Errors
    /// As [`read`].
    pub fn numbers(&self, table: &Table, query: &Query) -> Result<Vec<RowNumber>, PgError> {
        self.with_context(|context| {
            let context = Context { max_rows: None, ..*context };
            let node = plan::plan(context, table, &Query { select: Vec::new(), ..query.clone() }, true)?;
            Ok(context.page(&node, false)?.numbers)
        })
    }

    /// The first thing that a query tells of each of these rows.
    ///
    /// # Errors
    /// As [`read`].
    pub fn first_column(&self, table: &Table, numbers: &[RowNumber], query: &Query) -> Result<Vec<Value>, PgError> {
        let told = self.told(table, numbers, query)?;
        Ok(told.into_iter().filter_map(|row| row.into_iter().next()).map(|(_, value)| value).collect())
    }

    /// What a query tells of each of these rows, by name.
    ///
    /// # Errors
    /// As [`read`].
    pub fn told(&self, table: &Table, numbers: &[RowNumber], query: &Query) -> Result<Vec<render::Told>, PgError> {
        self.with_context(|context| {
            // What a function does inside is not bound by how PostgREST is set.
            let context = Context { max_rows: None, aggregates: true, ..*context };
            let node = plan::plan(context, table, query, false)?;
            context.told(&node, numbers)
        })
    }

    /// Tells rows that a function gave, as far as a query wants them: the body, how many there are in it, and how
    /// many there would be without limit and offset.
    ///
    /// # Errors
    /// As [`read`].
    pub fn tell_given(
        &self,
        table: &Table,
        query: &Query,
        numbers: Vec<RowNumber>,
        media: Media,
        head: bool,
    ) -> Result<(Vec<u8>, usize, usize), PgError> {
        self.with_context(|context| {
            let node = plan::plan(*context, table, query, true)?;
            let page = context.page_of(&node, numbers)?;
            let (body, given) = told(context, &node, &page.numbers, media, head)?;
            Ok((body, given, page.total))
        })
    }

    /// A row of nulls.
    ///
    /// # Errors
    /// As [`read`].
    pub fn nulls(&self, table: &Table, query: &Query) -> Result<Vec<u8>, PgError> {
        self.with_context(|context| {
            let node = plan::plan(*context, table, query, true)?;
            context.nulls(&node)
        })
    }

    /// PGRST205 for a table of this schema.
    pub fn no_table(&self, table: &str) -> PgError {
        refusals::no_table(self.schema, table, self.store.tables_of(self.schema).map(|(name, _)| name))
    }

    fn count_warning(&self, count: Option<Count>, total: Option<usize>) -> Option<String> {
        let estimate = match count? {
            Count::Exact => false,
            Count::Planned => true,
            Count::Estimated => total > self.settings.max_rows,
        };
        estimate.then(|| "the Supabase mock counts exactly where PostgREST gives the planner's estimate".to_owned())
    }
}

/// The body of an answer and how many rows it tells.
fn told(
    context: &Context<'_>,
    node: &Node<'_>,
    numbers: &[RowNumber],
    media: Media,
    head: bool,
) -> Result<(Vec<u8>, usize), PgError> {
    if head {
        return Ok((Vec::new(), context.count(node, numbers)?));
    }
    let (body, given) = match media {
        Media::Csv => context.csv(node, numbers)?,
        media => context.json(node, numbers, media.is_single())?,
    };
    Ok((if media.strips_nulls() { render::stripped(&body) } else { body }, given))
}

/// An answer with its status and `Content-Range`.
pub fn finish(given: usize, offset: u64, total: Option<usize>, media: Media, body: Vec<u8>) -> Result<Answer, PgError> {
    let status = range::status(offset, given, total);
    let content_range = range::content_range(offset, given, total);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let answer = range::out_of_bounds(offset, total.unwrap_or(0)).answer();
        return Ok(answer.with("content-range", &content_range));
    }
    if media.is_single() && given != 1 {
        return Err(PgError::not_single(given));
    }
    Ok(Answer::text(status, media.content_type(), body).with("content-range", &content_range))
}

/// The indexes that large tables should have before this is carried out.
fn wanted_indexes(node: &Node<'_>, wanted: &mut Vec<(TableName, usize)>) {
    let mut want = |table: &Table, place: usize| {
        if table.wants_index(place) {
            wanted.push((table.definition().name.clone(), place));
        }
    };
    let mut equalities = node.predicates.iter().filter_map(|predicate| predicate.equality());
    // One is enough if it is there already.
    if let Some(first) = equalities.next()
        && !node.table.has_index(first)
        && !equalities.any(|place| node.table.has_index(place))
    {
        want(node.table, first);
    }
    for child in &node.children {
        let Some(relation) = &child.relation else { continue };
        if let [place] = relation.other.as_slice() {
            want(relation.target, *place);
        }
        if let Some(junction) = &relation.junction
            && let [place] = junction.own_places()
        {
            want(junction.table, *place);
        }
    }
    for child in &node.children {
        wanted_indexes(&child.node, wanted);
    }
}

/// `Content-Location`: the path with its parameters in order.
fn location(table: &str, query: &str) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if pairs.is_empty() {
        return format!("/{table}");
    }
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = format!("/{table}?");
    for (at, (key, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.extend(utf8_percent_encode(key, UNRESERVED));
        out.push('=');
        out.extend(utf8_percent_encode(value, UNRESERVED));
    }
    out
}
