//! [`Maker`]: makes values that are valid for a JSON Schema.
//!
//! A place in a value must satisfy several schemas at once (`allOf`, `$ref` with siblings, a chosen branch of
//! `anyOf`): they are gathered into one list of plain objects of keywords, from which the value is made. Where there
//! is a choice, one branch after the other is tried. Keywords that forbid (`not`, `oneOf`'s "exactly one") are left
//! to the check of the whole value by a validator, after which it is made anew if need be.

use super::expressions::Expressions;
use super::fail::Fail;
use super::json::Json;
use super::shape::{is_trigger, largest, prefix, resolve, rest, same, smallest, weight};
use super::types::Types;
use super::{numbers, strings, words};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Below this depth nothing is made that need not be.
const SHALLOW: usize = 4;
/// Nothing is nested deeper: parsers refuse at 128.
const DEEPEST: usize = 100;
/// What a string with a pattern costs, in steps: each text that is tried is made letter by letter.
const PATTERN_STEPS: u32 = 20;

/// Branches of which one must be taken; each is a list of schemas that hold together.
type Choice<'s> = Vec<Vec<&'s Json>>;

/// Makes one value.
pub struct Maker<'s> {
    root: &'s Json,
    rng: ChaCha8Rng,
    expressions: Expressions<'s>,
    /// How many steps are left until it is given up.
    left: u32,
}

impl<'s> Maker<'s> {
    /// Makes values of schemas that stand in `root`, to which their references point, in so many steps at most.
    pub fn new(root: &'s Json, rng: ChaCha8Rng, steps: u32) -> Self {
        Self { root, rng, expressions: Expressions::default(), left: steps }
    }

    /// A value of the root schema. What it draws is drawn from `rng` from now on.
    pub fn make(&mut self, rng: ChaCha8Rng) -> Result<Json, Fail> {
        self.rng = rng;
        self.value(vec![self.root], "", 0)
    }

    /// A value that satisfies all `schemas`, for a property of this name.
    fn value(&mut self, schemas: Vec<&'s Json>, name: &str, depth: usize) -> Result<Json, Fail> {
        if depth > DEEPEST {
            return Err(Fail::Impossible);
        }
        let (mut plain, mut choices) = (Vec::new(), Vec::new());
        self.gather(schemas, &mut plain, &mut choices)?;
        self.choose(plain, choices, name, depth)
    }

    fn step(&mut self) -> Result<(), Fail> {
        self.steps(1)
    }

    fn steps(&mut self, count: u32) -> Result<(), Fail> {
        self.left = self.left.checked_sub(count).ok_or(Fail::Exhausted)?;
        Ok(())
    }

    /// Follows references and `allOf`, and takes choices apart.
    fn gather(
        &mut self,
        mut open: Vec<&'s Json>,
        plain: &mut Vec<&'s Json>,
        choices: &mut Vec<Choice<'s>>,
    ) -> Result<(), Fail> {
        while let Some(schema) = open.pop() {
            self.step()?;
            match schema {
                Json::Bool(false) => return Err(Fail::Impossible),
                Json::Object(_) if !plain.iter().any(|known| std::ptr::eq(*known, schema)) => plain.push(schema),
                _ => continue,
            }
            if let Some(reference) = schema.get("$ref").and_then(Json::text) {
                open.push(resolve(self.root, reference).ok_or(Fail::Impossible)?);
            }
            open.extend(schema.get("allOf").map_or(&[][..], Json::items).iter().rev());
            for key in ["anyOf", "oneOf"] {
                if let Some(branches) = schema.get(key) {
                    choices.push(branches.items().iter().map(|branch| vec![branch]).collect());
                }
            }
            if let Some(condition) = schema.get("if") {
                // Not to meet the condition cannot be made, only found by trying.
                let otherwise = schema.get("else").into_iter().collect();
                choices.push(vec![std::iter::once(condition).chain(schema.get("then")).collect(), otherwise]);
            }
        }
        Ok(())
    }

    /// Takes one branch after the other of the first choice, and so on.
    fn choose(
        &mut self,
        plain: Vec<&'s Json>,
        mut choices: Vec<Choice<'s>>,
        name: &str,
        depth: usize,
    ) -> Result<Json, Fail> {
        let Some(mut branches) = choices.pop() else { return self.build(&plain, name, depth) };
        branches.shuffle(&mut self.rng);
        // Deep down the plainest branch is best: that is how recursion ends. Elsewhere null is the last resort.
        let nulls_last = depth < SHALLOW && self.rng.random_bool(0.9);
        branches.sort_by_key(|branch| {
            let weight = branch.iter().map(|schema| weight(schema)).max().unwrap_or(0);
            if depth < SHALLOW { u8::from(nulls_last && weight == 0) } else { weight }
        });
        let mut failed = Fail::Impossible;
        for branch in branches {
            let (mut plain, mut choices) = (plain.clone(), choices.clone());
            let made =
                self.gather(branch, &mut plain, &mut choices).and_then(|()| self.choose(plain, choices, name, depth));
            match made {
                Err(Fail::Impossible) => {}
                Err(Fail::Exhausted) => {
                    failed = Fail::Exhausted;
                    break;
                }
                made => return made,
            }
        }
        Err(failed)
    }

    /// A value that satisfies plain schemas.
    fn build(&mut self, plain: &[&'s Json], name: &str, depth: usize) -> Result<Json, Fail> {
        self.step()?;
        let types = Types(plain.iter().fold(Types::ALL.0, |bits, schema| bits & Types::of(schema).0));
        let all = |key: &'static str| plain.iter().filter_map(move |schema| schema.get(key));
        if let Some(constant) = all("const").next() {
            return self.listed(std::slice::from_ref(constant), plain, types);
        }
        if let Some(listed) = all("enum").next() {
            return self.listed(listed.items(), plain, types);
        }
        if let Some(examples) = all("examples").next()
            && self.rng.random_bool(0.3)
            && let Ok(example) = self.listed(examples.items(), plain, types)
        {
            return Ok(example);
        }
        match self.kind(plain, types)? {
            "object" => self.object(plain, depth),
            "array" => self.array(plain, name, depth),
            "string" => self.string(plain, name).map(Json::Text),
            "number" => numbers::make(plain, name, false, &mut self.rng).map(Json::Number),
            "integer" => numbers::make(plain, name, true, &mut self.rng).map(Json::Number),
            "boolean" => Ok(Json::Bool(self.rng.random())),
            _ => Ok(Json::Null),
        }
    }

    fn string(&mut self, plain: &[&'s Json], name: &str) -> Result<String, Fail> {
        if plain.iter().any(|schema| schema.get("pattern").is_some()) {
            self.steps(PATTERN_STEPS)?;
        }
        let made = strings::make(plain, name, &mut self.expressions, &mut self.rng);
        // Long texts and those that nearly fit are dear.
        self.steps(
            made.as_ref().map_or(10 * PATTERN_STEPS, |text| u32::try_from(text.len() / 16).unwrap_or(u32::MAX)),
        )?;
        made
    }

    /// One of the values that `enum` or `const` allows everywhere.
    fn listed(&mut self, values: &[Json], plain: &[&'s Json], types: Types) -> Result<Json, Fail> {
        let fits = |value: &&Json| {
            types.holds(value)
                && plain.iter().all(|schema| {
                    schema.get("enum").is_none_or(|listed| listed.items().iter().any(|other| same(other, value)))
                        && schema.get("const").is_none_or(|constant| same(constant, value))
                })
        };
        let fitting: Vec<&Json> = values.iter().filter(fits).collect();
        if fitting.is_empty() {
            return Err(Fail::Impossible);
        }
        Ok(fitting[self.rng.random_range(0..fitting.len())].clone())
    }

    /// Which type to make.
    fn kind(&mut self, plain: &[&'s Json], types: Types) -> Result<&'static str, Fail> {
        let allowed: Vec<&'static str> = Types::NAMES
            .iter()
            .zip(0..)
            .filter(|(_, place)| types.0 & (1 << place) != 0)
            .map(|(name, _)| *name)
            .collect();
        if types != Types::ALL {
            // `number` allows integers too, which would only hide what was asked for.
            let mut kinds: Vec<&'static str> = allowed.clone();
            if kinds.contains(&"number") {
                kinds.retain(|kind| *kind != "integer");
            }
            if kinds.len() > 1 && self.rng.random_bool(0.9) {
                kinds.retain(|kind| *kind != "null");
            }
            return if kinds.is_empty() {
                Err(Fail::Impossible)
            } else {
                Ok(kinds[self.rng.random_range(0..kinds.len())])
            };
        }
        // Nothing is said of the type: the keywords tell what is meant.
        let has = |keys: &[&str]| plain.iter().any(|schema| keys.iter().any(|key| schema.get(key).is_some()));
        Ok(if has(&["properties", "required", "additionalProperties", "patternProperties", "minProperties"]) {
            "object"
        } else if has(&["items", "prefixItems", "minItems", "maxItems", "contains"]) {
            "array"
        } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            "number"
        } else {
            "string"
        })
    }

    fn array(&mut self, plain: &[&'s Json], name: &str, depth: usize) -> Result<Json, Fail> {
        let least = largest(plain, "minItems")
            .max(plain.iter().filter(|schema| schema.get("contains").is_some()).map(|_| 1).max().unwrap_or(0));
        let mut most = smallest(plain, "maxItems");
        let unique = plain.iter().any(|schema| schema.get("uniqueItems") == Some(&Json::Bool(true)));
        for schema in plain {
            // Beyond its prefix a schema may forbid items.
            if schema.get("items") == Some(&Json::Bool(false)) {
                most = most.min(prefix(schema).len());
            }
        }
        if least > most {
            return Err(Fail::Impossible);
        }
        let prefixed = plain.iter().map(|schema| prefix(schema).len()).max().unwrap_or(0);
        let wish = if depth > SHALLOW { least } else { self.rng.random_range(1..=3).max(prefixed) };
        let count = wish.clamp(least, most);
        let singular = name.strip_suffix('s').unwrap_or(name);
        let mut items: Vec<Json> = Vec::new();
        for place in 0..count {
            let mut schemas: Vec<&'s Json> = Vec::new();
            for schema in plain {
                let own = prefix(schema).get(place).or_else(|| rest(schema));
                schemas.extend(own);
                if let Some(contains) = schema.get("contains")
                    && place < schema.get("minContains").and_then(Json::count).unwrap_or(1)
                {
                    schemas.push(contains);
                }
            }
            let mut item = self.value(schemas.clone(), singular, depth + 1);
            let mut tries = 0;
            while unique && item.as_ref().is_ok_and(|item| items.iter().any(|other| same(other, item))) {
                tries += 1;
                item =
                    if tries < 50 { self.value(schemas.clone(), singular, depth + 1) } else { Err(Fail::Impossible) };
            }
            match item {
                Ok(item) => items.push(item),
                // What need not be there may be missing.
                Err(Fail::Impossible) if items.len() >= least => break,
                Err(fail) => return Err(fail),
            }
        }
        Ok(Json::Array(items))
    }

    fn object(&mut self, plain: &[&'s Json], depth: usize) -> Result<Json, Fail> {
        let mut required: BTreeSet<&'s str> =
            plain.iter().flat_map(|s| s.get("required").map_or(&[][..], Json::items)).filter_map(Json::text).collect();
        let mut names: Vec<&'s str> = Vec::new();
        let declared = plain.iter().flat_map(|s| s.get("properties").map_or(&[][..], Json::entries));
        for name in declared.map(|(name, _)| name.as_str()).chain(required.iter().copied()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for schema in plain {
            // What a property that must be there demands must be there as well.
            for (trigger, needed) in schema.get("dependentRequired").map_or(&[][..], Json::entries) {
                if required.contains(trigger.as_str()) {
                    required.extend(needed.items().iter().filter_map(Json::text));
                }
            }
        }
        let (least, most) = (largest(plain, "minProperties"), smallest(plain, "maxProperties"));
        let mut room = most.saturating_sub(required.len());
        let mut entries: Vec<(String, Json)> = Vec::new();
        for name in names {
            let must = required.contains(name);
            let may = !must && room > 0 && depth <= SHALLOW && !is_trigger(plain, name);
            let included = must || (may && self.rng.random_bool(0.75));
            if !included {
                continue;
            }
            match self.property(plain, name, depth) {
                Ok(value) => {
                    room -= usize::from(!must);
                    entries.push((name.to_owned(), value));
                }
                Err(Fail::Impossible) if !must => {}
                Err(fail) => return Err(fail),
            }
        }
        let is_map = entries.is_empty() && !plain.iter().any(|s| s.get("properties").is_some());
        let wish = if is_map && depth < SHALLOW && self.names_are_free(plain) { 2 } else { 0 };
        self.more_properties(plain, &mut entries, least.max(wish.min(most)), least, depth)?;
        if entries.len() > most { Err(Fail::Impossible) } else { Ok(Json::Object(entries)) }
    }

    /// Adds properties that no one declared, up to `wish`, at least up to `least`.
    fn more_properties(
        &mut self,
        plain: &[&'s Json],
        entries: &mut Vec<(String, Json)>,
        wish: usize,
        least: usize,
        depth: usize,
    ) -> Result<(), Fail> {
        let mut tries = 0;
        while entries.len() < wish {
            tries += 1;
            if tries > 100 + 2 * wish {
                return if entries.len() >= least { Ok(()) } else { Err(Fail::Impossible) };
            }
            self.step()?;
            let Some(name) = self.new_name(plain, entries.len()) else { continue };
            if entries.iter().any(|(known, _)| *known == name) || is_trigger(plain, &name) {
                continue;
            }
            match self.property(plain, &name, depth) {
                Ok(value) => entries.push((name, value)),
                Err(Fail::Impossible) => {}
                Err(fail) => return Err(fail),
            }
        }
        Ok(())
    }

    /// Whether properties that no one declared are allowed.
    fn names_are_free(&self, plain: &[&'s Json]) -> bool {
        let closed = |s: &&Json| s.get("additionalProperties") == Some(&Json::Bool(false));
        !plain.iter().any(closed) || plain.iter().any(|s| s.get("patternProperties").is_some())
    }

    fn new_name(&mut self, plain: &[&'s Json], number: usize) -> Option<String> {
        let declared: Vec<&'s str> = plain
            .iter()
            .flat_map(|s| s.get("properties").map_or(&[][..], Json::entries))
            .map(|(n, _)| n.as_str())
            .collect();
        let patterns = plain.iter().find_map(|s| s.get("patternProperties")).map_or(&[][..], Json::entries);
        let shapes: Vec<&'s Json> = plain.iter().filter_map(|s| s.get("propertyNames")).collect();
        Some(match self.rng.random_range(0..3) {
            0 if !declared.is_empty() => declared[self.rng.random_range(0..declared.len())].to_owned(),
            _ if !shapes.is_empty() => {
                let (mut all, mut choices) = (Vec::new(), Vec::new());
                self.gather(shapes, &mut all, &mut choices).ok()?;
                match self.choose(all, choices, "key", DEEPEST).ok()? {
                    Json::Text(name) => name,
                    _ => words::word(&mut self.rng).to_owned(),
                }
            }
            _ if !patterns.is_empty() => {
                let (pattern, _) = &patterns[self.rng.random_range(0..patterns.len())];
                self.expressions.pattern(pattern)?.sample(0, &mut self.rng)
            }
            _ if number < 8 => words::word(&mut self.rng).to_owned(),
            _ => format!("{}_{number}", words::word(&mut self.rng)),
        })
    }

    /// A value for a property: all that is said of it in `properties` and `patternProperties`, or else in
    /// `additionalProperties`.
    fn property(&mut self, plain: &[&'s Json], name: &str, depth: usize) -> Result<Json, Fail> {
        let mut schemas = Vec::new();
        for schema in plain {
            let before = schemas.len();
            schemas.extend(schema.get("properties").and_then(|properties| properties.get(name)));
            for (pattern, own) in schema.get("patternProperties").map_or(&[][..], Json::entries) {
                if self.expressions.matches(pattern, name) {
                    schemas.push(own);
                }
            }
            if schemas.len() == before {
                schemas.extend(schema.get("additionalProperties"));
            }
        }
        self.value(schemas, name, depth + 1)
    }
}
