//! [`Draft`]: the schema that a script has declared so far, by names and as written; it becomes tables once all of it
//! is known, since a script may speak of what comes later.

use super::compile::{Compiler, Types};
use super::expression::Expr;
use super::policy::{Policy, RowSecurity};
use super::schema::{Action, Check, Column, ForeignKey, TableDef, TableName, UniqueKey};
use super::types::{ColumnType, EnumType};
use super::value::Value;
use sqlparser::ast::{self, DataType};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Bytes of a name.
const LONGEST_NAME: usize = 63;

/// A place of a script and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// What is to be said.
    pub message: String,
}

/// A column as declared.
#[derive(Clone, Debug)]
pub struct DraftColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// `NOT NULL`.
    pub not_null: bool,
    /// `DEFAULT`.
    pub default: Option<ast::Expr>,
    /// `GENERATED ALWAYS AS (…) STORED`.
    pub computed: Option<ast::Expr>,
    /// The sequence that numbers it, and whether always.
    pub sequence: Option<(String, bool)>,
    /// Where it is declared.
    pub line: usize,
}

/// A key as declared.
#[derive(Clone, Debug)]
pub struct DraftKey {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// Whether it is the primary key.
    pub primary: bool,
    /// Whether it is only an index: its name ends otherwise.
    pub index: bool,
    /// `NULLS NOT DISTINCT`.
    pub nulls_same: bool,
    /// `WHERE`.
    pub only_where: Option<ast::Expr>,
    /// Where it is declared.
    pub line: usize,
}

/// A foreign key as declared.
#[derive(Clone, Debug)]
pub struct DraftForeignKey {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it points to.
    pub target: TableName,
    /// The columns there; none are those of its primary key.
    pub target_columns: Vec<String>,
    /// `ON DELETE`.
    pub on_delete: Action,
    /// `ON UPDATE`.
    pub on_update: Action,
    /// Where it is declared.
    pub line: usize,
}

/// A check as declared.
#[derive(Clone, Debug)]
pub struct DraftCheck {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The column that it was written at.
    pub column: Option<String>,
    /// What must not be false.
    pub condition: ast::Expr,
    /// Where it is declared.
    pub line: usize,
}

/// A policy as declared.
#[derive(Clone, Debug)]
pub struct DraftPolicy {
    /// The policy, without its conditions.
    pub policy: Policy,
    /// `USING`.
    pub using: Option<ast::Expr>,
    /// `WITH CHECK`.
    pub with_check: Option<ast::Expr>,
    /// Where it is declared.
    pub line: usize,
}

/// A table as declared.
#[derive(Clone, Debug, Default)]
pub struct DraftTable {
    /// Its columns.
    pub columns: Vec<DraftColumn>,
    /// Its keys.
    pub keys: Vec<DraftKey>,
    /// Its foreign keys.
    pub foreign_keys: Vec<DraftForeignKey>,
    /// Its checks.
    pub checks: Vec<DraftCheck>,
    /// Its policies.
    pub policies: Vec<DraftPolicy>,
    /// Whether row-level security is on.
    pub secured: bool,
}

/// What a script has declared so far.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Tables, in the order of their declaration.
    pub tables: Vec<(TableName, DraftTable)>,
    /// Enumerations.
    pub enums: BTreeMap<String, Vec<String>>,
    /// Domains: names for other types.
    pub domains: BTreeMap<String, ColumnType>,
    /// Sequences: name, first value, step.
    pub sequences: Vec<(String, i64, i64)>,
    /// What is not kept, or not known.
    pub warnings: Vec<Remark>,
}

impl Types for Draft {
    fn find(&self, written: &DataType) -> Option<ColumnType> {
        self.kind(&written.to_string())
    }
}

impl Draft {
    /// A table to change.
    pub fn table_mut(&mut self, name: &TableName) -> Option<&mut DraftTable> {
        self.tables.iter_mut().find(|(own, _)| own == name).map(|(_, table)| table)
    }

    /// Whether there is such a table.
    pub fn has(&self, name: &TableName) -> bool {
        self.tables.iter().any(|(own, _)| own == name)
    }

    /// Notes what the reader should know about a line.
    pub fn warn(&mut self, line: usize, message: impl Into<String>) {
        self.warnings.push(Remark { line, message: message.into() });
    }

    /// The type of a name as SQL writes it, with its modifier and brackets.
    pub fn kind(&self, written: &str) -> Option<ColumnType> {
        let mut name = written.trim().to_owned();
        let mut array = false;
        while let Some(end) = name.rfind('[').filter(|_| name.ends_with(']')) {
            array = true;
            name.truncate(end);
        }
        if let Some(element) = name.strip_suffix(" ARRAY").or_else(|| name.strip_suffix(" array")) {
            array = true;
            name = element.to_owned();
        }
        let mut modifiers = Vec::new();
        if let (Some(open), Some(close)) = (name.find('('), name.find(')')) {
            modifiers = name[open + 1..close].split(',').filter_map(|part| part.trim().parse().ok()).collect();
            let rest = name[close + 1..].to_owned();
            name.truncate(open);
            name = format!("{}{rest}", name.trim_end());
        }
        let bare = name.replace('"', "");
        let kind = ColumnType::from_name(&bare, &modifiers).or_else(|| self.declared(&bare))?;
        Some(if array { ColumnType::Array(Box::new(kind)) } else { kind })
    }

    fn declared(&self, name: &str) -> Option<ColumnType> {
        let full = if name.contains('.') { name.to_owned() } else { format!("public.{name}") };
        if let Some(labels) = self.enums.get(&full) {
            let name = full.strip_prefix("public.").unwrap_or(&full).to_owned();
            let labels = labels.iter().map(|label| Arc::from(label.as_str())).collect();
            return Some(ColumnType::Enum(Arc::new(EnumType { name, labels })));
        }
        self.domains.get(&full).cloned()
    }

    /// The tables, ready to be used, in the order of their declaration.
    ///
    /// # Errors
    /// What contradicts itself: keys of columns that do not exist, foreign keys to what has no such key.
    pub fn finish(&mut self) -> Result<Vec<TableDef>, Remark> {
        let mut warnings = Vec::new();
        let mut names = HashSet::new();
        let mut definitions = Vec::new();
        for (name, table) in &self.tables {
            definitions.push(self.define(name, table, &mut names, &mut warnings)?);
        }
        for (at, (_, table)) in self.tables.iter().enumerate() {
            for key in &table.foreign_keys {
                if let Some(key) = self.foreign_key(key, &definitions, at, &mut warnings)? {
                    definitions[at].foreign_keys.push(key);
                }
            }
        }
        self.warnings.append(&mut warnings);
        self.warnings.sort_by_key(|warning| warning.line);
        Ok(definitions)
    }

    fn define(
        &self,
        name: &TableName,
        table: &DraftTable,
        names: &mut HashSet<String>,
        warnings: &mut Vec<Remark>,
    ) -> Result<TableDef, Remark> {
        let mut definition = TableDef::new(name.clone(), true);
        for column in &table.columns {
            let kind = column.kind.clone();
            definition.add_column(Column { not_null: column.not_null, ..Column::new(&column.name, kind) });
        }
        for column in &table.columns {
            self.values(&mut definition, column, name, warnings);
        }
        for key in table.keys.iter().filter(|key| key.primary).chain(table.keys.iter().filter(|key| !key.primary)) {
            let columns = places(&definition, &key.columns, key.line)?;
            let suffix = match (key.primary, key.index) {
                (true, _) => "pkey",
                (_, true) => "idx",
                _ => "key",
            };
            let middle = if key.primary { String::new() } else { key.columns.join("_") };
            let chosen = || chosen(&name.table, &middle, suffix, &|wanted| names.contains(wanted));
            let key_name = key.name.clone().unwrap_or_else(chosen);
            names.insert(key_name.clone());
            if key.primary {
                for column in &key.columns {
                    if let Some(column) = definition.column_mut(column) {
                        column.not_null = true;
                    }
                }
            }
            let only_where = match &key.only_where {
                None => None,
                Some(written) => match self.compiler(&definition).condition(written) {
                    Ok(condition) => Some(condition),
                    Err(unknown) => {
                        let message =
                            format!("unique index \"{key_name}\" is not enforced: firedrill does not know {unknown}");
                        warnings.push(Remark { line: key.line, message });
                        continue;
                    }
                },
            };
            definition.keys.push(UniqueKey {
                name: key_name,
                columns,
                primary: key.primary,
                nulls_same: key.nulls_same,
                only_where,
            });
        }
        let mut taken: HashSet<String> = table.checks.iter().filter_map(|check| check.name.clone()).collect();
        for check in &table.checks {
            let check_name = check.name.clone().unwrap_or_else(|| {
                let column = check.column.clone().or_else(|| only_column(&check.condition, &definition));
                chosen(&name.table, &column.unwrap_or_default(), "check", &|wanted| taken.contains(wanted))
            });
            taken.insert(check_name.clone());
            match self.compiler(&definition).condition(&check.condition) {
                Ok(condition) => definition.checks.push(Check { name: check_name, condition }),
                Err(unknown) => {
                    let message = format!("check \"{check_name}\" is not enforced: firedrill does not know {unknown}");
                    warnings.push(Remark { line: check.line, message });
                }
            }
        }
        // PostgreSQL looks at checks in the order of their names.
        definition.checks.sort_by(|one, other| one.name.cmp(&other.name));
        definition.row_security = self.security(&definition, table, warnings);
        Ok(definition)
    }

    fn compiler<'a>(&'a self, table: &'a TableDef) -> Compiler<'a> {
        Compiler { table: Some(table), types: self }
    }

    /// A column's default or computation.
    fn values(&self, definition: &mut TableDef, column: &DraftColumn, table: &TableName, warnings: &mut Vec<Remark>) {
        let mut unknown = |what: &str, unknown: String| {
            let message = format!(
                "the {what} of \"{}\".\"{}\" is not applied: firedrill does not know {unknown}",
                table.table, column.name
            );
            warnings.push(Remark { line: column.line, message });
        };
        let without_table = Compiler { table: None, types: self };
        let mut default = None;
        if let Some(written) = &column.default {
            match without_table.value(written, &column.kind) {
                Ok(expr) => default = Some(expr),
                Err(why) => unknown("default", why),
            }
        }
        if let Some((sequence, _)) = &column.sequence {
            use super::expression::{Expr, Function};
            let name = Expr::Constant(super::value::Value::Text(sequence.as_str().into()));
            default = Some(Expr::Call(Function::Nextval, vec![name]));
        }
        let mut computed = None;
        if let Some(written) = &column.computed {
            match self.compiler(definition).value(written, &column.kind) {
                Ok(expr) => computed = Some(expr),
                Err(why) => unknown("computation", why),
            }
        }
        if let Some(own) = definition.column_mut(&column.name) {
            own.default = default;
            own.computed = computed;
            own.always_identity = column.sequence.as_ref().is_some_and(|(_, always)| *always);
        }
    }

    fn security(&self, definition: &TableDef, table: &DraftTable, warnings: &mut Vec<Remark>) -> Option<RowSecurity> {
        if !table.secured {
            if let Some(policy) = table.policies.first() {
                let message = format!(
                    "policies of \"{}\" have no effect: row-level security is not enabled for it",
                    definition.name.table
                );
                warnings.push(Remark { line: policy.line, message });
            }
            return None;
        }
        let mut security = RowSecurity::default();
        for draft in &table.policies {
            let compile = |written: &Option<ast::Expr>| {
                written.as_ref().map(|written| self.compiler(definition).condition(written)).transpose()
            };
            match compile(&draft.using).and_then(|using| Ok((using, compile(&draft.with_check)?))) {
                Ok((using, with_check)) => {
                    security.policies.push(Policy { using, with_check, ..draft.policy.clone() });
                }
                Err(unknown) => {
                    let effect = if draft.policy.permissive {
                        "grants nothing"
                    } else {
                        // It must hold beside those that grant: without it, more would be seen than may be.
                        let never = || Some(Expr::Constant(Value::Bool(false)));
                        security.policies.push(Policy { using: never(), with_check: never(), ..draft.policy.clone() });
                        "is restrictive and so lets nothing through"
                    };
                    let message =
                        format!("policy \"{}\" {effect}: firedrill does not know {unknown}", draft.policy.name);
                    warnings.push(Remark { line: draft.line, message });
                }
            }
        }
        Some(security)
    }

    fn foreign_key(
        &self,
        key: &DraftForeignKey,
        definitions: &[TableDef],
        at: usize,
        warnings: &mut Vec<Remark>,
    ) -> Result<Option<ForeignKey>, Remark> {
        let own = &definitions[at];
        let fail = |message: String| Remark { line: key.line, message };
        let columns = places(own, &key.columns, key.line)?;
        let taken = |wanted: &str| {
            own.foreign_keys.iter().any(|other| other.name == wanted)
                || own.checks.iter().any(|other| other.name == wanted)
        };
        let name = key.name.clone().unwrap_or_else(|| chosen(&own.name.table, &key.columns.join("_"), "fkey", &taken));
        let Some(target) = definitions.iter().find(|definition| definition.name == key.target) else {
            if key.target.schema == "public" {
                return Err(fail(format!("relation \"{}\" does not exist", key.target.table)));
            }
            let message =
                format!("foreign key \"{name}\" is not enforced: its target {} is not declared here", key.target);
            warnings.push(Remark { line: key.line, message });
            return Ok(None);
        };
        let target_columns = if key.target_columns.is_empty() {
            let primary = target.primary_key().map(|primary| primary.columns.clone());
            primary
                .ok_or_else(|| fail(format!("there is no primary key for referenced table \"{}\"", key.target.table)))?
        } else {
            places(target, &key.target_columns, key.line)?
        };
        if target_columns.len() != columns.len() {
            return Err(fail("number of referencing and referenced columns for foreign key disagree".to_owned()));
        }
        let wanted: HashSet<usize> = target_columns.iter().copied().collect();
        let unique =
            |key: &UniqueKey| key.only_where.is_none() && key.columns.iter().copied().collect::<HashSet<_>>() == wanted;
        let Some(unique) = target.keys.iter().find(|key| unique(key)) else {
            let message = "there is no unique constraint matching given keys for referenced table";
            return Err(fail(format!("{message} \"{}\"", key.target.table)));
        };
        // In the order of the unique key, whose index then finds the row.
        let mut pairs: Vec<(usize, usize)> = columns.into_iter().zip(target_columns).collect();
        pairs.sort_by_key(|(_, target)| unique.columns.iter().position(|place| place == target));
        let (columns, target_columns) = pairs.into_iter().unzip();
        Ok(Some(ForeignKey {
            name,
            columns,
            target: key.target.clone(),
            target_columns,
            on_delete: key.on_delete,
            on_update: key.on_update,
        }))
    }
}

fn places(definition: &TableDef, columns: &[String], line: usize) -> Result<Vec<usize>, Remark> {
    let place = |column: &String| {
        let message = || format!("column \"{column}\" of table \"{}\" does not exist", definition.name.table);
        definition.place(column).ok_or_else(|| Remark { line, message: message() })
    };
    columns.iter().map(place).collect()
}

/// The column that an expression speaks of, if it is only one: a check is named after it.
fn only_column(expr: &ast::Expr, definition: &TableDef) -> Option<String> {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::{Token, Tokenizer};
    let text = expr.to_string();
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, &text).tokenize().ok()?;
    let words: HashSet<String> = tokens
        .into_iter()
        .filter_map(|token| match token {
            Token::Word(word) if definition.place(&word.value).is_some() => Some(word.value),
            _ => None,
        })
        .collect();
    let mut words = words.into_iter();
    words.next().filter(|_| words.next().is_none())
}

/// The name that PostgreSQL gives to what has none: `table_column_suffix`, cut to fit, with a number if it is taken.
fn chosen(table: &str, middle: &str, suffix: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let label = if number == 0 { suffix.to_owned() } else { format!("{suffix}{number}") };
        let name = fitted(table, middle, &label);
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// `one_two_label` in 63 bytes: the longer of both names loses bytes first (`makeObjectName`).
fn fitted(one: &str, two: &str, label: &str) -> String {
    let (mut first, mut second) = (one.len(), two.len());
    let joints = 1 + usize::from(!two.is_empty()) + label.len();
    while first + second + joints > LONGEST_NAME {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let cut = |text: &str, mut length: usize| {
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        text[..length].to_owned()
    };
    let (one, two) = (cut(one, first), cut(two, second));
    if two.is_empty() { format!("{one}_{label}") } else { format!("{one}_{two}_{label}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen_as_postgresql_chooses_them() {
        assert_eq!(chosen("items", "", "pkey", &|_| false), "items_pkey");
        assert_eq!(chosen("items", "a_b", "key", &|_| false), "items_a_b_key");
        assert_eq!(chosen("items", "a", "check", &|name| name == "items_a_check"), "items_a_check1");
        let long = fitted(&"t".repeat(50), &"c".repeat(30), "fkey");
        assert_eq!((long.len(), long.as_str()), (63, &*format!("{}_{}_fkey", "t".repeat(29), "c".repeat(28))));
    }
}
