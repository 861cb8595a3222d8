//! The JSON Schemas that the API's description is made of.

#![cfg(feature = "openapi")]

use nexo_domain::{
    Address, ClientId, CountryCode, Currency, Date, DateRange, Email, LanguageTag, Money, MultilineText,
    Permission, Phone, Role, Tags, Text, TimeZoneName, Timestamp, WebUrl,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

fn schema<T: JsonSchema>() -> Value {
    T::json_schema(&mut SchemaGenerator::default()).to_value()
}

#[test]
fn text_has_its_length() {
    let expected = json!({ "type": "string", "minLength": 1, "maxLength": 249 });
    assert_eq!(schema::<Text<249>>(), expected);
    assert_eq!(schema::<MultilineText<249>>(), expected);
    assert!(Text::<249>::inline_schema());
}

#[test]
fn ids_have_the_pattern_of_their_kind() {
    assert_eq!(ClientId::schema_name(), "ClientId");
    assert_eq!(schema::<ClientId>()["pattern"], "^cli_[0-7][0-9A-HJKMNP-TV-Z]{25}$");
}

#[test]
fn words_are_listed() {
    assert_eq!(schema::<Permission>(), json!({ "type": "string", "enum": Permission::ALL }));
    assert_eq!(schema::<Permission>()["enum"][0], "client:read");
    assert_eq!(schema::<Role>()["enum"], json!(["viewer", "member", "manager", "admin", "owner"]));
    let listed = |schema: Value| schema["enum"].as_array().map(Vec::len);
    assert_eq!(listed(schema::<CountryCode>()), Some(249));
    assert_eq!(listed(schema::<Currency>()), Some(164));
    assert_eq!(schema::<Currency>()["enum"][0], "AED");
}

#[test]
fn formats_are_those_of_json_schema() {
    assert_eq!(schema::<Email>()["format"], "email");
    assert_eq!(schema::<Email>()["maxLength"], 254);
    assert_eq!(schema::<WebUrl>()["format"], "uri");
    assert_eq!(schema::<Date>()["format"], "date");
    assert_eq!(schema::<Timestamp>()["format"], "date-time");
    assert_eq!(schema::<Phone>()["pattern"], "^\\+[1-9][0-9]{6,14}$");
    assert_eq!(schema::<LanguageTag>()["maxLength"], 35);
    assert_eq!(schema::<TimeZoneName>()["type"], "string");
}

#[test]
fn objects_refuse_unknown_fields() {
    for schema in [schema::<Money>(), schema::<Address>(), schema::<DateRange>()] {
        assert_eq!(schema["additionalProperties"], false, "{schema}");
    }
    assert_eq!(schema::<Money>()["required"], json!(["amountMinor", "currency"]));
    assert_eq!(schema::<Address>()["minProperties"], 1);
    assert_eq!(schema::<Address>()["properties"]["postalCode"]["maxLength"], 20);
    assert_eq!(schema::<Tags>()["maxItems"], 50);
    assert_eq!(schema::<Tags>()["items"]["maxLength"], 50);
}
