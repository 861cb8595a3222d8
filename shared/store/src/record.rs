//! A record: what every resource's items have in common.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Id, IdKind, Kind, Permission, Tags, Text, Timestamp, UserId};
use nexo_tenant_key::Key;
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};

use crate::StoreError;

/// Attributes of the store's own. The names are such that no resource's field is called so.
pub(crate) const RECORD_KIND: &str = "recordKind";
pub(crate) const RECORD_SCHEMA: &str = "recordSchema";
pub(crate) const CLAIMS: &str = "uniqueClaims";

/// The attribute of the table's TTL.
pub(crate) const EXPIRES_AT: &str = "expiresAt";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The fields of a resource and what the store must know of them.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The kind, which gives ids their prefix and items their partition.
    type Kind: IdKind;

    /// The version of the stored form, for readers of old items.
    const SCHEMA: u32 = 1;

    /// The fields that [`Record::sort_name`] is made of.
    const SORT_FIELDS: &'static [&'static str];

    /// The text that the order by name sorts by, before normalisation.
    fn sort_name(&self) -> String;

    /// Values that no two live records of an account share.
    fn unique(&self) -> Vec<Unique> {
        Vec::new()
    }

    /// Other records that this one names.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// The attribute with the second at which a deleted record is purged. By this one the table's own TTL does
    /// it; whoever has another one does it itself.
    const PURGE_AT: &'static str = EXPIRES_AT;

    /// Fields that the store keeps: they are shown, and no caller gives them.
    const KEPT: &'static [&'static str] = &[];

    /// The attribute by which a record belongs to another of its kind: whoever has it is in no list.
    const HIDDEN_BY: Option<&'static str> = None;

    /// The record that this one is a further version of: it is there only while that one is.
    fn version_of(&self) -> Option<Id<Self::Kind>> {
        None
    }

    /// Whether writes of this kind change other items, too, or follow from what is kept. Then each of them
    /// begins with the record as it was.
    const BOUND: bool = false;

    /// The tree that all records of this kind make, where it has bounds as a whole.
    const TREE: Option<Tree> = None;

    /// Whether other records need this one, so that it cannot be deleted.
    fn is_in_use(&self) -> bool {
        false
    }

    /// What a write adds to the record's history, and what it ends there. It follows from the record as it was
    /// (`None` for a new one) and as it will be, whose kept fields are set here: nothing else may come in, so
    /// that a retry comes to the same.
    ///
    /// # Errors
    /// When an entry cannot be written down.
    fn beside(before: Option<&Entity<Self>>, after: &mut Entity<Self>) -> Result<Vec<Beside>, StoreError> {
        let _ = (before, after);
        Ok(Vec::new())
    }
}

/// A tree of records with bounds that no single path shows: its depth below a record counts, too. Moves happen
/// one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The field that names the parent.
    pub field: &'static str,
    /// The most levels.
    pub depth: usize,
    /// The most records, but for those that come at the same moment: a bound on what reading the tree costs.
    pub most: usize,
}

/// A change of a record's history, in the transaction of the record's own.
#[derive(Clone, Debug)]
pub struct Beside {
    pub(crate) kind: Kind,
    pub(crate) ulid: String,
    pub(crate) change: SideChange,
}

#[derive(Clone, Debug)]
pub(crate) enum SideChange {
    Add(Item),
    End(&'static str, String),
}

impl Beside {
    /// Adds an entry.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn add<K: IdKind>(id: &Id<K>, entry: &impl Serialize) -> Result<Self, StoreError> {
        let change = SideChange::Add(attributes(entry)?);
        Ok(Self { kind: K::KIND, ulid: id.ulid().to_owned(), change })
    }

    /// Sets the `field` of an entry that has none yet.
    pub fn end<K: IdKind>(id: &Id<K>, field: &'static str, value: &impl ToString) -> Self {
        let change = SideChange::End(field, value.to_string());
        Self { kind: K::KIND, ulid: id.ulid().to_owned(), change }
    }
}

/// A value that no two live records of one kind and account share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The field a conflict is reported for.
    pub field: &'static str,
    /// The value, normalised so that equal means equal.
    pub value: String,
}

impl Unique {
    /// A value that is compared without regard to case.
    pub fn folded(field: &'static str, value: &impl ToString) -> Self {
        Self { field, value: fold(&value.to_string()) }
    }

    /// The text kept on the record: while it stands there, the marker is in force.
    pub(crate) fn claim(&self) -> String {
        format!("{}={}", self.field, self.value)
    }
}

/// A field that names another record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The field.
    pub field: &'static str,
    /// The record's id, as text.
    pub id: String,
    /// The record's ULID.
    pub ulid: String,
    /// What it must be, and whether it makes a tree.
    pub target: Target,
    /// What the caller needs for it: a record that is beyond the reach of this is none.
    pub permission: Option<Permission>,
    /// An attribute with which a record is not named anew.
    pub unless: Option<(&'static str, &'static str)>,
}

impl Reference {
    /// A field that names a user of the account.
    pub fn user(field: &'static str, id: &UserId) -> Self {
        Self::new(field, id, Target::Record(Kind::User), None)
    }

    /// A field that names a record. Whoever names it needs `permission` for it.
    pub fn to<K: IdKind>(field: &'static str, id: &Id<K>, permission: Permission) -> Self {
        Self::new(field, id, Target::Record(K::KIND), Some(permission))
    }

    /// A field that names the parent, of the same kind. Whoever names it needs `permission` for it.
    pub fn parent<K: IdKind>(field: &'static str, id: &Id<K>, permission: Permission) -> Self {
        Self::new(field, id, Target::Parent, Some(permission))
    }

    /// A field that names a record which counts who does. Whoever names it needs `permission` for it.
    pub fn counted<K: IdKind>(
        field: &'static str,
        id: &Id<K>,
        counter: Counter,
        permission: Permission,
    ) -> Self {
        Self::new(field, id, Target::Counted(K::KIND, counter), Some(permission))
    }

    fn new<K: IdKind>(
        field: &'static str,
        id: &Id<K>,
        target: Target,
        permission: Option<Permission>,
    ) -> Self {
        Self { field, id: id.to_string(), ulid: id.ulid().to_owned(), target, permission, unless: None }
    }

    /// No record with this attribute is named anew.
    #[must_use]
    pub fn unless(mut self, attribute: &'static str, value: &'static str) -> Self {
        self.unless = Some((attribute, value));
        self
    }

    /// Why `found` cannot be named, if it cannot.
    pub(crate) fn refuses(&self, found: Option<&Item>) -> Option<StoreError> {
        let field = self.field;
        let Some(item) = found.filter(|item| !item.contains_key("deletedAt")) else {
            return Some(StoreError::NoSuchReference { field });
        };
        let (attribute, value) = self.unless?;
        let is_closed = item.get(attribute) == Some(&AttributeValue::S(value.into()));
        is_closed.then_some(StoreError::NotOpen { field })
    }

    pub(crate) fn names_the_same(&self, other: &Self) -> bool {
        (self.field, &self.id) == (other.field, &other.id)
    }
}

/// How a record counts those that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its attribute with the number.
    pub attribute: &'static str,
    /// Its attribute with the most there can be.
    pub limit: Option<&'static str>,
    /// Its attribute that must have this value while more come.
    pub open: Option<(&'static str, &'static str)>,
}

impl Counter {
    /// A number without bounds.
    pub const fn of(attribute: &'static str) -> Self {
        Self { attribute, limit: None, open: None }
    }
}

/// What a [`Reference`] points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A record that must exist.
    Record(Kind),
    /// The parent, of the same kind: it must exist and the tree must stay a tree.
    Parent,
    /// A record that must exist, and counts those that name it.
    Counted(Kind, Counter),
}

/// What a caller gives of a record.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Input<R> {
    /// The user who is responsible for the record.
    #[serde(default)]
    pub owner_id: Option<UserId>,
    /// Free labels.
    #[serde(default)]
    pub tags: Tags,
    /// The record's name in another system.
    #[serde(default)]
    pub external_id: Option<Text<255>>,
    /// The resource's own fields.
    #[serde(flatten)]
    pub fields: R,
}

/// A record with its envelope, as it is answered.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase", bound = "R: Record")]
pub struct Entity<R: Record> {
    /// The id.
    pub id: Id<R::Kind>,
    /// Counts the writes; the `ETag`.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: UserId,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who last wrote it.
    pub updated_by: UserId,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// What callers give.
    #[serde(flatten)]
    pub input: Input<R>,
}

impl<R: Record> Entity<R> {
    /// Reads a stored item. The envelope's attributes are taken out by name: a flattened `Deserialize`
    /// would copy every attribute twice over.
    pub(crate) fn from_item(mut item: Item) -> Result<Self, StoreError> {
        let Some(AttributeValue::S(ulid)) = item.remove("sk") else {
            return Err(StoreError::Corrupt("an item without sk".into()));
        };
        let id = Id::parse(&format!("{}_{ulid}", R::Kind::KIND.prefix()));
        let item = &mut item;
        Ok(Self {
            id: id.map_err(|_| StoreError::Corrupt("an item with another kind's sk".into()))?,
            version: required(item, "version")?,
            created_at: required(item, "createdAt")?,
            created_by: required(item, "createdBy")?,
            updated_at: required(item, "updatedAt")?,
            updated_by: required(item, "updatedBy")?,
            deleted_at: optional(item, "deletedAt")?,
            input: Input {
                owner_id: optional(item, "ownerId")?,
                tags: optional(item, "tags")?.unwrap_or_default(),
                external_id: optional(item, "externalId")?,
                fields: R::deserialize(Named(item))?,
            },
        })
    }

    /// What a caller gives, with what the store keeps of this record.
    ///
    /// # Errors
    /// When the fields are not those of a record.
    pub fn keep(&self, mut input: Input<R>) -> Result<Input<R>, StoreError> {
        if !R::KEPT.is_empty() {
            let kept: Item = serde_dynamo::to_item(&self.input.fields)?;
            let mut fields: Item = serde_dynamo::to_item(&input.fields)?;
            fields.extend(kept.into_iter().filter(|(name, _)| R::KEPT.contains(&name.as_str())));
            input.fields = serde_dynamo::from_item(fields)?;
        }
        Ok(input)
    }

    /// The item to store under `key`: the entity's own attributes, without what is null or empty.
    pub(crate) fn to_item(&self, key: &Key) -> Result<Item, StoreError> {
        let mut item = attributes(self)?;
        item.remove("id");
        item.insert("pk".into(), AttributeValue::S(key.partition().as_str().into()));
        item.insert("sk".into(), AttributeValue::S(key.sort().into()));
        item.insert(RECORD_KIND.into(), AttributeValue::S(R::Kind::KIND.prefix().into()));
        item.insert(RECORD_SCHEMA.into(), AttributeValue::N(R::SCHEMA.to_string()));
        for (name, value) in index_attributes(self) {
            item.insert(name.into(), AttributeValue::S(value));
        }
        if let Some(claims) = claims(&self.input.fields) {
            item.insert(CLAIMS.into(), claims);
        }
        Ok(item)
    }
}

/// An item that is no resource's record, with what says what it is, and of which form.
pub(crate) fn marked(mut item: Item, kind: &str) -> Item {
    item.insert(RECORD_KIND.into(), AttributeValue::S(kind.into()));
    item.insert(RECORD_SCHEMA.into(), AttributeValue::N("1".into()));
    item
}

fn required<T: DeserializeOwned>(item: &mut Item, name: &str) -> Result<T, StoreError> {
    optional(item, name)?.ok_or_else(|| StoreError::Corrupt(format!("an item without {name}")))
}

fn optional<T: DeserializeOwned>(item: &mut Item, name: &str) -> Result<Option<T>, StoreError> {
    item.remove(name).map_or(Ok(None), |value| Ok(serde_dynamo::from_attribute_value(value)?))
}

/// Gives a struct the attributes it names, and no others: an item has those of the store too.
struct Named<'a>(&'a mut Item);

impl<'de> Deserializer<'de> for Named<'_> {
    type Error = serde_dynamo::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let named = fields.iter().filter_map(|name| Some((*name, Attribute(self.0.remove(*name)?))));
        visitor.visit_map(MapDeserializer::new(named))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("a record is a struct, without flattened parts"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Attribute(AttributeValue);

impl IntoDeserializer<'_, serde_dynamo::Error> for Attribute {
    type Deserializer = serde_dynamo::Deserializer;

    fn into_deserializer(self) -> Self::Deserializer {
        serde_dynamo::Deserializer::from_attribute_value(self.0.into())
    }
}

/// The attributes of `value`, without what is null or an empty list.
pub(crate) fn attributes<T: Serialize>(value: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(value)?;
    item.retain(|_, value| !is_absent(value));
    Ok(item)
}

fn is_absent(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Null(_) => true,
        AttributeValue::L(list) => list.is_empty(),
        _ => false,
    }
}

/// The record's places in the two indexes. Their partitions are the table's, so there is no other
/// account's to be in.
pub(crate) fn index_attributes<R: Record>(entity: &Entity<R>) -> [(&'static str, String); 2] {
    [("gsi1sk", name_key(&entity.input.fields.sort_name())), ("gsi2sk", entity.updated_at.to_string())]
}

/// A name as the index sorts it. A prefix of a folded name is a prefix of its key. Names need not
/// differ: an index keeps items of one key apart by the table's own.
pub(crate) fn name_key(name: &str) -> String {
    let mut folded = fold(name);
    folded.truncate(folded.floor_char_boundary(LONGEST_SORT_KEY));
    // A sort key is never empty.
    if folded.is_empty() { " ".to_owned() } else { folded }
}

/// The most bytes of a sort key.
const LONGEST_SORT_KEY: usize = 1024;

/// Names compare without regard to case. The two small sigmas are one letter: which of them a capital
/// becomes depends on what follows, and a prefix ends earlier than its name.
pub(crate) fn fold(name: &str) -> String {
    name.trim().to_lowercase().replace('ς', "σ")
}

/// The unique values a record holds, as stored on it; `None` when there are none.
pub(crate) fn claims<R: Record>(fields: &R) -> Option<AttributeValue> {
    let claims: Vec<_> = fields.unique().iter().map(|unique| AttributeValue::S(unique.claim())).collect();
    (!claims.is_empty()).then_some(AttributeValue::L(claims))
}

#[cfg(test)]
mod tests;
