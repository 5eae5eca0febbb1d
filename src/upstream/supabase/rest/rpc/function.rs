//! [`Functions`]: the functions of a project, made ready to be called.

use crate::model::function::{FunctionBody, FunctionPlan, ReturnsPlan};
use crate::upstream::supabase::database::types::ColumnType;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value as Json;
use std::sync::Arc;

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

impl Functions {
    /// Makes functions ready.
    pub fn new(plans: &[FunctionPlan]) -> Self {
        Self { all: plans.iter().map(Function::new).collect() }
    }

    /// The functions of a schema.
    pub fn of<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Function> {
        self.all.iter().filter(move |function| function.schema == schema)
    }
}

impl Function {
    fn new(plan: &FunctionPlan) -> Self {
        let FunctionPlan { schema, name, arguments, returns, volatile, body } = plan.clone();
        let arguments = arguments
            .into_iter()
            .map(|argument| Argument { kind: kind(&argument.kind), name: argument.name, default: argument.default })
            .collect();
        let returns = match returns {
            ReturnsPlan::Void => Returns::Void,
            ReturnsPlan::Scalar(name) => Returns::Scalar(kind(&name)),
            ReturnsPlan::Scalars(name) => Returns::Scalars(kind(&name)),
            ReturnsPlan::Row(table) => Returns::Row(table),
            ReturnsPlan::Rows(table) => Returns::Rows(table),
            ReturnsPlan::Table(columns) => {
                Returns::Table(columns.into_iter().map(|(name, named)| (name, kind(&named))).collect())
            }
        };
        let body = match body {
            FunctionBody::Template(text) => Body::Template(Box::new(environment(&text))),
            body => Body::Plain(body),
        };
        Self { schema, name, arguments, returns, volatile, body }
    }
}

/// A type by its name; one that is unknown here takes every text.
fn kind(name: &str) -> ColumnType {
    ColumnType::from_name(name, &[]).unwrap_or_else(|| ColumnType::Other(Arc::from(name)))
}

/// A template that writes its values as JSON.
fn environment(text: &str) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // What cannot be read is refused with the file it stands in; here it would only be left out.
    let _ = environment.add_template_owned("body", text.to_owned());
    environment
}
