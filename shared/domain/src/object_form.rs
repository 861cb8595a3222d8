//! What every type that is an object in JSON shares.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a `T` from an object. A derived `Deserialize` by itself also takes an array of the fields'
/// values, in order.
///
/// # Errors
/// Something else than an object, or what `T` refuses.
pub fn from_object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(ObjectForm(PhantomData))
}

struct ObjectForm<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Address, DateRange, Money};

    #[test]
    fn an_array_of_the_fields_is_no_object() {
        for json in [r#"[125000,"EUR"]"#, "7", "null"] {
            let error = serde_json::from_str::<Money>(json).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{error}");
        }
        assert!(serde_json::from_str::<Money>(r#"{"amountMinor":125000,"currency":"EUR"}"#).is_ok());
        assert!(serde_json::from_str::<DateRange>(r#"["2026-01-25","2026-01-31"]"#).is_err());
        assert!(serde_json::from_str::<Address>(r#"["Unter den Linden 77"]"#).is_err());
    }
}
