//! [`Node`]: what a query asks of one table and of those embedded in it, with every name found and every literal read.

use super::cast;
use super::expression::Expression;
use super::grammar::ast::{Aggregate, Condition, Field, FieldItem, Item, OrderTerm, Query, RelationItem, Rows};
use super::operator::Clause;
use super::predicate::{Predicate, Scope, Unreadable};
use super::refusals;
use super::relations::{self, Cardinality, Relation};
use super::work::Work;
use super::{aggregate, viewer::Viewer};
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::schema::TableDef;
use crate::upstream::supabase::database::store::Store;
use crate::upstream::supabase::database::table::Table;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::errors::PgError;
use http::StatusCode;
use std::cell::RefCell;

/// What all parts of one request share.
#[derive(Clone, Copy)]
pub struct Context<'s> {
    /// The database.
    pub store: &'s Store,
    /// Who may see which rows.
    pub viewer: &'s dyn Viewer,
    /// The most rows of any table in an answer (`db-max-rows`).
    pub max_rows: Option<usize>,
    /// Whether aggregates may be used (`db-aggregates-enabled`).
    pub aggregates: bool,
    /// How much may still be done for it.
    pub work: &'s Work,
}

/// One table of a query.
#[derive(Debug)]
pub struct Node<'s> {
    /// The table.
    pub table: &'s Table,
    /// What its rows must fulfil, all of it.
    pub predicates: Vec<Predicate>,
    /// The order of its rows.
    pub order: Vec<Key>,
    /// The most rows.
    pub limit: Option<usize>,
    /// Rows that are skipped.
    pub offset: usize,
    /// What is told of a row: its own columns first, then what is embedded.
    pub outputs: Vec<Output>,
    /// What is embedded in it.
    pub children: Vec<Child<'s>>,
    /// Rows are told as groups.
    pub grouped: bool,
    /// Outputs can be written one by one in the order of [`Node::outputs`].
    pub direct: bool,
}

/// A table embedded in another.
#[derive(Debug)]
pub struct Child<'s> {
    /// What it is called in the answer.
    pub name: String,
    /// How its rows are found; `None` where names suggest nothing.
    pub relation: Option<Relation<'s>>,
    /// What of it.
    pub node: Node<'s>,
    /// Rows without a related row go.
    pub inner: bool,
}

impl Child<'_> {
    /// Whether there is at most one related row.
    pub fn is_to_one(&self) -> bool {
        self.relation.as_ref().is_none_or(Relation::is_to_one)
    }
}

/// One thing that is told of a row.
#[derive(Debug)]
pub enum Output {
    /// All columns.
    Star,
    /// A value.
    Field {
        /// What it is called.
        name: String,
        /// It.
        value: Expression,
        /// The type that it is cast to.
        cast: Option<ColumnType>,
    },
    /// An aggregate over rows.
    Aggregate {
        /// What it is called.
        name: String,
        /// Which.
        function: Aggregate,
        /// Over what; `None` counts rows.
        argument: Option<(Expression, Option<ColumnType>)>,
        /// The type that it is cast to.
        cast: Option<ColumnType>,
        /// It is `count` as a column: PostgREST does not know that it is an aggregate.
        functional: bool,
    },
    /// An embedded table, by its number: an object, an array or null.
    Embed(usize),
    /// The columns of an embedded table, by its number.
    Spread(usize),
}

/// One key of an order.
#[derive(Debug)]
pub struct Key {
    /// The embedded to-one relation whose column it is.
    pub child: Option<usize>,
    /// By what.
    pub value: Expression,
    /// Largest first.
    pub descending: bool,
    /// Where nulls go.
    pub nulls_first: bool,
}

/// What the columns of a table are said about it.
struct Said<'q> {
    items: &'q [Item],
    rows: Option<&'q Rows>,
    /// What is said of tables embedded in it: the rest of the way there.
    below: Vec<(&'q [String], &'q Rows)>,
    /// [`Query::touched`], at the top only: below, fields are in an order of their own.
    touched: &'q [Vec<String>],
    alias: String,
    depth: usize,
    unreadable: &'q RefCell<Unreadable>,
}

/// Plans a query on a table. `filters` is whether its filters are about the rows that are told; those of a write
/// choose the rows that it changes instead.
///
/// # Errors
/// PGRST108, 118, 123, 200, 201, and what PostgreSQL says of columns, types and literals.
pub fn plan<'s>(context: Context<'s>, table: &'s Table, query: &Query, filters: bool) -> Result<Node<'s>, PgError> {
    for (path, _) in &query.embedded {
        embedded_at(&query.select, path)?;
    }
    let below = query.embedded.iter().map(|(path, rows)| (path.as_slice(), rows)).collect();
    let rows = filters.then_some(&query.rows);
    let alias = table.definition().name.table.clone();
    let unreadable = RefCell::new(Unreadable::default());
    let said =
        Said { items: &query.select, rows, below, touched: &query.touched, alias, depth: 0, unreadable: &unreadable };
    let node = node(context, table, said, false)?;
    unreadable.into_inner().told()?;
    Ok(node)
}

/// Makes only conditions ready: those that choose the rows of a write.
///
/// # Errors
/// As [`plan`].
pub fn predicates(table: &TableDef, conditions: &[Condition]) -> Result<Vec<Predicate>, PgError> {
    let unreadable = RefCell::new(Unreadable::default());
    let scope = Scope { table, alias: &table.name.table, embedded: &[], unreadable: &unreadable };
    let clause = if conditions.len() > 1 { Clause::And } else { Clause::Where };
    let predicates = conditions.iter().map(|condition| scope.predicate(condition, clause)).collect::<Result<_, _>>()?;
    unreadable.into_inner().told()?;
    Ok(predicates)
}

/// PGRST108 if the way leads to nothing that is embedded.
fn embedded_at(items: &[Item], path: &[String]) -> Result<(), PgError> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    match items.iter().find_map(|item| relation_named(item, name)) {
        Some(relation) => embedded_at(&relation.items, rest),
        None => Err(refusals::not_embedded(name)),
    }
}

fn relation_named<'q>(item: &'q Item, name: &str) -> Option<&'q RelationItem> {
    match item {
        Item::Relation(relation) if relation.name == name || relation.alias.as_deref() == Some(name) => Some(relation),
        _ => None,
    }
}

fn node<'s>(context: Context<'s>, table: &'s Table, said: Said<'_>, embedded: bool) -> Result<Node<'s>, PgError> {
    let definition = table.definition();
    let mut children = Vec::new();
    let mut spreads = Vec::new();
    for relation in relations_in_order(&said) {
        children.push(child(context, definition, relation, &said)?);
        spreads.push((relation.spread, is_empty(&relation.items)));
    }
    let names: Vec<String> = children.iter().map(|child| child.name.clone()).collect();

    let mut node = Node {
        table,
        predicates: Vec::new(),
        order: Vec::new(),
        limit: None,
        offset: 0,
        outputs: Vec::new(),
        children,
        grouped: false,
        direct: true,
    };
    node.range(said.rows, context.max_rows);
    // In the order in which PostgreSQL looks at the parts of a query, so that the first mistake is the one it tells.
    for item in said.items {
        if let Item::Field(item) = item {
            let output = field_output(context, definition, &said.alias, item)?;
            node.outputs.push(output);
        }
    }
    let unreadable = said.unreadable;
    let scope = Scope { table: definition, alias: &said.alias, embedded: &names, unreadable };
    let conditions = said.rows.map_or(&[][..], |rows| &rows.conditions);
    let clause = if conditions.len() > 1 || said.depth > 0 { Clause::And } else { Clause::Where };
    let predicates = conditions.iter().map(|condition| scope.predicate(condition, clause)).collect::<Result<_, _>>()?;
    node.predicates = Predicate::in_order(predicates);
    for (number, (spread, empty)) in spreads.into_iter().enumerate() {
        match (spread, empty) {
            (true, _) => node.outputs.push(Output::Spread(number)),
            (false, false) => node.outputs.push(Output::Embed(number)),
            // `rel()` only serves to filter.
            (false, true) => {}
        }
    }
    node.grouped = node.aggregates();
    for term in said.rows.map_or(&[][..], |rows| &rows.order) {
        let key = node.key(term, &said.alias)?;
        node.order.push(key);
    }
    node.check_groups()?;
    node.check_functional(definition, &said.alias)?;
    if let Some((alias, column)) = node.ungrouped_order(&said.alias) {
        return Err(ungrouped(&alias, &column));
    }
    if embedded {
        node.order_as_jsonb();
    }
    Ok(node)
}

/// The relations in the order in which they are told: those come first of which something is said, the last first.
fn relations_in_order<'q>(said: &Said<'q>) -> Vec<&'q RelationItem> {
    let mut relations: Vec<&RelationItem> = said
        .items
        .iter()
        .filter_map(|item| if let Item::Relation(relation) = item { Some(relation) } else { None })
        .collect();
    for name in said.touched.iter().filter_map(|path| path.first()) {
        let named = |relation: &&RelationItem| relation.name == *name || relation.alias.as_ref() == Some(name);
        if let Some(at) = relations.iter().position(named) {
            relations[..=at].rotate_right(1);
        }
    }
    relations
}

/// Whether nothing is selected of a relation, nor of those in it.
fn is_empty(items: &[Item]) -> bool {
    items.iter().all(|item| matches!(item, Item::Relation(relation) if is_empty(&relation.items)))
}

fn child<'s>(
    context: Context<'s>,
    origin: &TableDef,
    item: &RelationItem,
    said: &Said<'_>,
) -> Result<Child<'s>, PgError> {
    let hint = item.hint.as_deref();
    let relation = if origin.strict {
        Some(relations::find(context.store, origin, &item.name, hint)?)
    } else {
        relations::assumed(context.store, origin, &item.name, hint)
    };
    let depth = said.depth + 1;
    let Some(relation) = relation else {
        // Nothing is known of such a relation: null, as for a missing row.
        let node = Node {
            table: context.store.nothing(),
            predicates: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
            outputs: Vec::new(),
            children: Vec::new(),
            grouped: false,
            direct: true,
        };
        let name = item.alias.clone().unwrap_or_else(|| item.name.clone());
        return Ok(Child { name, relation: None, node, inner: item.inner });
    };
    let target = &relation.target.definition().name.table;
    let alias = match relation.cardinality {
        Cardinality::ManyToMany => target.clone(),
        _ => format!("{target}_{depth}"),
    };
    // What is said of a name is about the first that has it.
    let is_it = |segment: &String| {
        said.items
            .iter()
            .find_map(|other| relation_named(other, segment))
            .is_some_and(|first| std::ptr::eq(first, item))
    };
    let here = said.below.iter().filter(|(path, _)| path.first().is_some_and(is_it));
    let here: Vec<_> = here.map(|(path, rows)| (&path[1..], *rows)).collect();
    let rows = here.iter().find(|(path, _)| path.is_empty()).map(|(_, rows)| *rows);
    let below = here.into_iter().filter(|(path, _)| !path.is_empty()).collect();
    let inner_said = Said { items: &item.items, rows, below, touched: &[], alias, depth, unreadable: said.unreadable };
    let mut node = node(context, relation.target, inner_said, !item.spread)?;
    if item.spread && !relation.is_to_one() && node.grouped {
        let message = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
        return Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST127", "Feature not implemented").details(message));
    }
    if item.spread && relation.is_to_one() {
        // Its aggregates are computed where its columns go.
        node.grouped = false;
    }
    let name = item.alias.clone().unwrap_or_else(|| item.name.clone());
    Ok(Child { name, relation: Some(relation), node, inner: item.inner })
}

fn field_output(context: Context<'_>, table: &TableDef, alias: &str, item: &FieldItem) -> Result<Output, PgError> {
    let named = |default: &str| item.alias.clone().unwrap_or_else(|| default.to_owned());
    if item.aggregate.is_some() && !context.aggregates {
        let message = "Use of aggregate functions is not allowed";
        return Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST123", message));
    }
    // The types of casts are looked up from the outside in, before what is cast.
    let typed = |name: &Option<String>| name.as_ref().map(|name| cast::named(context.store, name)).transpose();
    let (outer, inner) = (typed(&item.aggregate_cast)?, typed(&item.cast)?);
    let checked = |from: &ColumnType, to: Option<ColumnType>| match to {
        Some(to) => cast::check(from, &to).map(|()| Some(to)),
        None => Ok(None),
    };
    let star = item.field.name == "*" && item.field.path.is_empty();
    if let (true, Some(function)) = (star, item.aggregate) {
        let cast = checked(&ColumnType::Int8, outer)?;
        return Ok(Output::Aggregate {
            name: named(function.name()),
            function,
            argument: None,
            cast,
            functional: false,
        });
    }
    if star {
        return Ok(Output::Star);
    }
    // `rel(count)`: PostgreSQL takes a column that is none for a function of the row.
    let plain = item.field.path.is_empty() && item.aggregate.is_none();
    if item.field.name == "count" && plain && table.column("count").is_none() {
        let cast = checked(&ColumnType::Int8, inner)?;
        let function = Aggregate::Count;
        return Ok(Output::Aggregate { name: named("count"), function, argument: None, cast, functional: true });
    }
    let value = Expression::new(table, alias, &item.field)?;
    let cast = checked(value.kind(), inner)?;
    let Some(function) = item.aggregate else {
        return Ok(Output::Field { name: named(output_name(&item.field)), value, cast });
    };
    let kind = aggregate::result(function, cast.as_ref().unwrap_or(value.kind()))?;
    let result_cast = checked(&kind, outer)?;
    let argument = Some((value, cast));
    Ok(Output::Aggregate { name: named(function.name()), function, argument, cast: result_cast, functional: false })
}

/// What a field without an alias is called: the last key on its way, or else the column.
fn output_name(field: &Field) -> &str {
    use super::grammar::ast::JsonKey;
    let last_key = field.path.iter().rev().find_map(|step| match &step.to {
        JsonKey::Key(key) => Some(key.as_str()),
        JsonKey::Index(_) => None,
    });
    last_key.unwrap_or(&field.name)
}

impl<'s> Node<'s> {
    fn range(&mut self, rows: Option<&Rows>, most: Option<usize>) {
        let wanted = rows.and_then(|rows| rows.limit).map(|limit| usize::try_from(limit).unwrap_or(0));
        self.limit = match (wanted, most) {
            (Some(wanted), Some(most)) => Some(wanted.min(most)),
            (wanted, most) => wanted.or(most),
        };
        self.offset = rows.map_or(0, |rows| usize::try_from(rows.offset).unwrap_or(usize::MAX));
    }

    /// Whether it has aggregates, its own or of the to-one relations spread into it.
    fn aggregates(&self) -> bool {
        self.outputs.iter().any(|output| match output {
            Output::Aggregate { .. } => true,
            Output::Spread(number) => {
                let child = &self.children[*number];
                child.is_to_one() && child.node.aggregates()
            }
            _ => false,
        })
    }

    /// `count` as a column is a function that PostgREST knows nothing of: nothing is grouped for it.
    fn check_functional(&self, table: &TableDef, alias: &str) -> Result<(), PgError> {
        if !self.outputs.iter().any(|output| matches!(output, Output::Aggregate { functional: true, .. })) {
            return Ok(());
        }
        let column = self.outputs.iter().find_map(|output| match output {
            Output::Star => table.columns().first().map(|column| column.name.clone()),
            Output::Field { value, .. } => Some(value.field().name.clone()),
            _ => None,
        });
        match column {
            None => Ok(()),
            Some(column) => Err(ungrouped(alias, &column)),
        }
    }

    /// What rows are grouped by must have an equality.
    fn check_groups(&self) -> Result<(), PgError> {
        if !self.grouped {
            return Ok(());
        }
        let json = |kind: &ColumnType| *kind == ColumnType::Json;
        let columns = self.table.definition().columns();
        let any = self.outputs.iter().any(|output| match output {
            Output::Star => columns.iter().any(|column| json(&column.kind)),
            Output::Field { value, cast, .. } => json(cast.as_ref().unwrap_or(value.kind())),
            _ => false,
        });
        if any {
            let message = "could not identify an equality operator for type json";
            return Err(refusals::sql(SqlError::new("42883", message)));
        }
        Ok(())
    }

    fn key(&self, term: &OrderTerm, alias: &str) -> Result<Key, PgError> {
        let definition = self.table.definition();
        let (child, value) = match &term.relation {
            None => (None, Expression::new(definition, alias, &term.field)?),
            Some(relation) => {
                let number = self.children.iter().position(|child| child.name == *relation);
                let number = number.ok_or_else(|| refusals::not_embedded(relation))?;
                let child = &self.children[number];
                if !child.is_to_one() {
                    return Err(related_order(&definition.name.table, relation));
                }
                let target = child.node.table.definition();
                let alias = format!("{}_{relation}_1", definition.name.table);
                (Some(number), Expression::new(target, &alias, &term.field)?)
            }
        };
        if *value.kind() == ColumnType::Json {
            let error = SqlError::new("42883", "could not identify an ordering operator for type json");
            return Err(refusals::sql(error.hint("Use an explicit ordering operator or modify the query.")));
        }
        let nulls_first = term.nulls_first.unwrap_or(term.descending);
        Ok(Key { child, value, descending: term.descending, nulls_first })
    }

    /// A key of the order that rows are not grouped by.
    fn ungrouped_order(&self, alias: &str) -> Option<(String, String)> {
        let free = self.order.iter().find(|key| self.grouped && !self.groups_by(key.child, key.value.field()))?;
        Some((alias.to_owned(), free.value.field().name.clone()))
    }

    fn groups_by(&self, child: Option<usize>, field: &Field) -> bool {
        self.outputs.iter().any(|output| match (output, child) {
            (Output::Star, None) => field.path.is_empty(),
            (Output::Field { value, .. }, None) => value.field() == field,
            (Output::Spread(number), Some(child)) if *number == child => {
                self.children[child].node.groups_by(None, field)
            }
            _ => false,
        })
    }

    /// Embedded rows are `jsonb`: the keys are in its order, and of two with one name the last stays.
    fn order_as_jsonb(&mut self) {
        if self.grouped || self.outputs.iter().any(|output| matches!(output, Output::Spread(_))) {
            self.direct = false;
            return;
        }
        let definition = self.table.definition();
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for output in self.outputs.drain(..) {
            match output {
                Output::Star => outputs.extend(definition.columns().iter().filter_map(|column| {
                    let value = Expression::new(definition, "", &Field::column(&column.name)).ok()?;
                    Some((column.name.clone(), Output::Field { name: column.name.clone(), value, cast: None }))
                })),
                Output::Embed(number) => outputs.push((self.children[number].name.clone(), output)),
                Output::Field { ref name, .. } => outputs.push((name.clone(), output)),
                other => outputs.push((String::new(), other)),
            }
        }
        // Stable, so that of equal names the last one given comes last.
        outputs.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        let mut kept: Vec<(String, Output)> = Vec::with_capacity(outputs.len());
        for (name, output) in outputs {
            if kept.last().is_some_and(|(last, _)| *last == name) {
                kept.pop();
            }
            kept.push((name, output));
        }
        self.outputs = kept.into_iter().map(|(_, output)| output).collect();
    }
}

fn related_order(origin: &str, target: &str) -> PgError {
    let message = format!("A related order on '{target}' is not possible");
    PgError::new(StatusCode::BAD_REQUEST, "PGRST118", message)
        .details(format!("'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"))
}

fn ungrouped(alias: &str, column: &str) -> PgError {
    let message =
        format!("column \"{alias}.{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
    refusals::sql(SqlError::new("42803", message))
}
