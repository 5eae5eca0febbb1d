//! Reading SQL scripts: what `CREATE TABLE` and the like declare, and the rows of `INSERT` and `COPY`.
//!
//! Statements that change nothing for a client (owners, grants, comments, extensions, settings) are passed over.
//! Those that would change something and are not known (functions, triggers, views, …) are warned about, by line.

use super::draft::{Draft, DraftCheck, DraftColumn, DraftForeignKey, DraftKey, DraftPolicy, DraftTable, Remark};
use super::policy::{Command, Policy};
use super::schema::{Action, TableName};
use super::script::{self, Statement};
use crate::upstream::supabase::identity::Role;
use sqlparser::ast::{
    self, AlterColumnOperation, AlterTableOperation, ColumnOption, Ident, ObjectName, TableConstraint,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// Rows that a script adds.
#[derive(Debug)]
pub struct Rows<'a> {
    /// Where they are.
    pub line: usize,
    /// Their table.
    pub table: TableName,
    /// The columns that are given; none are all, in their order.
    pub columns: Vec<String>,
    /// The rows.
    pub source: RowSource<'a>,
}

/// Where rows come from.
#[derive(Debug)]
pub enum RowSource<'a> {
    /// `VALUES`; `true` lets rows that are there already be (`ON CONFLICT DO NOTHING`).
    Values(Vec<Vec<ast::Expr>>, bool),
    /// `COPY`: lines with their numbers.
    Copy(Vec<(usize, &'a str)>),
    /// `setval`: a sequence, its value, whether that was used.
    Sequence(String, i64, bool),
}

/// Reads a script into a draft; gives the rows that it adds, in order.
///
/// # Errors
/// The first statement that cannot be read, with its line.
pub fn read<'a>(text: &'a str, draft: &mut Draft) -> Result<Vec<Rows<'a>>, Remark> {
    let mut rows = Vec::new();
    for statement in script::statements(text) {
        let line = statement.line;
        let words: Vec<String> =
            statement.text.split_whitespace().take(5).map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["copy", ..] => rows.push(copy(statement)?),
            ["select", call, ..] if call.contains("setval(") => rows.extend(setval(statement.text, line)),
            _ => match kind(&words) {
                Kind::Nothing => {}
                Kind::Unknown(what) => draft.warn(line, format!("{what} is passed over: firedrill does not know it")),
                Kind::Read => {
                    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, statement.text)
                        .map_err(|error| Remark { line, message: error.to_string() })?;
                    for parsed in parsed {
                        carry_out(parsed, line, draft, &mut rows)?;
                    }
                }
            },
        }
    }
    Ok(rows)
}

enum Kind {
    Read,
    Nothing,
    Unknown(String),
}

/// What is to be done with a statement, by its first words.
fn kind(words: &[&str]) -> Kind {
    let unknown = |words: &[&str]| Kind::Unknown(format!("`{}`", words.join(" ").to_ascii_uppercase()));
    match words {
        ["create", "table" | "type" | "domain" | "policy" | "sequence", ..]
        | ["create", "unique", "index", ..]
        | ["create", "unlogged" | "temporary" | "temp", "table", ..]
        | ["alter", "table" | "type", ..]
        | ["insert", ..] => Kind::Read,
        ["create", "or", "replace", what, ..] => unknown(&["create", what]),
        [
            "create",
            "schema" | "extension" | "index" | "publication" | "role" | "event" | "statistics" | "collation",
            ..,
        ]
        | [
            "set" | "reset" | "grant" | "revoke" | "comment" | "begin" | "commit" | "start" | "analyze" | "vacuum"
            | "notify" | "lock" | "reindex" | "end" | "select" | "show" | "security" | "\\restrict",
            ..,
        ]
        | [
            "alter",
            "schema" | "sequence" | "function" | "default" | "publication" | "role" | "database" | "extension" | "view"
            | "index" | "policy" | "domain" | "procedure" | "event" | "aggregate",
            ..,
        ]
        | ["drop", _, "if", "exists", ..] => Kind::Nothing,
        ["create" | "drop", what, ..] => unknown(&[words[0], what]),
        [first, ..] => unknown(&[first]),
        [] => Kind::Nothing,
    }
}

/// A name as SQL folds it.
pub fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn table_name(name: &ObjectName) -> TableName {
    let mut parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    let table = parts.pop().unwrap_or_default();
    TableName::new(parts.pop().unwrap_or_else(|| "public".to_owned()), table)
}

fn names(idents: &[Ident]) -> Vec<String> {
    idents.iter().map(folded).collect()
}

fn carry_out<'a>(
    statement: ast::Statement,
    line: usize,
    draft: &mut Draft,
    rows: &mut Vec<Rows<'a>>,
) -> Result<(), Remark> {
    use ast::Statement as S;
    match statement {
        S::CreateTable(table) => create_table(&table, line, draft),
        S::AlterTable(alter) => {
            let name = table_name(&alter.name);
            for operation in alter.operations {
                alter_table(&name, operation, line, draft)?;
            }
            Ok(())
        }
        S::CreateType { name, representation: Some(ast::UserDefinedTypeRepresentation::Enum { labels }) } => {
            let labels = labels.into_iter().map(|label| label.value).collect();
            draft.enums.insert(table_name(&name).to_string(), labels);
            Ok(())
        }
        S::AlterType(ast::AlterType { name, operation: ast::AlterTypeOperation::AddValue(add) }) => {
            let labels = draft.enums.entry(table_name(&name).to_string()).or_default();
            let at = match &add.position {
                Some(ast::AlterTypeAddValuePosition::Before(other)) => {
                    labels.iter().position(|label| *label == other.value)
                }
                Some(ast::AlterTypeAddValuePosition::After(other)) => {
                    labels.iter().position(|label| *label == other.value).map(|at| at + 1)
                }
                None => None,
            };
            if !labels.contains(&add.value.value) {
                labels.insert(at.unwrap_or(labels.len()), add.value.value);
            }
            Ok(())
        }
        S::CreateDomain(domain) => {
            let written = domain.data_type.to_string();
            let kind = draft.kind(&written).ok_or_else(|| unknown_type(&written, line))?;
            if !domain.constraints.is_empty() {
                draft.warn(line, format!("the constraints of domain {} are not enforced", domain.name));
            }
            draft.domains.insert(table_name(&domain.name).to_string(), kind);
            Ok(())
        }
        S::CreateSequence { name, sequence_options, .. } => {
            let (start, step) = sequence(Some(&sequence_options));
            draft.sequences.push((table_name(&name).to_string(), start, step));
            Ok(())
        }
        S::CreateIndex(index) => create_index(index, line, draft),
        S::CreatePolicy(policy) => create_policy(policy, line, draft),
        S::Insert(insert) => {
            rows.extend(insert_rows(insert, line, draft)?);
            Ok(())
        }
        other => {
            let shown: String = other.to_string().chars().take(50).collect();
            draft.warn(line, format!("`{shown}…` is passed over: firedrill does not know it"));
            Ok(())
        }
    }
}

fn unknown_type(written: &str, line: usize) -> Remark {
    Remark { line, message: format!("type \"{written}\" does not exist") }
}

fn create_table(table: &ast::CreateTable, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    let name = table_name(&table.name);
    if draft.has(&name) {
        return if table.if_not_exists {
            Ok(())
        } else {
            Err(Remark { line, message: format!("relation \"{}\" already exists", name.table) })
        };
    }
    if table.query.is_some() || table.like.is_some() || table.inherits.is_some() || table.partition_of.is_some() {
        let message = "firedrill does not know CREATE TABLE … AS, LIKE, INHERITS or PARTITION OF";
        return Err(Remark { line, message: message.to_owned() });
    }
    draft.tables.push((name.clone(), DraftTable::default()));
    for column in &table.columns {
        add_column(&name, column, line, draft)?;
    }
    for constraint in &table.constraints {
        add_constraint(&name, constraint, line, draft)?;
    }
    Ok(())
}

fn add_column(table: &TableName, written: &ast::ColumnDef, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    // `CREATE TABLE` is one statement: the column's own line is known by its name.
    let line = line + usize::try_from(written.name.span.start.line.saturating_sub(1)).unwrap_or(0);
    let column = folded(&written.name);
    let type_text = written.data_type.to_string();
    let serial = type_text.to_ascii_lowercase().contains("serial");
    let kind = match draft.kind(&type_text) {
        Some(kind) => kind,
        None => {
            draft.warn(line, format!("firedrill does not know the type \"{type_text}\": its values are kept as text"));
            super::types::ColumnType::Other(type_text.to_ascii_lowercase().into())
        }
    };
    if kind == super::types::ColumnType::TsVector {
        draft.warn(line, "values of type tsvector are kept as text");
    }
    let mut own = DraftColumn {
        name: column.clone(),
        kind,
        not_null: serial,
        default: None,
        computed: None,
        sequence: None,
        line,
    };
    if serial {
        own.sequence = Some((format!("{}.{}_{}_seq", table.schema, table.table, column), false));
    }
    let mut later = Vec::new();
    for option in &written.options {
        let constraint_name = option.name.as_ref().map(folded);
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => own.not_null = true,
            ColumnOption::Default(default) => own.default = Some(default.clone()),
            ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_) => {
                let primary = matches!(option.option, ColumnOption::PrimaryKey(_));
                let nulls_same = matches!(&option.option, ColumnOption::Unique(unique)
                    if unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct);
                let columns = vec![column.clone()];
                let key = DraftKey {
                    name: constraint_name,
                    columns,
                    primary,
                    index: false,
                    nulls_same,
                    only_where: None,
                    line,
                };
                later.push(Constraint::Key(key));
            }
            ColumnOption::ForeignKey(key) => {
                let name = constraint_name.or_else(|| key.name.as_ref().map(folded));
                later.push(Constraint::ForeignKey(foreign_key(key, vec![column.clone()], name, line)));
            }
            ColumnOption::Check(check) => {
                let name = constraint_name.or_else(|| check.name.as_ref().map(folded));
                let condition = (*check.expr).clone();
                later.push(Constraint::Check(DraftCheck { name, column: Some(column.clone()), condition, line }));
            }
            ColumnOption::Generated { generated_as, sequence_options, generation_expr, .. } => match generation_expr {
                Some(expr) => own.computed = Some(expr.clone()),
                None => {
                    let (start, step) = sequence(sequence_options.as_ref());
                    let name = format!("{}.{}_{}_seq", table.schema, table.table, column);
                    draft.sequences.push((name.clone(), start, step));
                    own.sequence = Some((name, *generated_as == ast::GeneratedAs::Always));
                    own.not_null = true;
                }
            },
            ColumnOption::Collation(_) | ColumnOption::Comment(_) => {}
            other => draft.warn(line, format!("`{other}` of column \"{column}\" is passed over")),
        }
    }
    if let Some((sequence, _)) = &own.sequence {
        draft.sequences.push((sequence.clone(), 1, 1));
    }
    let Some(draft_table) = draft.table_mut(table) else { return Err(missing(table, line)) };
    if draft_table.columns.iter().any(|other| other.name == column) {
        return Err(Remark { line, message: format!("column \"{column}\" specified more than once") });
    }
    draft_table.columns.push(own);
    for constraint in later {
        match constraint {
            Constraint::Key(key) => draft_table.keys.push(key),
            Constraint::ForeignKey(key) => draft_table.foreign_keys.push(key),
            Constraint::Check(check) => draft_table.checks.push(check),
        }
    }
    Ok(())
}

enum Constraint {
    Key(DraftKey),
    ForeignKey(DraftForeignKey),
    Check(DraftCheck),
}

fn missing(table: &TableName, line: usize) -> Remark {
    Remark { line, message: format!("relation \"{}\" does not exist", table.table) }
}

/// The first value and the step of a sequence.
fn sequence(options: Option<&Vec<ast::SequenceOptions>>) -> (i64, i64) {
    let number = |expr: &ast::Expr| expr.to_string().parse::<i64>().ok();
    let (mut start, mut step) = (None, 1);
    for option in options.into_iter().flatten() {
        match option {
            ast::SequenceOptions::StartWith(expr, _) => start = number(expr),
            ast::SequenceOptions::IncrementBy(expr, _) => step = number(expr).unwrap_or(1),
            _ => {}
        }
    }
    (start.unwrap_or(1), step)
}

fn foreign_key(
    written: &ast::ForeignKeyConstraint,
    columns: Vec<String>,
    name: Option<String>,
    line: usize,
) -> DraftForeignKey {
    let action = |action: &Option<ast::ReferentialAction>| match action {
        None | Some(ast::ReferentialAction::NoAction) => Action::Wait,
        Some(ast::ReferentialAction::Restrict) => Action::Restrict,
        Some(ast::ReferentialAction::Cascade) => Action::Cascade,
        Some(ast::ReferentialAction::SetNull) => Action::SetNull,
        Some(ast::ReferentialAction::SetDefault) => Action::SetDefault,
    };
    DraftForeignKey {
        name,
        columns,
        target: table_name(&written.foreign_table),
        target_columns: names(&written.referred_columns),
        on_delete: action(&written.on_delete),
        on_update: action(&written.on_update),
        line,
    }
}

fn index_columns(columns: &[ast::IndexColumn]) -> Option<Vec<String>> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            ast::Expr::Identifier(name) => Some(folded(name)),
            _ => None,
        })
        .collect()
}

fn add_constraint(table: &TableName, written: &TableConstraint, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    let fail = |message: &str| Remark { line, message: message.to_owned() };
    let constraint = match written {
        TableConstraint::PrimaryKey(key) => Constraint::Key(DraftKey {
            name: key.name.as_ref().map(folded),
            columns: index_columns(&key.columns).ok_or_else(|| fail("a primary key is made of columns"))?,
            primary: true,
            index: false,
            nulls_same: false,
            only_where: None,
            line,
        }),
        TableConstraint::Unique(key) => Constraint::Key(DraftKey {
            name: key.name.as_ref().map(folded),
            columns: index_columns(&key.columns).ok_or_else(|| fail("a unique constraint is made of columns"))?,
            primary: false,
            index: false,
            nulls_same: key.nulls_distinct == ast::NullsDistinctOption::NotDistinct,
            only_where: None,
            line,
        }),
        TableConstraint::ForeignKey(key) => {
            let name = key.name.as_ref().map(folded);
            Constraint::ForeignKey(foreign_key(key, names(&key.columns), name, line))
        }
        TableConstraint::Check(check) => Constraint::Check(DraftCheck {
            name: check.name.as_ref().map(folded),
            column: None,
            condition: (*check.expr).clone(),
            line,
        }),
        other => {
            draft.warn(line, format!("constraint `{other}` of \"{}\" is not enforced", table.table));
            return Ok(());
        }
    };
    let Some(draft_table) = draft.table_mut(table) else { return Err(missing(table, line)) };
    match constraint {
        Constraint::Key(key) => draft_table.keys.push(key),
        Constraint::ForeignKey(key) => draft_table.foreign_keys.push(key),
        Constraint::Check(check) => draft_table.checks.push(check),
    }
    Ok(())
}

fn alter_table(name: &TableName, operation: AlterTableOperation, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    use AlterTableOperation as A;
    if !draft.has(name) {
        // A migration may touch what Supabase brings along (`auth.users`, `storage.objects`).
        if name.schema != "public" {
            draft.warn(line, format!("ALTER TABLE is passed over: {name} is not declared here"));
            return Ok(());
        }
        return Err(missing(name, line));
    }
    match operation {
        A::AddConstraint { constraint, .. } => add_constraint(name, &constraint, line, draft),
        A::AddColumn { if_not_exists, column_def, .. } => {
            let known = draft
                .table_mut(name)
                .is_some_and(|table| table.columns.iter().any(|column| column.name == folded(&column_def.name)));
            if known && if_not_exists { Ok(()) } else { add_column(name, &column_def, line, draft) }
        }
        A::EnableRowLevelSecurity => {
            draft.table_mut(name).into_iter().for_each(|table| table.secured = true);
            Ok(())
        }
        A::DisableRowLevelSecurity => {
            draft.table_mut(name).into_iter().for_each(|table| table.secured = false);
            Ok(())
        }
        A::ForceRowLevelSecurity
        | A::NoForceRowLevelSecurity
        | A::OwnerTo { .. }
        | A::ReplicaIdentity { .. }
        | A::ValidateConstraint { .. } => Ok(()),
        A::DropConstraint { name: constraint, .. } => {
            let wanted = Some(folded(&constraint));
            if let Some(table) = draft.table_mut(name) {
                table.keys.retain(|key| key.name != wanted);
                table.foreign_keys.retain(|key| key.name != wanted);
                table.checks.retain(|check| check.name != wanted);
            }
            Ok(())
        }
        A::DropColumn { column_names, .. } => {
            let dropped = names(&column_names);
            if let Some(table) = draft.table_mut(name) {
                table.columns.retain(|column| !dropped.contains(&column.name));
                table.keys.retain(|key| !key.columns.iter().any(|column| dropped.contains(column)));
                table.foreign_keys.retain(|key| !key.columns.iter().any(|column| dropped.contains(column)));
            }
            Ok(())
        }
        A::RenameColumn { old_column_name, new_column_name } => {
            let (old, new) = (folded(&old_column_name), folded(&new_column_name));
            if let Some(table) = draft.table_mut(name) {
                let columns = table.columns.iter_mut().map(|column| &mut column.name);
                let keys = table.keys.iter_mut().flat_map(|key| &mut key.columns);
                let foreign = table.foreign_keys.iter_mut().flat_map(|key| &mut key.columns);
                columns.chain(keys).chain(foreign).filter(|column| **column == old).for_each(|c| c.clone_from(&new));
            }
            Ok(())
        }
        A::AlterColumn { column_name, op } => alter_column(name, &folded(&column_name), op, line, draft),
        other => {
            let shown: String = other.to_string().chars().take(50).collect();
            draft.warn(line, format!("`ALTER TABLE … {shown}` is passed over: firedrill does not know it"));
            Ok(())
        }
    }
}

fn alter_column(
    table: &TableName,
    column: &str,
    operation: AlterColumnOperation,
    line: usize,
    draft: &mut Draft,
) -> Result<(), Remark> {
    let new_kind = match &operation {
        AlterColumnOperation::SetDataType { data_type, .. } => {
            let written = data_type.to_string();
            Some(draft.kind(&written).ok_or_else(|| unknown_type(&written, line))?)
        }
        _ => None,
    };
    let sequence_name = format!("{}.{}_{column}_seq", table.schema, table.table);
    let mut new_sequence = None;
    let own = draft
        .table_mut(table)
        .and_then(|table| table.columns.iter_mut().find(|own| own.name == column))
        .ok_or_else(|| {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.table);
            Remark { line, message }
        })?;
    match operation {
        AlterColumnOperation::SetNotNull => own.not_null = true,
        AlterColumnOperation::DropNotNull => own.not_null = false,
        AlterColumnOperation::SetDefault { value } => {
            own.default = Some(value);
            own.line = line;
        }
        AlterColumnOperation::DropDefault => own.default = None,
        AlterColumnOperation::SetDataType { .. } => own.kind = new_kind.unwrap_or_else(|| own.kind.clone()),
        AlterColumnOperation::AddGenerated { generated_as, sequence_options } => {
            let (start, step) = sequence(sequence_options.as_ref());
            own.sequence = Some((sequence_name.clone(), generated_as == Some(ast::GeneratedAs::Always)));
            own.not_null = true;
            new_sequence = Some((sequence_name, start, step));
        }
        AlterColumnOperation::GenericOptions { .. } => {}
    }
    draft.sequences.extend(new_sequence);
    Ok(())
}

fn create_index(index: ast::CreateIndex, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    let table = table_name(&index.table_name);
    let name = index.name.as_ref().map(|name| table_name(name).table);
    let Some(columns) = index_columns(&index.columns) else {
        let shown = name.unwrap_or_default();
        draft.warn(line, format!("unique index \"{shown}\" is not enforced: firedrill's indexes are on columns"));
        return Ok(());
    };
    let Some(draft_table) = draft.table_mut(&table) else { return Err(missing(&table, line)) };
    draft_table.keys.push(DraftKey {
        name,
        columns,
        primary: false,
        index: true,
        nulls_same: index.nulls_distinct == Some(false),
        only_where: index.predicate,
        line,
    });
    Ok(())
}

fn create_policy(written: ast::CreatePolicy, line: usize, draft: &mut Draft) -> Result<(), Remark> {
    let table = table_name(&written.table_name);
    let mut roles = Vec::new();
    for role in written.to.iter().flatten() {
        let name = match role {
            ast::Owner::Ident(name) => folded(name),
            other => other.to_string(),
        };
        match Role::named(&name) {
            Some(role) => roles.push(role),
            None if name == "public" => {
                roles.clear();
                break;
            }
            // A role that no request has.
            None => roles.push(Role::Service),
        }
    }
    let command = match written.command {
        None | Some(ast::CreatePolicyCommand::All) => None,
        Some(ast::CreatePolicyCommand::Select) => Some(Command::Select),
        Some(ast::CreatePolicyCommand::Insert) => Some(Command::Insert),
        Some(ast::CreatePolicyCommand::Update) => Some(Command::Update),
        Some(ast::CreatePolicyCommand::Delete) => Some(Command::Delete),
    };
    let permissive = !matches!(written.policy_type, Some(ast::CreatePolicyType::Restrictive));
    let name = folded(&written.name);
    let policy = Policy { name, permissive, command, roles, using: None, with_check: None };
    let policy = DraftPolicy { policy, using: written.using, with_check: written.with_check, line };
    match draft.table_mut(&table) {
        Some(own) => own.policies.push(policy),
        None if table.schema == "public" => return Err(missing(&table, line)),
        None => draft.warn(line, format!("a policy is passed over: {table} is not declared here")),
    }
    Ok(())
}

fn insert_rows<'a>(insert: ast::Insert, line: usize, draft: &mut Draft) -> Result<Option<Rows<'a>>, Remark> {
    let fail = |message: &str| Remark { line, message: message.to_owned() };
    let ast::TableObject::TableName(name) = &insert.table else { return Err(fail("INSERT without a table")) };
    let table = table_name(name);
    if !draft.has(&table) {
        if table.schema != "public" {
            draft.warn(line, format!("INSERT is passed over: {table} is not declared here"));
            return Ok(None);
        }
        return Err(missing(&table, line));
    }
    let lenient = match insert.on {
        None => false,
        Some(ast::OnInsert::OnConflict(ast::OnConflict { action: ast::OnConflictAction::DoNothing, .. })) => true,
        Some(_) => return Err(fail("firedrill reads INSERT … ON CONFLICT only with DO NOTHING")),
    };
    let columns = insert.columns.iter().map(|name| table_name(name).table).collect();
    let values = match insert.source.map(|query| *query.body) {
        Some(ast::SetExpr::Values(values)) => values.rows.into_iter().map(|row| row.content).collect(),
        None => vec![Vec::new()],
        Some(_) => return Err(fail("firedrill reads INSERT only with VALUES")),
    };
    Ok(Some(Rows { line, table, columns, source: RowSource::Values(values, lenient) }))
}

/// `COPY public.items (id, title) FROM stdin`.
fn copy(statement: Statement<'_>) -> Result<Rows<'_>, Remark> {
    let line = statement.line;
    let fail = || Remark { line, message: "firedrill reads COPY only as `COPY table (columns) FROM stdin`".to_owned() };
    let rest = statement.text.get(5..).ok_or_else(fail)?;
    let from = rest.to_ascii_lowercase().find(" from stdin").ok_or_else(fail)?;
    if rest[from + 11..].contains(|c: char| c.is_alphanumeric()) {
        return Err(fail());
    }
    let (name, columns) = match rest[..from].split_once('(') {
        Some((name, columns)) => (name, columns.trim().strip_suffix(')').ok_or_else(fail)?),
        None => (&rest[..from], ""),
    };
    let ident = |text: &str| {
        let text = text.trim();
        match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(quoted) => quoted.to_owned(),
            None => text.to_lowercase(),
        }
    };
    let table = match name.split_once('.') {
        Some((schema, table)) => TableName::new(ident(schema), ident(table)),
        None => TableName::new("public", ident(name)),
    };
    let columns = columns.split(',').map(ident).filter(|column| !column.is_empty()).collect();
    Ok(Rows { line, table, columns, source: RowSource::Copy(statement.data) })
}

/// `SELECT pg_catalog.setval('public.items_id_seq', 42, true)`.
fn setval<'a>(text: &str, line: usize) -> Option<Rows<'a>> {
    let inside = text.split_once("setval(")?.1.rsplit_once(')')?.0;
    let mut parts = inside.split(',').map(str::trim);
    let name = parts.next()?.trim_end_matches("::regclass").trim_matches('\'').to_owned();
    let value = parts.next()?.parse().ok()?;
    let called = parts.next().is_none_or(|called| called.starts_with('t'));
    let table = TableName::new("public", "");
    Some(Rows { line, table, columns: Vec::new(), source: RowSource::Sequence(name, value, called) })
}
