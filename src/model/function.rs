//! [`FunctionPlan`]: a database function that the Supabase mock can be called for (`/rest/v1/rpc/…`), as planned.

use serde::{Deserialize, Serialize};

/// A function, told by what it takes and what it gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionPlan {
    /// Its schema.
    pub schema: String,
    /// Its name; several functions may share one if their arguments differ.
    pub name: String,
    /// What it takes, by name.
    pub arguments: Vec<ArgumentPlan>,
    /// What it gives.
    pub returns: ReturnsPlan,
    /// Whether it may write; such a function cannot be called by `GET`.
    pub volatile: bool,
    /// What it does.
    pub body: FunctionBody,
}

/// One argument of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArgumentPlan {
    /// Its name.
    pub name: String,
    /// Its type, in any spelling that PostgreSQL takes.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is if the call does not say; it must be said if absent.
    pub default: Option<serde_json::Value>,
}

/// What a function gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnsPlan {
    /// Nothing.
    Void,
    /// One value of a type.
    Scalar(String),
    /// Any number of values of a type.
    Scalars(String),
    /// One row of a table.
    Row(String),
    /// Any number of rows of a table.
    Rows(String),
    /// Any number of rows with these columns: names and types.
    Table(Vec<(String, String)>),
}

/// What a function does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionBody {
    /// It gives this.
    Constant(serde_json::Value),
    /// It gives the JSON that this template makes of the arguments.
    Template(String),
    /// It gives what a query of PostgREST gives. The texts may hold `{argument}`.
    Query {
        /// The table.
        from: String,
        /// Which columns, as in `select`: the value where values are given, in the order of its own columns where those
        /// are; without it, the columns of their names. A function that gives rows of a table gives whole ones.
        select: Option<String>,
        /// Which rows: filters, `order`, `limit` and `offset`, joined by `&`.
        rows: String,
        /// Whether it sees every row, whoever calls it (`security definer`).
        definer: bool,
    },
    /// It raises an error.
    Raise {
        /// The SQLSTATE; P0001 as `raise exception` has it.
        code: String,
        /// What it says.
        message: String,
        /// `DETAIL`.
        details: Option<String>,
        /// `HINT`.
        hint: Option<String>,
    },
}
