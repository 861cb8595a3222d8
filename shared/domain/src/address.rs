//! Postal addresses.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{CountryCode, Invalid, Text};

/// A postal address with at least one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Address {
    fields: AddressFields,
}

/// The fields of an [`Address`]. Any may be missing: countries differ in what they use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an address")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AddressFields {
    /// Street and number, or a post box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line1: Option<Text<200>>,
    /// Building, floor, care of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<Text<200>>,
    /// City, town or village.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Text<100>>,
    /// State, province or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Text<100>>,
    /// Postal code, as it is written in the country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Text<20>>,
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<CountryCode>,
}

impl Address {
    /// An address of these fields. Refused: `empty`, when all are missing.
    pub fn new(fields: AddressFields) -> Result<Self, Invalid> {
        if fields == AddressFields::default() {
            Err(Invalid::new("empty", "must have at least one field"))
        } else {
            Ok(Self { fields })
        }
    }

    /// The fields.
    pub const fn fields(&self) -> &AddressFields {
        &self.fields
    }

    /// The fields, to make another address of.
    pub fn into_fields(self) -> AddressFields {
        self.fields
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(AddressFields::deserialize(deserializer)?).map_err(Invalid::into_de_error)
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = AddressFields::json_schema(generator);
        schema.insert("description".to_owned(), "A postal address".into());
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_only_the_fields_that_are_there() {
        let json = r#"{"line1":"Unter den Linden 77","postalCode":"10117","country":"DE"}"#;
        let address: Address = serde_json::from_str(json).unwrap();
        assert_eq!(address.fields().line1, Some("Unter den Linden 77".parse().unwrap()));
        assert_eq!(address.fields().city, None);
        assert_eq!(serde_json::to_string(&address).unwrap(), json);
    }

    #[test]
    fn null_is_a_missing_field() {
        let address: Address = serde_json::from_str(r#"{"city":"Oslo","line2":null}"#).unwrap();
        assert_eq!(serde_json::to_string(&address).unwrap(), r#"{"city":"Oslo"}"#);
    }

    #[test]
    fn an_address_of_nothing_is_refused() {
        for json in ["{}", r#"{"city":null}"#] {
            let error = serde_json::from_str::<Address>(json).unwrap_err().to_string();
            let expected = ("empty".to_owned(), "must have at least one field".to_owned());
            assert_eq!(Invalid::from_de_message(&error), Some(expected));
        }
    }

    #[test]
    fn unknown_and_wrong_fields_are_refused() {
        for json in [
            r#"{"city":"Oslo","zip":"1"}"#,
            r#"{"city":""}"#,
            r#"{"country":"Norway"}"#,
            r#"{"postalCode":1}"#,
            r#""Oslo""#,
        ] {
            assert!(serde_json::from_str::<Address>(json).is_err(), "{json}");
        }
    }
}
