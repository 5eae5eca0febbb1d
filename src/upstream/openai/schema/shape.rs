//! Reading schemas: where references lead, what stands under keywords, and when values are the same.

use super::json::Json;

/// The largest number that any schema has under a key, 0 if none has.
pub fn largest(plain: &[&Json], key: &str) -> usize {
    plain.iter().filter_map(|schema| schema.get(key)?.count()).max().unwrap_or(0)
}

/// The smallest number that any schema has under a key, no bound if none has.
pub fn smallest(plain: &[&Json], key: &str) -> usize {
    plain.iter().filter_map(|schema| schema.get(key)?.count()).min().unwrap_or(usize::MAX)
}

/// What a reference points to: a place in the same document, or one with that `$id` or `$anchor` in `$defs`.
pub fn resolve<'s>(root: &'s Json, reference: &str) -> Option<&'s Json> {
    let definitions = || ["$defs", "definitions"].iter().flat_map(|key| root.get(key).map_or(&[][..], Json::entries));
    let Some(fragment) = reference.strip_prefix('#') else {
        let own = |schema: &&Json| schema.get("$id").and_then(Json::text) == Some(reference);
        return Some(root).filter(own).or_else(|| definitions().map(|(_, schema)| schema).find(own));
    };
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment);
    }
    let anchored = |schema: &&Json| schema.get("$anchor").and_then(Json::text) == Some(&*fragment);
    definitions().map(|(_, schema)| schema).find(anchored)
}

/// How much a branch is likely to bring with it: nothing, a scalar, a list, an object, or more of the same.
pub fn weight(schema: &Json) -> u8 {
    if schema.get("$ref").is_some() {
        return 4;
    }
    match schema.get("type").and_then(Json::text) {
        Some("null") => 0,
        Some("object") => 3,
        Some("array") => 2,
        Some(_) => 1,
        None if schema.get("enum").is_some() || schema.get("const").is_some() => 1,
        None => 3,
    }
}

/// The schemas of an array's first items: `prefixItems`, or a list under `items` as older drafts have it.
pub fn prefix(schema: &Json) -> &[Json] {
    match (schema.get("prefixItems"), schema.get("items")) {
        (Some(prefix), _) => prefix.items(),
        (None, Some(Json::Array(items))) => items,
        _ => &[],
    }
}

/// The schema of an array's further items.
pub fn rest(schema: &Json) -> Option<&Json> {
    match schema.get("items") {
        Some(Json::Array(_)) => schema.get("additionalItems"),
        items => items,
    }
}

/// Whether something more would hold if this property were there.
pub fn is_trigger(plain: &[&Json], name: &str) -> bool {
    ["dependentRequired", "dependentSchemas", "dependencies"]
        .iter()
        .any(|key| plain.iter().any(|schema| schema.get(key).is_some_and(|triggers| triggers.get(name).is_some())))
}

/// Whether two values are equal for JSON Schema: 1 and 1.0 are, and the order of keys says nothing.
pub fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(entries), Json::Object(others)) => {
            entries.len() == others.len()
                && entries.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}
