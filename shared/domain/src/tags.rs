//! Tags on a record.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Invalid, Text};

/// The most tags a record can have.
const MAX: usize = 50;

/// One tag: a line of at most 50 characters.
pub type Tag = Text<50>;

/// At most 50 tags in the order given, no two of which differ only in case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// The tags, each kept once in its first spelling. Refused: `too_many`.
    pub fn new(tags: impl IntoIterator<Item = Tag>) -> Result<Self, Invalid> {
        let mut seen: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        for tag in tags {
            let folded = folded(tag.as_str());
            if seen.contains(&folded) {
                continue;
            }
            if kept.len() == MAX {
                return Err(Invalid::new("too_many", format!("must be at most {MAX} tags")));
            }
            seen.push(folded);
            kept.push(tag);
        }
        Ok(Self(kept))
    }

    /// The tags, in order.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `tag` is among them, in any case.
    pub fn contains(&self, tag: &Tag) -> bool {
        let wanted = folded(tag.as_str());
        self.0.iter().any(|tag| folded(tag.as_str()) == wanted)
    }
}

/// `tag` without the differences that do not count. Through upper case, because that is what joins
/// the Greek sigmas, and ß with ss.
fn folded(tag: &str) -> String {
    tag.to_uppercase().to_lowercase()
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<Tag>::deserialize(deserializer)?).map_err(Invalid::into_de_error)
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Tags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tags".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Not `uniqueItems`: repetitions are accepted and dropped.
        schemars::json_schema!({
            "type": "array",
            "items": generator.subschema_for::<Tag>(),
            "maxItems": MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(json: &str) -> Result<Tags, String> {
        serde_json::from_str(json).map_err(|error| {
            Invalid::from_de_message(&error.to_string()).map_or(error.to_string(), |it| it.0)
        })
    }

    #[test]
    fn order_and_first_spelling_are_kept() {
        let tags = tags(r#"["VIP"," Zürich ","vip","ZU\u0308RICH","a"]"#).unwrap();
        assert_eq!(serde_json::to_string(&tags).unwrap(), r#"["VIP","Zürich","a"]"#);
        assert!(tags.contains(&"zürich".parse().unwrap()));
        assert!(!tags.contains(&"b".parse().unwrap()));
        assert!(Tags::default().is_empty());
    }

    #[test]
    fn fifty_is_the_limit_after_repetitions_are_dropped() {
        let list = |count: usize| {
            let words: Vec<_> = (0..count).flat_map(|n| [format!("t{n}"), format!("T{n}")]).collect();
            serde_json::to_string(&words).unwrap()
        };
        assert_eq!(tags(&list(50)).map(|tags| tags.as_slice().len()), Ok(50));
        assert_eq!(tags(&list(51)), Err("too_many".to_owned()));
    }

    #[test]
    fn each_tag_is_one_short_line() {
        assert_eq!(tags(r#"[""]"#), Err("empty".to_owned()));
        assert_eq!(tags(r#"["a\nb"]"#), Err("invalid_character".to_owned()));
        assert_eq!(tags(&format!(r#"["{}"]"#, "x".repeat(51))), Err("too_long".to_owned()));
    }
}
