//! What is made for a schema is valid for it: for schemas of all kinds, made up and real.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

/// Schemas as strict mode takes them, to some depth.
fn strict_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["integer", "null"]})),
        Just(json!({"type": "null"})),
        prop::sample::select(vec![
            "date-time",
            "time",
            "date",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "uuid"
        ])
        .prop_map(|format| json!({"type": "string", "format": format})),
        prop::sample::select(vec!["^[A-Z]{3}-\\d+$", "^(a|b)+$", "x", "^\\S+@\\S+$", "^[^ ]{2,9}$"])
            .prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        prop::collection::hash_set("[a-z]{1,6}", 1..5).prop_map(|set| json!({"type": "string", "enum": set})),
        "[a-z]{1,6}".prop_map(|constant| json!({"type": "string", "const": constant})),
        (-100_i32..100, 0_i32..50)
            .prop_map(|(least, width)| json!({"type": "number", "minimum": least, "maximum": least + width})),
        (-100_i32..100, 2_i32..50).prop_map(|(least, width)| {
            json!({"type": "integer", "exclusiveMinimum": least, "exclusiveMaximum": least + width})
        }),
        (1_u32..40).prop_map(|unit| json!({"type": "integer", "multipleOf": unit})),
        (1_u32..40).prop_map(|unit| json!({"type": "number", "multipleOf": f64::from(unit) / 100.0})),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        prop_oneof![
            (inner.clone(), 0_usize..3, 0_usize..4)
                .prop_map(|(items, least, more)| json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|branches| json!({"anyOf": branches})),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::hash_map("[a-z_]{1,8}", inner, 0..5).prop_map(|properties| {
        let required: Vec<&String> = properties.keys().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    })
}

/// Schemas that strict mode does not take.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        strict_schema(),
        Just(json!({})),
        Just(json!(true)),
        (0_usize..30, 0_usize..30)
            .prop_map(|(least, more)| json!({"type": "string", "minLength": least, "maxLength": least + more})),
        Just(json!({"type": "string", "format": "uri"})),
        Just(json!({"not": {"type": "object"}})),
        Just(json!({"type": "string", "not": {"const": "x"}})),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            (prop::collection::hash_map("[a-z]{1,4}", inner.clone(), 0..4), prop::collection::btree_set("[a-z]{1,4}", 0..3))
                .prop_map(|(properties, required)| json!({"type": "object", "properties": properties, "required": required})),
            inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values, "minProperties": 1, "maxProperties": 4})),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items, "maxItems": 3})),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|items| json!({"type": "array", "prefixItems": items, "items": false, "minItems": 1})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"allOf": [{"type": "object", "properties": {"one": one}}, {"properties": {"two": two}, "required": ["two"]}]})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"oneOf": [
                {"type": "object", "properties": {"kind": {"const": "one"}, "value": one}, "required": ["kind", "value"]},
                {"type": "object", "properties": {"kind": {"const": "two"}, "value": two}, "required": ["kind"]},
            ]})),
            inner.prop_map(|then| json!({
                "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
                "if": {"properties": {"on": {"const": true}}}, "then": {"properties": {"more": then}, "required": ["more"]},
            })),
        ]
    })
}

fn ready(schema: &Value) -> Schema {
    Schema::read(&schema.to_string()).unwrap_or_else(|error| panic!("{error} in {schema}"))
}

proptest! {
    #[test]
    fn strict_schemas_get_valid_values(inner in strict_schema(), seed: u64) {
        let schema = json!({"type": "object", "properties": {"value": inner}, "required": ["value"], "additionalProperties": false});
        let ready = ready(&schema);
        prop_assert_eq!(ready.strict(), Ok(()));
        for key in 0..4 {
            let text = ready.example(Seed(seed), key);
            prop_assert!(text.is_some(), "nothing for {}", schema);
            let value: Value = serde_json::from_str(&text.unwrap()).unwrap();
            prop_assert!(jsonschema::is_valid(&schema, &value), "{} for {}", value, schema);
        }
    }

    #[test]
    fn other_schemas_get_valid_values(inner in any_schema(), seed: u64) {
        let schema = json!({"type": "object", "properties": {"value": inner}, "required": ["value"]});
        let text = ready(&schema).example(Seed(seed), 0);
        prop_assert!(text.is_some(), "nothing for {}", schema);
        let value: Value = serde_json::from_str(&text.unwrap()).unwrap();
        prop_assert!(jsonschema::is_valid(&schema, &value), "{} for {}", value, schema);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", tail in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", "\"type\":", "\"object\"", "\"$ref\":", "\"#\"", "\"properties\":", "\"anyOf\":", ",", "1e999", "-1", "null",
        "\"pattern\":", "\"(((\"", "\"minItems\":", "\"multipleOf\":", "0",
    ]), 0..40)) {
        for text in [text, tail.concat()] {
            if let Ok(schema) = Schema::read(&text) {
                let _ = schema.example(Seed(1), 1);
            }
        }
    }
}

#[rstest]
// A linked list and a tree: recursion that ends by null or by an empty list.
#[case(json!({"type": "object", "properties": {"head": {"$ref": "#/$defs/node"}}, "required": ["head"], "additionalProperties": false,
    "$defs": {"node": {"type": "object", "properties": {"value": {"type": "number"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                       "required": ["value", "next"], "additionalProperties": false}}}))]
#[case(json!({"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name", "children"], "additionalProperties": false}))]
// Two branches that both recurse, and one that does not.
#[case(json!({"type": "object", "properties": {"e": {"$ref": "#/$defs/e"}}, "required": ["e"], "$defs": {"e": {"anyOf": [
    {"type": "object", "properties": {"l": {"$ref": "#/$defs/e"}, "r": {"$ref": "#/$defs/e"}}, "required": ["l", "r"]},
    {"type": "object", "properties": {"n": {"$ref": "#/$defs/e"}}, "required": ["n"]},
    {"type": "object", "properties": {"leaf": {"type": "integer"}}, "required": ["leaf"]}]}}}))]
#[case(json!({"type": "object", "properties": {"tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "minItems": 3}}, "required": ["tags"]}))]
#[case(json!({"type": "object", "patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": false, "minProperties": 2}))]
#[case(json!({"type": "object", "propertyNames": {"pattern": "^[a-z]{3}$"}, "additionalProperties": {"type": "boolean"}, "minProperties": 3}))]
#[case(json!({"type": "object", "properties": {"card": {"type": "string"}, "zip": {"type": "string"}}, "required": ["card"], "dependentRequired": {"card": ["zip"]}}))]
#[case(json!({"type": "object", "properties": {"l": {"type": "array", "contains": {"const": 7}, "items": {"type": "integer"}, "minContains": 2}}, "required": ["l"]}))]
#[case(json!({"type": "object", "properties": {"p": {"type": "string", "pattern": "^(?=.*\\d)[a-z\\d]{8,12}$"}}, "required": ["p"]}))]
#[case(json!({"type": "object", "properties": {"s": {"type": "string", "pattern": "^[a-z]+$", "minLength": 40, "maxLength": 50}}, "required": ["s"]}))]
#[case(json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "definitions": {"a": {"type": "integer"}},
    "properties": {"a": {"$ref": "#/definitions/a"}, "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}], "minItems": 2}}, "required": ["a", "pair"]}))]
fn difficult_schemas_get_valid_values(#[case] schema: Value) {
    let ready = ready(&schema);
    for key in 0..50 {
        let text = ready.example(Seed(3), key).unwrap_or_else(|| panic!("nothing for {schema}"));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{value} for {schema}");
        assert!(text.len() < 20_000, "{} bytes", text.len());
    }
}

#[rstest]
#[case::endless(json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}))]
#[case::contradiction(json!({"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"type": "integer"}]}}, "required": ["a"]}))]
#[case::false_schema(json!({"type": "object", "properties": {"a": false}, "required": ["a"]}))]
#[case::too_many(json!({"type": "object", "properties": {"a": {"type": "array", "minItems": 100_000_000, "items": {"type": "string"}}}, "required": ["a"]}))]
#[case::too_long(json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 1_000_000_000}}, "required": ["a"]}))]
fn what_cannot_be_is_given_up_soon(#[case] schema: Value) {
    assert_eq!(ready(&schema).example(Seed(1), 1), None);
}

#[test]
fn properties_come_in_the_schemas_order_and_values_fit_their_names() {
    let schema = r#"{"type":"object","additionalProperties":false,"required":["zeta","email","alpha"],
        "properties":{"zeta":{"type":"integer"},"email":{"type":"string"},"alpha":{"type":"string","format":"date"}}}"#;
    let text = Schema::read(schema).unwrap().example(Seed(1), 1).unwrap();
    let places: Vec<usize> = ["\"zeta\"", "\"email\"", "\"alpha\""].iter().map(|key| text.find(key).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("@example.com"), "{text}");
}

#[rstest]
#[case(r#"{"type":"object","properties":{"a":{"type":"frog"}}}"#, "frog")]
#[case(r#"{"type":"object","properties":7}"#, "7")]
#[case(r#"{"type":"array","items":{}}"#, "type: \"array\"")]
#[case(r#"[]"#, "type: \"None\"")]
fn what_is_no_schema_is_refused(#[case] text: &str, #[case] named: &str) {
    let error = Schema::read(text).unwrap_err();
    assert!(error.contains(named), "{error}");
}
