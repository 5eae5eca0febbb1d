//! [`Schema`]: a JSON Schema that a request sent, for which values are made and checked.
//!
//! `strict` holds OpenAI's rules about which schemas it takes; `generate` makes values, with `strings`, `numbers`,
//! `pattern` and `words` for what stands in them; a validator (the `jsonschema` crate) has the last word on each.
//! `json` is JSON that keeps the order of keys.

mod fail;
mod generate;
mod json;
mod numbers;
mod pattern;
mod strict;
mod strings;
mod words;

use crate::units::Seed;
use fail::Fail;
use generate::Maker;
use json::Json;
use jsonschema::Validator;

/// How often a value is made anew when it turns out not to be valid.
const TRIES: u64 = 32;

/// A schema, ready.
#[derive(Debug)]
pub struct Schema {
    root: Json,
    validator: Validator,
    /// Why strict mode refuses it.
    strict: Result<(), String>,
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
        Ok(Self { root, validator, strict })
    }

    /// Whether strict mode takes it.
    ///
    /// # Errors
    /// Why not, as OpenAI says it.
    pub fn strict(&self) -> Result<(), String> {
        self.strict.clone()
    }

    /// Whether a text is JSON that is valid for it.
    pub fn accepts(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|value| self.validator.is_valid(&value))
    }

    /// A valid value, as JSON with properties in the schema's order; `None` if none could be made.
    pub fn example(&self, seed: Seed, key: u64) -> Option<String> {
        for attempt in 0..TRIES {
            match Maker::new(&self.root, seed.rng(&[key, attempt])).make() {
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
