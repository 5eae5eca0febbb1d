//! [`TableDef`]: what a table looks like.

use super::expression::Expr;
use super::policy::RowSecurity;
use super::types::ColumnType;
use std::collections::HashMap;
use std::fmt;

/// The name of a table in its schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema, such as `public`.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// A table's name.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may not be null.
    pub not_null: bool,
    /// What it is where a write does not say.
    pub default: Option<Expr>,
    /// What it always is (`GENERATED ALWAYS AS (…) STORED`).
    pub computed: Option<Expr>,
    /// Whether it is `GENERATED ALWAYS AS IDENTITY`: a write may not say what it is.
    pub always_identity: bool,
}

impl Column {
    /// A column that may be null and has no default.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind, not_null: false, default: None, computed: None, always_identity: false }
    }
}

/// A check constraint.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, such as `items_price_check`.
    pub name: String,
    /// What must not be false.
    pub condition: Expr,
}

/// A primary key or a unique constraint or index.
#[derive(Clone, Debug)]
pub struct UniqueKey {
    /// Its name, such as `items_pkey`.
    pub name: String,
    /// The places of its columns.
    pub columns: Vec<usize>,
    /// Whether it is the primary key.
    pub primary: bool,
    /// Whether nulls are the same (`NULLS NOT DISTINCT`).
    pub nulls_same: bool,
    /// Which rows it is about (`WHERE`), if not all.
    pub only_where: Option<Expr>,
}

/// What happens to rows that point at a row that goes, or whose key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It is refused at the end of the statement (`NO ACTION`).
    #[default]
    Wait,
    /// It is refused at once.
    Restrict,
    /// They go too, or change too.
    Cascade,
    /// They point at nothing from then on.
    SetNull,
    /// They point at their column's default.
    SetDefault,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name, such as `comments_item_id_fkey`.
    pub name: String,
    /// The places of its columns in its own table.
    pub columns: Vec<usize>,
    /// The table that it points to.
    pub target: TableName,
    /// The places of the columns there, in the same order.
    pub target_columns: Vec<usize>,
    /// When the row there goes.
    pub on_delete: Action,
    /// When the key there changes.
    pub on_update: Action,
}

/// A table as declared, or as far as it has shown itself.
#[derive(Clone, Debug)]
pub struct TableDef {
    /// Its name.
    pub name: TableName,
    /// Whether a schema declares it: no other columns exist then. Otherwise columns appear as they are written, and
    /// one that was never written reads as null.
    pub strict: bool,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// Its keys, the primary one first.
    pub keys: Vec<UniqueKey>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its check constraints, by name.
    pub checks: Vec<Check>,
    /// Its policies, if row-level security is on.
    pub row_security: Option<RowSecurity>,
}

impl TableDef {
    /// A table without columns.
    pub fn new(name: TableName, strict: bool) -> Self {
        Self {
            name,
            strict,
            columns: Vec::new(),
            places: HashMap::new(),
            keys: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            row_security: None,
        }
    }

    /// Its columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The place of a column.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(self.place(name)?)
    }

    /// A column by its place.
    pub fn column_at(&self, place: usize) -> Option<&Column> {
        self.columns.get(place)
    }

    /// The type of a column by its name; of a column that a table without a schema has not shown yet, `Any`.
    pub fn kind(&self, column: &str) -> Option<&ColumnType> {
        match self.column(column) {
            Some(column) => Some(&column.kind),
            None if self.strict => None,
            None => Some(&ColumnType::Any),
        }
    }

    /// A column to change, by its name.
    pub fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        let place = self.place(name)?;
        self.columns.get_mut(place)
    }

    /// Adds a column and gives its place.
    pub fn add_column(&mut self, column: Column) -> usize {
        self.places.insert(column.name.clone(), self.columns.len());
        self.columns.push(column);
        self.columns.len() - 1
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&UniqueKey> {
        self.keys.iter().find(|key| key.primary)
    }
}
