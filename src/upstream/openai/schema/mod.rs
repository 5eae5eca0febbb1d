//! [`Schema`]: a JSON Schema that a request sent, for which values are made and checked.
//!
//! `strict` holds OpenAI's rules about which schemas it takes; `generate` makes values, with `strings` (by `pattern`s of
//! `expressions`), `numbers` and `words` for what stands in them; a validator (the `jsonschema` crate) has the last word
//! on each. `json` is JSON that keeps the order of keys, `shape` and `types` read schemas in it.

mod expressions;
mod fail;
mod generate;
mod json;
mod numbers;
mod pattern;
mod shape;
mod strict;
mod strings;
mod types;
mod words;

use crate::units::Seed;
use fail::Fail;
use generate::Maker;
use json::Json;
use jsonschema::Validator;

/// How often a value is made anew when it turns out not to be valid.
const TRIES: u64 = 32;
/// After so many steps, in all tries together, it is given up: some 100 ms.
const MOST_STEPS: u32 = 200_000;

/// A schema, ready.
#[derive(Debug)]
pub struct Schema {
    root: Json,
    validator: Validator,
    /// Why strict mode refuses it.
    strict: Result<(), String>,
    /// Why it cannot be a function's.
    lists: Result<(), String>,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Why it is none, as OpenAI says it.
    pub fn read(text: &str) -> Result<Self, String> {
        let root: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        strict::check_root(&root)?;
        let strict = strict::check(&root);
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&root.value())
            // A reference that leads nowhere is said in other words.
            .map_err(|error| {
                let lost = strict.clone().err().filter(|why| why.contains("reference to component"));
                lost.unwrap_or_else(|| format!("{error}."))
            })?;
        let lists = strict::check_lists(&root);
        Ok(Self { root, validator, strict, lists })
    }

    /// Whether strict mode takes it.
    ///
    /// # Errors
    /// Why not, as OpenAI says it.
    pub fn strict(&self) -> Result<(), String> {
        self.strict.clone()
    }

    /// Whether it can be that of a function's parameters, strict or not.
    ///
    /// # Errors
    /// Why not, as OpenAI says it.
    pub fn of_function(&self) -> Result<(), String> {
        self.lists.clone()
    }

    /// Whether a text is JSON that is valid for it.
    pub fn accepts(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|value| self.validator.is_valid(&value))
    }

    /// A valid value, as JSON with properties in the schema's order; `None` if none could be made.
    pub fn example(&self, seed: Seed, key: u64) -> Option<String> {
        let mut maker = Maker::new(&self.root, seed.rng(&[key]), MOST_STEPS);
        for attempt in 0..TRIES {
            match maker.make(seed.rng(&[key, attempt])) {
                Ok(json) if self.validator.is_valid(&json.value()) => return serde_json::to_string(&json).ok(),
                Ok(_) | Err(Fail::Impossible) => {}
                Err(Fail::Exhausted) => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
