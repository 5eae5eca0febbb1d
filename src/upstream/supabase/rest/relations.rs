//! Which tables hang together, and how: from foreign keys as PostgREST derives it, or by name where no schema is
//! declared.

use super::refusals;
use crate::upstream::supabase::database::schema::{ForeignKey, TableDef, TableName};
use crate::upstream::supabase::database::store::Store;
use crate::upstream::supabase::database::table::Table;
use crate::upstream::supabase::errors::PgError;
use http::StatusCode;
use serde_json::{Value, json};

/// How many rows there can be on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// The other table points here.
    OneToMany,
    /// This table points there.
    ManyToOne,
    /// Either points at the other, by a key.
    OneToOne,
    /// A third table points at both.
    ManyToMany,
}

impl Cardinality {
    fn words(self) -> &'static str {
        match self {
            Self::OneToMany => "one-to-many",
            Self::ManyToOne => "many-to-one",
            Self::OneToOne => "one-to-one",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// The table between two others.
#[derive(Clone, Debug)]
pub struct Junction<'s> {
    /// It.
    pub table: &'s Table,
    /// The foreign key to this side.
    to_own: &'s ForeignKey,
    /// The foreign key to the other side.
    to_target: &'s ForeignKey,
}

/// How rows of another table are found from a row.
#[derive(Clone, Debug)]
pub struct Relation<'s> {
    /// How many rows there can be.
    pub cardinality: Cardinality,
    /// The other table.
    pub target: &'s Table,
    /// The places of the columns here.
    pub own: Vec<usize>,
    /// The places of the columns there that must be equal.
    pub other: Vec<usize>,
    /// The table between both.
    pub junction: Option<Junction<'s>>,
    /// The foreign key's name.
    constraint: String,
}

impl Relation<'_> {
    /// Whether there is at most one related row.
    pub fn is_to_one(&self) -> bool {
        matches!(self.cardinality, Cardinality::ManyToOne | Cardinality::OneToOne)
    }
}

impl Junction<'_> {
    /// The places of its columns that hold this side's key, in the order of [`Relation::own`].
    pub fn own_places(&self) -> &[usize] {
        &self.to_own.columns
    }

    /// The places of its columns that hold the other side's key, in the order of [`Relation::other`].
    pub fn target_places(&self) -> &[usize] {
        &self.to_target.columns
    }
}

/// The one relation that is meant.
///
/// # Errors
/// PGRST200 if there is none, PGRST201 if there are several.
pub fn find<'s>(
    store: &'s Store,
    origin: &TableDef,
    target: &str,
    hint: Option<&str>,
) -> Result<Relation<'s>, PgError> {
    let mut meant: Vec<Relation<'s>> =
        all(store, origin).into_iter().filter(|r| is_meant(origin, r, target, hint)).collect();
    match meant.len() {
        1 => Ok(meant.remove(0)),
        0 => Err(none(store, origin, target, hint)),
        _ => Err(several(origin, target, &meant)),
    }
}

/// All relations of a table: those that point at it, those that it has, those through a third table.
fn all<'s>(store: &'s Store, origin: &TableDef) -> Vec<Relation<'s>> {
    let mut found = Vec::new();
    for table in store.tables_of(&origin.name.schema).map(|(_, table)| table) {
        for key in table.definition().foreign_keys.iter().filter(|key| key.target == origin.name) {
            let one = is_unique(table.definition(), &key.columns);
            found.push(Relation {
                cardinality: if one { Cardinality::OneToOne } else { Cardinality::OneToMany },
                target: table,
                own: key.target_columns.clone(),
                other: key.columns.clone(),
                junction: None,
                constraint: key.name.clone(),
            });
        }
    }
    let one = |key: &ForeignKey| is_unique(origin, &key.columns);
    for key in &origin.foreign_keys {
        let Some(target) = store.named(&key.target) else { continue };
        found.push(Relation {
            cardinality: if one(key) { Cardinality::OneToOne } else { Cardinality::ManyToOne },
            target,
            own: key.columns.clone(),
            other: key.target_columns.clone(),
            junction: None,
            constraint: key.name.clone(),
        });
    }
    for table in store.tables_of(&origin.name.schema).map(|(_, table)| table) {
        let definition = table.definition();
        let Some(primary) = definition.primary_key() else { continue };
        let joins = |key: &&ForeignKey| {
            key.columns.iter().all(|place| primary.columns.contains(place)) && !is_unique(definition, &key.columns)
        };
        let keys: Vec<&ForeignKey> = definition.foreign_keys.iter().filter(joins).collect();
        for to_own in keys.iter().filter(|key| key.target == origin.name) {
            for to_target in keys.iter().filter(|key| key.name != to_own.name) {
                let Some(target) = store.named(&to_target.target) else { continue };
                found.push(Relation {
                    cardinality: Cardinality::ManyToMany,
                    target,
                    own: to_own.target_columns.clone(),
                    other: to_target.target_columns.clone(),
                    junction: Some(Junction { table, to_own, to_target }),
                    constraint: String::new(),
                });
            }
        }
    }
    found
}

fn is_unique(table: &TableDef, columns: &[usize]) -> bool {
    table
        .keys
        .iter()
        .any(|key| key.columns.len() == columns.len() && key.columns.iter().all(|place| columns.contains(place)))
}

fn single_column<'a>(table: &'a TableDef, places: &[usize]) -> Option<&'a str> {
    match places {
        [place] => table.column_at(*place).map(|column| column.name.as_str()),
        _ => None,
    }
}

/// PostgREST's `findRel`: by table, foreign key or column; a hint narrows it down.
fn is_meant(origin: &TableDef, relation: &Relation<'_>, target: &str, hint: Option<&str>) -> bool {
    let other = relation.target.definition();
    let named = target == other.name.table;
    let through_key = relation.junction.is_none();
    let own_column = |text: &str| through_key && single_column(origin, &relation.own) == Some(text);
    let other_column = |text: &str| through_key && single_column(other, &relation.other) == Some(text);
    let constraint = |text: &str| through_key && relation.constraint == text;
    if other.name == origin.name {
        // One foreign key, two directions: by the table's name to the many, by the column's name to the one.
        return match hint {
            None => {
                named && relation.cardinality == Cardinality::OneToMany
                    || relation.cardinality == Cardinality::ManyToOne && own_column(target)
            }
            Some(hint) => named && relation.cardinality == Cardinality::OneToMany && other_column(hint),
        };
    }
    match hint {
        None => named || constraint(target) || own_column(target),
        Some(hint) => {
            let junction = relation.junction.as_ref().is_some_and(|j| j.table.definition().name.table == hint);
            named && (constraint(hint) || own_column(hint) || other_column(hint) || junction)
        }
    }
}

fn none(store: &Store, origin: &TableDef, target: &str, hint: Option<&str>) -> PgError {
    let TableName { schema, table } = &origin.name;
    let message = format!("Could not find a relationship between '{table}' and '{target}' in the schema cache");
    let using = hint.map_or(String::new(), |hint| format!("' using the hint '{hint}"));
    let mut error = PgError::new(StatusCode::BAD_REQUEST, "PGRST200", message).details(format!(
        "Searched for a foreign key relationship between '{table}' and '{target}{using}' in the schema '{schema}', \
         but no matches were found."
    ));
    let relations = all(store, origin);
    let names = || relations.iter().map(|relation| relation.target.definition().name.table.as_str());
    error.hint = if relations.is_empty() {
        let with_relations = store.tables_of(schema).filter(|(_, other)| !all(store, other.definition()).is_empty());
        refusals::nearest(table, with_relations.map(|(name, _)| name), 0.33)
            .map(|near| format!("Perhaps you meant '{near}' instead of '{table}'."))
    } else if names().any(|name| name == target) {
        None
    } else {
        refusals::nearest(target, names(), 0.33)
            .map(|near| format!("Perhaps you meant '{near}' instead of '{target}'."))
    };
    error
}

fn several(origin: &TableDef, target: &str, relations: &[Relation<'_>]) -> PgError {
    let table = &origin.name.table;
    let columns = |table: &TableDef, places: &[usize]| {
        let names: Vec<&str> =
            places.iter().filter_map(|place| table.column_at(*place)).map(|column| column.name.as_str()).collect();
        format!("({})", names.join(", "))
    };
    let described = |relation: &Relation<'_>| {
        let other = relation.target.definition();
        let words = match &relation.junction {
            None => format!(
                "{} using {table}{} and {}{}",
                relation.constraint,
                columns(origin, &relation.own),
                other.name.table,
                columns(other, &relation.other)
            ),
            Some(Junction { table, to_own, to_target }) => {
                let definition = table.definition();
                format!(
                    "{} using {}{} and {}{}",
                    definition.name.table,
                    to_own.name,
                    columns(definition, &to_own.columns),
                    to_target.name,
                    columns(definition, &to_target.columns)
                )
            }
        };
        json!({
            "cardinality": relation.cardinality.words(),
            "embedding": format!("{table} with {}", other.name.table),
            "relationship": words,
        })
    };
    let hints: Vec<String> = relations
        .iter()
        .map(|relation| {
            let by = match &relation.junction {
                None => &relation.constraint,
                Some(junction) => &junction.table.definition().name.table,
            };
            format!("'{}!{by}'", relation.target.definition().name.table)
        })
        .collect();
    let message = format!("Could not embed because more than one relationship was found for '{table}' and '{target}'");
    let mut error = PgError::new(StatusCode::MULTIPLE_CHOICES, "PGRST201", message);
    error.structure = Some(Box::new(Value::Array(relations.iter().map(described).collect())));
    error.hint = Some(format!(
        "Try changing '{target}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        hints.join(", ")
    ));
    error
}

/// Foreign keys that HolisticOS's tables have (observed): table, column, and the table whose `id` it holds.
const KNOWN_KEYS: [(&str, &str, &str); 7] = [
    ("time_blocks", "analysis_result_id", "holistic_analysis_results"),
    ("plan_items", "analysis_result_id", "holistic_analysis_results"),
    ("plan_items", "time_block_id", "time_blocks"),
    ("task_checkins", "plan_item_id", "plan_items"),
    ("task_checkins", "analysis_result_id", "holistic_analysis_results"),
    ("calendar_selections", "plan_item_id", "plan_items"),
    ("calendar_selections", "analysis_result_id", "holistic_analysis_results"),
];

/// The relation that names suggest, where no schema is declared: `comments.item_id` points at `items.id`.
pub fn assumed<'s>(store: &'s Store, origin: &TableDef, target: &str, hint: Option<&str>) -> Option<Relation<'s>> {
    let table = &origin.name.table;
    let other = store.table(&origin.name.schema, target)?;
    let to_one = |column: &str| {
        let (own, id) = (origin.place(column)?, other.definition().place("id")?);
        Some(relation(Cardinality::ManyToOne, other, own, id, column))
    };
    let to_many = |column: &str| {
        let (own, foreign) = (origin.place("id")?, other.definition().place(column)?);
        Some(relation(Cardinality::OneToMany, other, own, foreign, column))
    };
    let known = KNOWN_KEYS.iter().filter(|(_, column, _)| hint.is_none_or(|hint| hint.contains(column))).find_map(
        |(child, column, parent)| match () {
            () if child == table && *parent == target => to_one(column),
            () if *child == target && parent == table => to_many(column),
            () => None,
        },
    );
    known.or_else(|| to_one(&key_to(target))).or_else(|| to_many(&key_to(table)))
}

fn relation<'s>(
    cardinality: Cardinality,
    target: &'s Table,
    own: usize,
    other: usize,
    constraint: &str,
) -> Relation<'s> {
    Relation { cardinality, target, own: vec![own], other: vec![other], junction: None, constraint: constraint.into() }
}

/// The column that usually points to a table: `comments` → `comment_id`.
fn key_to(table: &str) -> String {
    format!("{}_id", table.strip_suffix('s').unwrap_or(table))
}
