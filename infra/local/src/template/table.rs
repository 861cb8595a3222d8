//! The table.

use super::TemplateError;
use super::resolve::Resolver;
use super::value::Object;

/// The one `AWS::DynamoDB::Table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name here.
    pub name: String,
    /// Its ARN here; an index is `<arn>/index/<name>`.
    pub arn: String,
    /// Its primary key: the partition key, then the sort key if it has one.
    pub key: Vec<KeyAttribute>,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute with the time, in seconds since 1970, after which an item may go.
    pub ttl_attribute: Option<String>,
    /// What its stream shows, such as `NEW_AND_OLD_IMAGES`; `None` without a stream.
    pub stream: Option<String>,
}

#[cfg(test)]
impl Table {
    /// The table as it would be if its indexes had partition keys of their own: what the guard must
    /// be ready for, and this project's table has no need of.
    pub(crate) fn with_partitions_of_its_indexes(mut self) -> Self {
        for index in &mut self.indexes {
            index.key[0].name = format!("{}pk", index.name);
        }
        self
    }
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Vec<KeyAttribute>,
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
    /// The attributes of an `INCLUDE` projection.
    pub included: Vec<String>,
}

/// An attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its place in the key.
    pub kind: KeyKind,
    /// Its type.
    pub data: KeyType,
}

/// The place of an attribute in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The partition key.
    Partition,
    /// The sort key.
    Sort,
}

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// A string (`S`).
    String,
    /// A number (`N`).
    Number,
    /// Bytes (`B`).
    Binary,
}

impl KeyType {
    /// DynamoDB's letter for it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

impl KeyKind {
    /// DynamoDB's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Partition => "HASH",
            Self::Sort => "RANGE",
        }
    }
}

const NEEDED: [&str; 6] = [
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "TimeToLiveSpecification",
    "StreamSpecification",
];

pub(super) fn read(resolver: &Resolver<'_>) -> Result<Table, TemplateError> {
    let tables = resolver.resources("AWS::DynamoDB::Table")?;
    let [resource] = tables.as_slice() else {
        return Err(TemplateError::new(
            resolver.place(&[]),
            format!("one AWS::DynamoDB::Table is needed, {} are there", tables.len()),
        ));
    };
    let mut table = Object { place: resolver.place(&[resource.id]), fields: serde_json::Map::new() };
    for name in NEEDED {
        if let Some(value) = resolver.property(resource, name)? {
            table.fields.insert(name.to_owned(), value);
        }
    }
    if !table.objects("LocalSecondaryIndexes")?.is_empty() {
        return Err(table.error("LocalSecondaryIndexes are not supported locally"));
    }
    let types = table.objects("AttributeDefinitions")?;
    let mut indexes = Vec::new();
    for index in table.objects("GlobalSecondaryIndexes")? {
        let projection = index.optional_object("Projection")?.ok_or_else(|| index.error("no Projection"))?;
        indexes.push(Index {
            name: index.text("IndexName")?,
            key: key(&index, &types)?,
            projection: projection.text("ProjectionType")?,
            included: projection.texts("NonKeyAttributes")?,
        });
    }
    let ttl_attribute = match table.optional_object("TimeToLiveSpecification")? {
        Some(ttl) if ttl.flag("Enabled")? => Some(ttl.text("AttributeName")?),
        _ => None,
    };
    Ok(Table {
        name: resolver.physical_name(resource, 0)?,
        arn: resolver.arn(resource, 0)?,
        key: key(&table, &types)?,
        indexes,
        ttl_attribute,
        stream: table
            .optional_object("StreamSpecification")?
            .map(|stream| stream.text("StreamViewType"))
            .transpose()?,
    })
}

fn key(owner: &Object, types: &[Object]) -> Result<Vec<KeyAttribute>, TemplateError> {
    let mut attributes = Vec::new();
    for part in owner.objects("KeySchema")? {
        let name = part.text("AttributeName")?;
        let mut letter = None;
        for definition in types {
            if definition.text("AttributeName")? == name {
                letter = Some(definition.text("AttributeType")?);
            }
        }
        attributes.push(KeyAttribute {
            kind: match part.text("KeyType")?.as_str() {
                "HASH" => KeyKind::Partition,
                "RANGE" => KeyKind::Sort,
                _ => return Err(part.error("its KeyType is neither HASH nor RANGE")),
            },
            data: match letter.as_deref() {
                Some("S") => KeyType::String,
                Some("N") => KeyType::Number,
                Some("B") => KeyType::Binary,
                _ => return Err(part.error(format!("no AttributeDefinition of {name}"))),
            },
            name,
        });
    }
    if attributes.iter().filter(|attribute| attribute.kind == KeyKind::Partition).count() != 1 {
        return Err(owner.error("its KeySchema has not one HASH attribute"));
    }
    Ok(attributes)
}
