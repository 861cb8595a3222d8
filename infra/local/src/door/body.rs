//! The request's body, read once and only as far as the guard needs it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A string, borrowed from the body unless it has escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A JSON object in which no key is twice. Of a repeated key one reader may see the first and
/// another the last value; so that guard and engine cannot differ, it is refused.
#[derive(Debug)]
pub(super) struct Unique<'a, V> {
    entries: Vec<(Cow<'a, str>, V)>,
}

/// Attributes by name, their values unread.
pub(super) type Attributes<'a> = Unique<'a, &'a RawValue>;
/// What the `#placeholders` of an expression stand for.
pub(super) type Names<'a> = Unique<'a, Text<'a>>;

impl<'a, V> Unique<'a, V> {
    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn entries(&self) -> &[(Cow<'a, str>, V)] {
        &self.entries
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Unique<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<'a, V>(PhantomData<(&'a (), V)>);

        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for Entries<'a, V> {
            type Value = Unique<'a, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries: Vec<(Cow<'a, str>, V)> = Vec::with_capacity(16);
                while let Some((Text(key), value)) = map.next_entry::<Text<'a>, V>()? {
                    if entries.iter().any(|(name, _)| *name == key) {
                        return Err(M::Error::custom(format!("{key} is there twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Unique { entries })
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// The fields of a request, or of one action of a transaction, that say which items it is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Call<'a> {
    pub(super) table_name: Option<Text<'a>>,
    pub(super) index_name: Option<Text<'a>>,
    pub(super) key: Option<Attributes<'a>>,
    pub(super) item: Option<Attributes<'a>>,
    pub(super) key_condition_expression: Option<Text<'a>>,
    pub(super) update_expression: Option<Text<'a>>,
    pub(super) expression_attribute_names: Option<Names<'a>>,
    pub(super) expression_attribute_values: Option<Attributes<'a>>,
    pub(super) request_items: Option<Unique<'a, Batch<'a>>>,
    pub(super) transact_items: Option<Vec<Unique<'a, Call<'a>>>>,
    /// The older ways to say what expressions say; a request with one of them is refused.
    key_conditions: Option<IgnoredAny>,
    attribute_updates: Option<IgnoredAny>,
}

/// The keys of a `BatchGetItem` for one table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Batch<'a> {
    pub(super) keys: Vec<Attributes<'a>>,
}

impl Call<'_> {
    pub(super) fn is_legacy(&self) -> bool {
        self.key_conditions.is_some() || self.attribute_updates.is_some()
    }
}

/// The string in an attribute value: exactly `{"S": "…"}`.
pub(super) fn string<'a>(value: &&'a RawValue) -> Option<Cow<'a, str>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
    struct StringValue<'a> {
        #[serde(rename = "S")]
        text: Text<'a>,
    }
    serde_json::from_str::<StringValue<'a>>(value.get()).ok().map(|value| value.text.0)
}
