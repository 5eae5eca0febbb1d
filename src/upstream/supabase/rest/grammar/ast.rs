//! What a query string says, as PostgREST reads it (WIRE-supabase §3): the tree that the grammar makes.

/// A column, or something inside it: `data->scores->>total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The column.
    pub name: String,
    /// The way into a JSON value.
    pub path: Vec<JsonStep>,
}

impl Field {
    /// A plain column.
    pub fn column(name: impl Into<String>) -> Self {
        Self { name: name.into(), path: Vec::new() }
    }
}

/// One arrow of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonStep {
    /// `->>`: the value as text.
    pub as_text: bool,
    /// Where it goes.
    pub to: JsonKey,
}

/// Where an arrow goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JsonKey {
    /// To a field of an object.
    Key(String),
    /// To an element of an array, from the end if negative.
    Index(i32),
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `sum()`.
    Sum,
    /// `avg()`.
    Avg,
    /// `min()`.
    Min,
    /// `max()`.
    Max,
    /// `count()`.
    Count,
}

impl Aggregate {
    /// Its name, which is also the name of its result.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }
}

/// One item of `select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A column, `*`, or an aggregate.
    Field(FieldItem),
    /// A related table: `alias:rel!hint!inner(…)`, or spread into its parent: `...rel(…)`.
    Relation(RelationItem),
}

/// A column in `select`; `*` is a column of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldItem {
    /// What it is called in the answer.
    pub alias: Option<String>,
    /// The column.
    pub field: Field,
    /// The type that it is cast to before aggregation.
    pub cast: Option<String>,
    /// The aggregate over it.
    pub aggregate: Option<Aggregate>,
    /// The type that the aggregate is cast to.
    pub aggregate_cast: Option<String>,
}

impl Item {
    /// A column by its name, as it is.
    pub fn column(name: &str) -> Self {
        let field = Field::column(name);
        Self::Field(FieldItem { alias: None, field, cast: None, aggregate: None, aggregate_cast: None })
    }
}

/// A related table in `select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationItem {
    /// What it is called in the answer.
    pub alias: Option<String>,
    /// The table, foreign key or column that names it.
    pub name: String,
    /// Which of several relations is meant.
    pub hint: Option<String>,
    /// Rows without a related row go: `!inner`.
    pub inner: bool,
    /// Its columns become its parent's: `...rel(…)`.
    pub spread: bool,
    /// What of it.
    pub items: Vec<Item>,
}

/// An operator that takes `(any)` and `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuantOperator {
    /// `eq`.
    Equal,
    /// `gt`.
    Greater,
    /// `gte`.
    GreaterEqual,
    /// `lt`.
    Less,
    /// `lte`.
    LessEqual,
    /// `like`.
    Like,
    /// `ilike`.
    ILike,
    /// `match`.
    Match,
    /// `imatch`.
    IMatch,
}

/// An operator that takes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimpleOperator {
    /// `neq`.
    NotEqual,
    /// `cs`.
    Contains,
    /// `cd`.
    ContainedIn,
    /// `ov`.
    Overlaps,
    /// `sl`.
    StrictlyLeft,
    /// `sr`.
    StrictlyRight,
    /// `nxr`.
    NotRightOf,
    /// `nxl`.
    NotLeftOf,
    /// `adj`.
    Adjacent,
}

/// How a text search reads its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// `fts`: `to_tsquery`.
    Query,
    /// `plfts`: `plainto_tsquery`.
    Plain,
    /// `phfts`: `phraseto_tsquery`.
    Phrase,
    /// `wfts`: `websearch_to_tsquery`.
    Web,
}

/// What `is` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Is {
    /// `null`.
    Null,
    /// `not_null`.
    NotNull,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `unknown`.
    Unknown,
}

/// `(any)` or `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One of the values is enough.
    Any,
    /// All of the values.
    All,
}

/// What a column is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `neq`, `cs` and so on.
    Simple(SimpleOperator, String),
    /// `eq`, `like` and so on, perhaps with `(any)` or `(all)`.
    Quant(QuantOperator, Option<Quantifier>, String),
    /// `in.(…)`.
    In(Vec<String>),
    /// `is.…`.
    Is(Is),
    /// `isdistinct.…`.
    IsDistinct(String),
    /// `fts(config).…`.
    Search(SearchKind, Option<String>, String),
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is held against the operation.
    pub field: Field,
    /// With `not.` before.
    pub negated: bool,
    /// The operation.
    pub operation: Operation,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One filter.
    Filter(Filter),
    /// `and(…)`, `or(…)`, perhaps with `not.` before.
    Logic {
        /// With `not.` before.
        negated: bool,
        /// `and`; otherwise `or`.
        all: bool,
        /// The conditions in it.
        of: Vec<Condition>,
    },
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    /// The embedded to-one relation whose column it is.
    pub relation: Option<String>,
    /// The column.
    pub field: Field,
    /// `desc`.
    pub descending: bool,
    /// `nullsfirst` or `nullslast`; otherwise as PostgreSQL has it: nulls are larger than everything.
    pub nulls_first: Option<bool>,
}

/// Which rows of one table, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// What must hold, all of it.
    pub conditions: Vec<Condition>,
    /// The order.
    pub order: Vec<OrderTerm>,
    /// The most rows. Negative is an error, told late as PostgREST does.
    pub limit: Option<i64>,
    /// Rows that are skipped.
    pub offset: u64,
}

/// A query string, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What is selected; `*` if nothing is said.
    pub select: Vec<Item>,
    /// Which rows of the table itself.
    pub rows: Rows,
    /// Which rows of embedded tables: the way to them by alias or name, and what is said of them.
    pub embedded: Vec<(Vec<String>, Rows)>,
    /// The ways to embedded tables in the order in which PostgREST puts there what is said of them. Each time it
    /// moves the table to the front of those beside it, which shows in the order of an answer's fields.
    pub touched: Vec<Vec<String>>,
    /// The columns that a write takes from its body.
    pub columns: Option<Vec<String>>,
    /// The columns by which an upsert finds its row.
    pub on_conflict: Option<Vec<String>>,
    /// Arguments of a function that is called by `GET`.
    pub arguments: Vec<(String, String)>,
}
