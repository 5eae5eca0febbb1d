//! Which of the functions of a name a call means: PostgREST's `findProc`, and what it says if there is none.

use super::super::refusals;
use super::function::{Argument, Function, Functions};
use crate::upstream::supabase::errors::PgError;
use http::StatusCode;
use std::collections::BTreeSet;

/// The function that takes arguments of these names.
///
/// # Errors
/// PGRST202 if there is none, PGRST203 if there are several.
pub fn choose<'f>(
    functions: &'f Functions,
    schema: &'f str,
    name: &str,
    given: &BTreeSet<&str>,
    post: bool,
) -> Result<&'f Function, PgError> {
    let named: Vec<&Function> = functions.of(schema).filter(|function| function.name == name).collect();
    let meant: Vec<&Function> = named.iter().copied().filter(|function| takes(function, given)).collect();
    match meant.as_slice() {
        [one] => Ok(one),
        [] => Err(none(functions, schema, name, given, &named, post)),
        several => {
            let shown: Vec<String> = several.iter().map(|function| signature(function)).collect();
            let message = format!("Could not choose the best candidate function between: {}", shown.join(", "));
            let mut error = PgError::new(StatusCode::MULTIPLE_CHOICES, "PGRST203", message);
            error.hint = Some(
                "Try renaming the parameters or the function itself in the database so function overloading can be \
                 resolved"
                    .to_owned(),
            );
            Err(error)
        }
    }
}

/// Whether all that must be said is said, and nothing else.
fn takes(function: &Function, given: &BTreeSet<&str>) -> bool {
    let known = |name: &&str| function.arguments.iter().any(|argument| argument.name == *name);
    let needed = |argument: &&Argument| argument.default.is_none();
    given.iter().all(known)
        && function.arguments.iter().filter(needed).all(|argument| given.contains(argument.name.as_str()))
}

fn signature(function: &Function) -> String {
    let arguments: Vec<String> =
        function.arguments.iter().map(|argument| format!("{} => {}", argument.name, argument.kind.name())).collect();
    format!("{}.{}({})", function.schema, function.name, arguments.join(", "))
}

fn none(
    functions: &Functions,
    schema: &str,
    name: &str,
    given: &BTreeSet<&str>,
    named: &[&Function],
    post: bool,
) -> PgError {
    let names = given.iter().copied().collect::<Vec<_>>().join(", ");
    let shown = if given.is_empty() { " without parameters".to_owned() } else { format!("({names})") };
    let message = format!("Could not find the function {schema}.{name}{shown} in the schema cache");
    let searched = match given.len() {
        0 => " without parameters".to_owned(),
        1 => format!(" with parameter {names}"),
        _ => format!(" with parameters {names}"),
    };
    let json = if post { " or with a single unnamed json/jsonb parameter" } else { "" };
    let mut error = PgError::new(StatusCode::NOT_FOUND, "PGRST202", message).details(format!(
        "Searched for the function {schema}.{name}{searched}{json}, but no matches were found in the schema cache."
    ));
    let listed = |names: &mut Vec<&str>| {
        names.sort_unstable();
        format!("({})", names.join(", "))
    };
    let near = if named.is_empty() {
        refusals::nearest(name, functions.of(schema).map(|function| function.name.as_str()), 0.75).map(str::to_owned)
    } else {
        let parameters: Vec<String> = named
            .iter()
            .map(|function| listed(&mut function.arguments.iter().map(|argument| argument.name.as_str()).collect()))
            .collect();
        let wanted = listed(&mut given.iter().copied().collect());
        refusals::nearest(&wanted, parameters.iter().map(String::as_str), 0.33).map(|near| format!("{name}{near}"))
    };
    error.hint = near.map(|near| format!("Perhaps you meant to call the function {schema}.{near}"));
    error
}
