//! The rules of OpenAI's strict mode: which schemas it refuses, and in which words.
//!
//! Structured outputs guide (supported schemas) for the rules; the words as public reports show them
//! (moeru-ai/xsai#202, mavam/pi-web-providers#14, cyanheads/git-mcp-server#47, vercel-labs/json-render#180).

use super::json::Json;
use super::shape::resolve;

/// What strict mode does not have.
const NOT_PERMITTED: [&str; 18] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "minProperties",
    "maxProperties",
    "contains",
    "uniqueItems",
    "prefixItems",
    "additionalItems",
];
/// The formats that it knows.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// How deep objects may nest.
const DEEPEST: usize = 10;

/// Checks the root of a schema, which must be an object in any mode.
///
/// # Errors
/// What OpenAI says.
pub fn check_root(root: &Json) -> Result<(), String> {
    match root.get("type") {
        Some(Json::Text(kind)) if kind == "object" => Ok(()),
        kind => {
            let kind = kind.map_or_else(
                || "None".to_owned(),
                |kind| kind.text().map_or_else(|| "array".to_owned(), str::to_owned),
            );
            Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."))
        }
    }
}

/// Checks a schema by the rules of strict mode.
///
/// # Errors
/// What OpenAI says of the first place that breaks a rule.
pub fn check(root: &Json) -> Result<(), String> {
    visit(root, root, &mut Vec::new(), 0)
}

/// Checks what even schemas of functions that are not strict must keep to: every list says what is in it.
///
/// # Errors
/// What OpenAI says of the first that does not.
pub fn check_lists(root: &Json) -> Result<(), String> {
    lists(root, &mut Vec::new())
}

fn lists(schema: &Json, context: &mut Vec<String>) -> Result<(), String> {
    let is_list = schema.get("type").and_then(Json::text) == Some("array");
    if is_list && schema.get("items").is_none() && schema.get("prefixItems").is_none() {
        return Err(format!("In context={}, array schema missing items.", tuple(context)));
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, inner) in schema.get(key).map_or(&[][..], Json::entries) {
            within(context, &[key, name], |context| lists(inner, context))?;
        }
    }
    if let Some(items @ Json::Object(_)) = schema.get("items") {
        within(context, &["items"], |context| lists(items, context))?;
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for (place, branch) in schema.get(key).map_or(&[][..], Json::items).iter().enumerate() {
            within(context, &[key, &place.to_string()], |context| lists(branch, context))?;
        }
    }
    Ok(())
}

fn visit(root: &Json, schema: &Json, context: &mut Vec<String>, depth: usize) -> Result<(), String> {
    let wrong = |context: &[String], what: &str| Err(format!("In context={}, {what}", tuple(context)));
    if !matches!(schema, Json::Object(_)) {
        return wrong(context, "schema must be an object.");
    }
    if depth > DEEPEST {
        return Err(format!("{depth} levels of nesting exceeds limit of {DEEPEST}."));
    }
    if let Some(reference) = schema.get("$ref") {
        let reference = reference.text().unwrap_or_default();
        if resolve(root, reference).is_none() {
            return wrong(context, &format!("reference to component '{reference}' which was not found in the schema."));
        }
    }
    if let Some(key) = NOT_PERMITTED.iter().find(|key| schema.get(key).is_some()) {
        return wrong(context, &format!("'{key}' is not permitted."));
    }
    if ["type", "$ref", "anyOf", "enum", "const"].iter().all(|key| schema.get(key).is_none()) {
        return wrong(context, "schema must have a 'type' key.");
    }
    if let Some(format) = schema.get("format").and_then(Json::text)
        && !FORMATS.contains(&format)
    {
        return wrong(context, &format!("'{format}' is not a valid format."));
    }
    let is = |wanted: &str| match schema.get("type") {
        Some(Json::Text(kind)) => kind == wanted,
        Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind.text() == Some(wanted)),
        _ => false,
    };
    if is("object") {
        if schema.get("additionalProperties") != Some(&Json::Bool(false)) {
            return wrong(context, "'additionalProperties' is required to be supplied and to be false.");
        }
        let properties = schema.get("properties").map_or(&[][..], Json::entries);
        let required: Vec<&str> =
            schema.get("required").map_or(&[][..], Json::items).iter().filter_map(Json::text).collect();
        if let Some((missing, _)) = properties.iter().find(|(name, _)| !required.contains(&name.as_str())) {
            let what = format!(
                "'required' is required to be supplied and to be an array including every key in properties. Missing \
                 '{missing}'."
            );
            return wrong(context, &what);
        }
        if let Some(extra) = required.iter().find(|name| !properties.iter().any(|(known, _)| known == *name)) {
            return wrong(
                context,
                &format!(
                    "'required' is required to be supplied and to be an array including every key in properties. Extra required key '{extra}' supplied."
                ),
            );
        }
    }
    if is("array") && schema.get("items").is_none() {
        return wrong(context, "array schema missing items.");
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, inner) in schema.get(key).map_or(&[][..], Json::entries) {
            let deeper = depth + usize::from(key == "properties");
            within(context, &[key, name], |context| visit(root, inner, context, deeper))?;
        }
    }
    if let Some(items) = schema.get("items") {
        within(context, &["items"], |context| visit(root, items, context, depth))?;
    }
    for (place, branch) in schema.get("anyOf").map_or(&[][..], Json::items).iter().enumerate() {
        within(context, &["anyOf", &place.to_string()], |context| visit(root, branch, context, depth))?;
    }
    Ok(())
}

fn within<T>(context: &mut Vec<String>, steps: &[&str], inside: impl FnOnce(&mut Vec<String>) -> T) -> T {
    let before = context.len();
    context.extend(steps.iter().map(|step| (*step).to_owned()));
    let done = inside(context);
    context.truncate(before);
    done
}

/// A place as Python prints a tuple, which is how OpenAI names it.
fn tuple(context: &[String]) -> String {
    let quoted: Vec<String> = context.iter().map(|step| format!("'{step}'")).collect();
    match quoted.as_slice() {
        [one] => format!("({one},)"),
        several => format!("({})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const OBJECT: &str = r#""type":"object","additionalProperties":false"#;

    #[rstest]
    #[case(
        r#"{"type":"object","properties":{}}"#,
        "In context=(), 'additionalProperties' is required to be supplied and to be false."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{"type":"object"}},"required":["a"]}"#,
        "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{"type":"string"}}}"#,
        "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'a'."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{"type":"array","items":{"type":"string","format":"uri"}}},"required":["a"]}"#,
        "In context=('properties', 'a', 'items'), 'uri' is not a valid format."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{"anyOf":[{"type":"null"},{"oneOf":[]}]}},"required":["a"]}"#,
        "In context=('properties', 'a', 'anyOf', '1'), 'oneOf' is not permitted."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{}},"required":["a"]}"#,
        "In context=('properties', 'a'), schema must have a 'type' key."
    )]
    #[case(
        r#"{OBJECT,"properties":{"a":{"type":"array"}},"required":["a"]}"#,
        "In context=('properties', 'a'), array schema missing items."
    )]
    #[case(
        r##"{OBJECT,"properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"]}"##,
        "In context=('properties', 'a'), reference to component '#/$defs/b' which was not found in the schema."
    )]
    fn broken_rules_are_named_as_openai_does(#[case] schema: &str, #[case] expected: &str) {
        let schema: Json = serde_json::from_str(&schema.replace("OBJECT", OBJECT)).unwrap();
        assert_eq!(check(&schema).unwrap_err(), expected);
    }

    #[test]
    fn what_strict_mode_has_passes() {
        let schema = r##"{OBJECT,"description":"x","properties":{"s":{"type":["string","null"],"pattern":"a+","format":"date"},
            "n":{"type":"number","minimum":0,"multipleOf":2},"l":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/d"}},
            "e":{"enum":["a",1]},"r":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["s","n","l","e","r"],
            "$defs":{"d":{OBJECT,"properties":{"k":{"const":"x"}},"required":["k"]}}}"##;
        let schema: Json = serde_json::from_str(&schema.replace("OBJECT", OBJECT)).unwrap();
        assert_eq!(check_root(&schema).and_then(|()| check(&schema)), Ok(()));
    }

    #[rstest]
    #[case("{}", "None")]
    #[case(r#"{"type":"array"}"#, "array")]
    fn the_root_must_be_an_object(#[case] schema: &str, #[case] got: &str) {
        let schema: Json = serde_json::from_str(schema).unwrap();
        let message = check_root(&schema).unwrap_err();
        assert!(message.ends_with(&format!("got 'type: \"{got}\"'.")), "{message}");
    }
}
