//! [`Functions`]: the functions of a project, made ready to be called.

use crate::model::function::{FunctionBody, FunctionPlan, ReturnsPlan};
use crate::units::Seed;
use crate::upstream::supabase::database::store::Store;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::rest::cast;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value as Json;

/// What a template may use up: about a million characters.
const FUEL: u64 = 250_000;

/// All functions of a project.
#[derive(Debug, Default)]
pub struct Functions {
    all: Vec<Function>,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// What it gives.
    pub returns: Returns,
    /// Whether it may write.
    pub volatile: bool,
    /// What it does.
    pub body: Body,
}

/// An argument of a function.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// What it is if a call does not say.
    pub default: Option<Json>,
}

/// What a function gives.
#[derive(Debug)]
pub enum Returns {
    /// Nothing.
    Void,
    /// One value.
    Scalar(ColumnType),
    /// Any number of values.
    Scalars(ColumnType),
    /// One row of a table of its schema.
    Row(String),
    /// Any number of rows of a table of its schema.
    Rows(String),
    /// Any number of rows with columns of their own.
    Table(Vec<(String, ColumnType)>),
}

/// What a function does.
#[derive(Debug)]
pub enum Body {
    /// As planned.
    Plain(FunctionBody),
    /// A template, ready to be filled in.
    Template(Box<Environment<'static>>),
}

/// Checks functions without a database. Gives back what only one could tell.
///
/// # Errors
/// What is wrong with a function, whatever the database.
pub fn check(plans: &[FunctionPlan]) -> Result<Vec<String>, String> {
    let store = Store::new(Seed(0));
    let mut doubts = Vec::new();
    let mut plans = plans.to_vec();
    for plan in &mut plans {
        let name = plan.name.clone();
        let mut known = |kind: &mut String| {
            if cast::named(&store, kind).is_err() {
                doubts.push(format!(
                    "the function `{name}`: `{kind}` is no type of PostgreSQL's; a seed must declare it"
                ));
                "text".clone_into(kind);
            }
        };
        plan.arguments.iter_mut().for_each(|argument| known(&mut argument.kind));
        match &mut plan.returns {
            ReturnsPlan::Scalar(kind) | ReturnsPlan::Scalars(kind) => known(kind),
            ReturnsPlan::Table(columns) => columns.iter_mut().for_each(|(_, kind)| known(kind)),
            ReturnsPlan::Void | ReturnsPlan::Row(_) | ReturnsPlan::Rows(_) => {}
        }
    }
    Functions::new(&plans, &store).map(|_| doubts)
}

impl Functions {
    /// Makes functions ready.
    ///
    /// # Errors
    /// What is wrong with one: an unknown type or table, or a template that cannot be read.
    pub fn new(plans: &[FunctionPlan], store: &Store) -> Result<Self, String> {
        let named = |plan: &FunctionPlan| {
            Function::new(plan, store).map_err(|problem| format!("the function `{}`: {problem}", plan.name))
        };
        Ok(Self { all: plans.iter().map(named).collect::<Result<_, _>>()? })
    }

    /// The functions of a schema.
    pub fn of<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Function> {
        self.all.iter().filter(move |function| function.schema == schema)
    }
}

impl Function {
    fn new(plan: &FunctionPlan, store: &Store) -> Result<Self, String> {
        let FunctionPlan { schema, name, arguments, returns, volatile, body } = plan.clone();
        let kind = |name: &str| cast::named(store, name).map_err(|error| error.message);
        let known = |table: String| match store.table(&schema, &table) {
            None if store.is_strict() => Err(format!("there is no table `{schema}.{table}`")),
            _ => Ok(table),
        };
        let arguments = arguments
            .into_iter()
            .map(|argument| {
                Ok(Argument { kind: kind(&argument.kind)?, name: argument.name, default: argument.default })
            })
            .collect::<Result<_, String>>()?;
        let returns = match returns {
            ReturnsPlan::Void => Returns::Void,
            ReturnsPlan::Scalar(name) => Returns::Scalar(kind(&name)?),
            ReturnsPlan::Scalars(name) => Returns::Scalars(kind(&name)?),
            ReturnsPlan::Row(table) => Returns::Row(known(table)?),
            ReturnsPlan::Rows(table) => Returns::Rows(known(table)?),
            ReturnsPlan::Table(columns) => {
                let typed = |(name, named): (String, String)| Ok((name, kind(&named)?));
                Returns::Table(columns.into_iter().map(typed).collect::<Result<_, String>>()?)
            }
        };
        if let (Returns::Row(own) | Returns::Rows(own), FunctionBody::Query { from, select, .. }) = (&returns, &body) {
            if own != from {
                return Err(format!("it gives rows of `{own}`, and cannot take them from `{from}`"));
            }
            if select.is_some() {
                return Err(format!("it gives whole rows of `{own}`, so `select` has no effect"));
            }
        }
        if let (Returns::Table(columns), FunctionBody::Query { from, select: None, .. }) = (&returns, &body)
            && let Some(table) = store.table(&schema, from)
            && table.definition().strict
            && let Some((column, _)) = columns.iter().find(|(name, _)| table.definition().place(name).is_none())
        {
            return Err(format!("`{from}` has no column `{column}`; say by `select` what it is"));
        }
        let body = match body {
            FunctionBody::Template(text) => Body::Template(Box::new(environment(&text)?)),
            FunctionBody::Query { from, select, rows, definer } => {
                Body::Plain(FunctionBody::Query { from: known(from)?, select, rows, definer })
            }
            body => Body::Plain(body),
        };
        Ok(Self { schema, name, arguments, returns, volatile, body })
    }
}

/// A template that writes its values as JSON.
fn environment(text: &str) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_template_owned("body", text.to_owned()).map_err(|error| error.to_string())?;
    Ok(environment)
}
