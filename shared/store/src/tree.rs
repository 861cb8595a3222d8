//! Trees of records that have bounds as a whole.
//!
//! Whether a move keeps a tree within its bounds depends on what is above its new place and on what is below
//! the record that moves, which no condition on single records can say. So changes of a tree's shape happen
//! one after the other: each reads how often the tree has changed and then the tree, and is written only if
//! that number still is the same. A new leaf is in no other's way, only in that of a move: there are two
//! numbers, of moves, which all watch, and of leaves, which moves watch.

use std::collections::HashMap;
use std::iter::successors;

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::Kind;

use crate::expression::Expression;
use crate::range::range;
use crate::record::Tree;
use crate::{StoreError, TenantTable};

/// The parent of each live record of a kind, by their ULIDs.
pub(crate) struct Forest(HashMap<String, Option<String>>);

impl Forest {
    /// Whether a record is there.
    pub(crate) fn has(&self, record: &str) -> bool {
        self.0.contains_key(record)
    }

    /// A record and all above it.
    fn up<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        successors(Some(from), |at| self.0.get(*at)?.as_deref()).take(self.0.len() + 1)
    }

    /// A record and all below it.
    pub(crate) fn down<'a>(&'a self, top: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |record| self.up(record).any(|above| above == top))
    }

    /// Whether `record` may be below `parent`, or a root.
    pub(crate) fn admits(&self, tree: &Tree, record: &str, parent: Option<&str>) -> Result<(), StoreError> {
        let field = tree.field;
        if parent.is_some_and(|parent| !self.has(parent)) {
            // Deleted when the tree was read. One that is restored meanwhile may be anywhere in it.
            return Err(StoreError::NoSuchReference { field });
        }
        if !self.has(record) && self.0.len() >= tree.most {
            return Err(StoreError::TooMany { field });
        }
        let above = || parent.into_iter().flat_map(|parent| self.up(parent));
        if above().any(|ancestor| ancestor == record) {
            return Err(StoreError::Cycle { field });
        }
        let steps = |below: &str| self.up(below).position(|above| above == record).unwrap_or_default();
        let below = self.down(record).map(steps).max().unwrap_or_default();
        if above().count() + 1 + below > tree.depth { Err(StoreError::TooDeep { field }) } else { Ok(()) }
    }
}

/// The ULID of an id's text.
pub(crate) fn ulid_of(id: &str) -> &str {
    id.rsplit('_').next().unwrap_or(id)
}

impl TenantTable {
    /// The forest that the account's live records of a kind make by `field`, as it is after all writes that
    /// were acknowledged.
    pub(crate) async fn forest(&self, kind: Kind, field: &str) -> Result<Forest, StoreError> {
        let mut placeholders = Expression::new();
        let all = placeholders.equals("pk", "partition", self.scope.partition(kind).as_str());
        let items = range(&self.store, self.credentials(), &self.request.meter, &all, &placeholders).await?;
        let live = items.into_iter().filter(|item| !item.contains_key("deletedAt"));
        let text = |value: Option<&AttributeValue>| value.and_then(|value| value.as_s().ok()).cloned();
        let node = |item: crate::record::Item| {
            let parent = text(item.get(field)).map(|id| ulid_of(&id).to_owned());
            Some((text(item.get("sk"))?, parent))
        };
        Ok(Forest(live.filter_map(node).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: Tree = Tree { field: "parentId", depth: 3, most: 6 };

    fn forest(edges: &[(&str, &str)]) -> Forest {
        let parent = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Forest(edges.iter().map(|(record, above)| ((*record).to_owned(), parent(above))).collect())
    }

    fn refusal(forest: &Forest, record: &str, parent: &str) -> Option<String> {
        let parent = (!parent.is_empty()).then_some(parent);
        forest.admits(&TREE, record, parent).err().map(|error| format!("{error:?}"))
    }

    #[test]
    fn a_tree_keeps_its_bounds_above_and_below() {
        let forest = forest(&[("a", ""), ("b", "a"), ("c", "b"), ("d", ""), ("e", "d")]);
        for (record, parent) in [("d", "a"), ("e", "a"), ("b", ""), ("b", "d"), ("new", "e"), ("c", "e")] {
            assert_eq!(refusal(&forest, record, parent), None, "{record} below {parent}");
        }
        for (record, parent) in [("new", "c"), ("d", "b"), ("b", "e"), ("d", "c")] {
            let refusal = refusal(&forest, record, parent).unwrap();
            assert!(refusal.starts_with("TooDeep"), "{record} below {parent}: {refusal}");
        }
        for (record, parent) in [("a", "a"), ("a", "b"), ("a", "c"), ("b", "c")] {
            let refusal = refusal(&forest, record, parent).unwrap();
            assert!(refusal.starts_with("Cycle"), "{record} below {parent}: {refusal}");
        }
    }

    #[test]
    fn a_tree_has_a_most_of_records_and_moves_add_none() {
        let forest = forest(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")]);
        assert!(refusal(&forest, "new", "").unwrap().starts_with("TooMany"));
        assert_eq!(refusal(&forest, "f", "a"), None);
        // A parent that is not there could be restored anywhere in the tree.
        assert!(refusal(&forest, "f", "gone").unwrap().starts_with("NoSuchReference"));
    }

    #[test]
    fn what_is_below_includes_the_record_itself() {
        let forest = forest(&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")]);
        let mut below: Vec<_> = forest.down("a").collect();
        below.sort_unstable();
        assert_eq!(below, ["a", "b", "c"]);
        assert_eq!(forest.down("nothing").count(), 0);
    }
}
