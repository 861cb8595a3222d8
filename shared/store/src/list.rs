//! Pages of an account's records.

use std::marker::PhantomData;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use nexo_domain::{IdKind, Kind, UserId};
use nexo_tenant_key::{Partition, Position};

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::Units;
use crate::record::{Entity, Item, RECORD_KIND, Record, Tree, fold};
use crate::table::OWNER;
use crate::tree::ulid_of;
use crate::{StoreError, TenantTable};

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By creation: the table itself, since ids are made in time order.
    Created,
    /// By name, without regard to case.
    Name,
    /// By last change.
    Updated,
}

/// A condition on what is listed.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// The attribute has this value.
    Equals(&'static str, String),
    /// The attribute has another value than this one.
    Not(&'static str, &'static str),
    /// The attribute, a list, has this member.
    Contains(&'static str, String),
    /// The record's name begins so, without regard to case.
    NamePrefix(String),
    /// The attribute's text is not before this one.
    From(&'static str, String),
    /// The attribute's text is not after this one.
    Until(&'static str, String),
    /// The attribute names this record of a tree or one below it.
    Within(&'static str, Kind, Tree, String),
}

/// One page's worth of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// What it is sorted by.
    pub order: Order,
    /// Greatest first.
    pub descending: bool,
    /// At most this many records.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Position>,
    /// All must hold.
    pub filters: Vec<Filter>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Listed<R: Record> {
    /// The records.
    pub records: Vec<Entity<R>>,
    /// Where the next page begins; `None` at the end of the list.
    pub next: Option<Position>,
}

/// A filtered page reads at most this many records, so that no filter makes a request expensive. It
/// may therefore hold fewer than `limit`, and still have a next one.
const MOST_READ: usize = 1000;

struct Index {
    name: Option<&'static str>,
    sort: &'static str,
    /// Costs twice as much; only the table itself can.
    is_consistent: bool,
}

impl Order {
    const fn index(self) -> Index {
        match self {
            Self::Created => Index { name: None, sort: "sk", is_consistent: false },
            Self::Name => Index { name: Some("gsi1"), sort: "gsi1sk", is_consistent: false },
            Self::Updated => Index { name: Some("gsi2"), sort: "gsi2sk", is_consistent: false },
        }
    }
}

impl TenantTable {
    /// A page of the account's records of one kind.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list<R: Record>(&self, query: &ListQuery) -> Result<Listed<R>, StoreError> {
        let partition = self.scope.partition(R::Kind::KIND);
        let index = query.order.index();
        let conditions = self.conditions::<R>(query, &index, &partition).await?;
        let filtered = conditions.filter.is_some() && (!query.filters.is_empty() || self.owners.is_some());
        let mut found: Vec<Item> = Vec::new();
        let mut start = query.after.as_ref().map(|after| start_key(&index, &partition, after));
        let mut read = 0;
        let exhausted = loop {
            // One more than asked for, to know whether there is a next page.
            let step = match (filtered, read) {
                (false, 0) => query.limit + 1,
                // Deleted records, or those that belong to another, lay in between: each further read takes as
                // many as all before it, so that a thousand of them are a few reads.
                (false, _) => read.min(MOST_READ - read),
                // Most filters let a good part through; only a rare value is looked for further.
                (true, 0) => (4 * (query.limit + 1)).min(MOST_READ),
                (true, _) => MOST_READ - read,
            };
            let page = self.page(&index, &conditions, query.descending, step, start.take()).await?;
            read += page.read;
            found.extend(page.items);
            start = page.next;
            if start.is_none() {
                break true;
            }
            if found.len() > query.limit || read >= MOST_READ {
                break false;
            }
        };
        let overfull = found.len() > query.limit;
        found.truncate(query.limit);
        let next = if overfull {
            found.last().and_then(|item| position(&index, item))
        } else if exhausted {
            None
        } else {
            start.as_ref().and_then(|key| position(&index, key))
        };
        let records = found.into_iter().map(Entity::from_item).collect::<Result<_, _>>()?;
        Ok(Listed { records, next })
    }

    /// Goes through the account's records of one kind: each read looks at `query.limit` records, or at the 1 MB of
    /// one answer of the store, and everything found is handed over. [`TenantTable::list`] reads ahead instead, to
    /// fill pages and to know where the list ends.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn walk<R: Record>(&self, query: &ListQuery) -> Result<Walk<'_, R>, StoreError> {
        self.walk_index(query, query.order.index()).await
    }

    /// Goes through all of the account's records of one kind, as they are after all writes that were acknowledged, in
    /// the order of their creation.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn walk_all<R: Record>(&self) -> Result<Walk<'_, R>, StoreError> {
        let (order, descending) = (Order::Created, false);
        let all = ListQuery { order, descending, limit: usize::MAX, after: None, filters: vec![] };
        self.walk_index(&all, Index { is_consistent: true, ..order.index() }).await
    }

    async fn walk_index<R: Record>(
        &self,
        query: &ListQuery,
        index: Index,
    ) -> Result<Walk<'_, R>, StoreError> {
        let partition = self.scope.partition(R::Kind::KIND);
        let conditions = self.conditions::<R>(query, &index, &partition).await?;
        let start = query.after.as_ref().map(|after| start_key(&index, &partition, after));
        Ok(Walk {
            table: self,
            index,
            conditions,
            descending: query.descending,
            limit: query.limit,
            start,
            is_over: false,
            records: PhantomData,
        })
    }

    /// The conditions of a list, for which a tree may have to be read.
    async fn conditions<R: Record>(
        &self,
        query: &ListQuery,
        index: &Index,
        partition: &Partition,
    ) -> Result<Conditions, StoreError> {
        let mut conditions =
            Conditions::of(&query.filters, self.owners.as_deref(), query.order, index, partition);
        if let Some(attribute) = R::HIDDEN_BY {
            conditions.without(attribute);
        }
        for filter in &query.filters {
            if let Filter::Within(attribute, kind, tree, top) = filter {
                let forest = self.forest(*kind, tree.field).await?;
                conditions.within(attribute, *kind, forest.down(ulid_of(top)));
            }
        }
        Ok(conditions)
    }

    /// Whether any of the account's records of one kind passes `filter`, as they are after all writes that
    /// were acknowledged.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn any<R: Record>(&self, filter: Filter) -> Result<bool, StoreError> {
        let partition = self.scope.partition(R::Kind::KIND);
        let (order, filters) = (Order::Created, [filter]);
        let index = Index { is_consistent: true, ..order.index() };
        let conditions = Conditions::of(&filters, self.owners.as_deref(), order, &index, &partition);
        let mut start = None;
        loop {
            let page = self.page(&index, &conditions, false, MOST_READ, start).await?;
            if !page.items.is_empty() || page.next.is_none() {
                return Ok(!page.items.is_empty());
            }
            start = page.next;
        }
    }

    /// All of the account's records of one kind within the caller's reach that pass `filters`, oldest first,
    /// unless they are more than `most`; and whether these are all.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all<R: Record>(
        &self,
        filters: &[Filter],
        most: usize,
    ) -> Result<(Vec<Entity<R>>, bool), StoreError> {
        let partition = self.scope.partition(R::Kind::KIND);
        let index = Order::Created.index();
        let conditions = Conditions::of(filters, self.owners.as_deref(), Order::Created, &index, &partition);
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let page = self.page(&index, &conditions, false, usize::MAX, start).await?;
            items.extend(page.items);
            start = page.next;
            if start.is_none() || items.len() > most {
                break;
            }
        }
        let is_all = items.len() <= most;
        items.truncate(most);
        Ok((items.into_iter().map(Entity::from_item).collect::<Result<_, _>>()?, is_all))
    }

    async fn page(
        &self,
        index: &Index,
        conditions: &Conditions,
        descending: bool,
        limit: usize,
        start: Option<Item>,
    ) -> Result<Page, StoreError> {
        self.request.meter.call();
        let answer = self
            .store
            .client
            .query()
            .table_name(&self.store.table)
            .set_index_name(index.name.map(str::to_owned))
            .key_condition_expression(&conditions.key)
            .consistent_read(index.is_consistent)
            .set_filter_expression(conditions.filter.clone())
            .set_expression_attribute_names(conditions.placeholders.names())
            .set_expression_attribute_values(conditions.placeholders.values())
            .scan_index_forward(!descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.credentials())
            .send()
            .await
            .map_err(|error| sort("Query", &error))?;
        self.request.meter.consumed(Units::Read, answer.consumed_capacity());
        Ok(Page {
            read: usize::try_from(answer.scanned_count).unwrap_or(limit),
            next: answer.last_evaluated_key,
            items: answer.items.unwrap_or_default(),
        })
    }
}

/// A way through a list, read by read: see [`TenantTable::walk`].
pub struct Walk<'a, R> {
    table: &'a TenantTable,
    index: Index,
    conditions: Conditions,
    descending: bool,
    limit: usize,
    start: Option<Item>,
    is_over: bool,
    records: PhantomData<R>,
}

impl<R: Record> Walk<'_, R> {
    /// Reads on. There may be nothing in one read, and more in the next.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn step(&mut self) -> Result<Vec<Entity<R>>, StoreError> {
        if self.is_done() {
            return Ok(Vec::new());
        }
        let start = self.start.take();
        let page = self.table.page(&self.index, &self.conditions, self.descending, self.limit, start).await?;
        self.is_over = page.next.is_none();
        self.start = page.next;
        page.items.into_iter().map(Entity::from_item).collect()
    }

    /// Whether the list has ended.
    pub fn is_done(&self) -> bool {
        self.is_over
    }

    /// Where the list goes on; `None` where it has ended.
    pub fn position(&self) -> Option<Position> {
        self.start.as_ref().and_then(|key| position(&self.index, key))
    }
}

struct Page {
    items: Vec<Item>,
    next: Option<Item>,
    read: usize,
}

/// The key condition and the filter of a list.
struct Conditions {
    key: String,
    filter: Option<String>,
    placeholders: Expression,
}

impl Conditions {
    fn of(
        given: &[Filter],
        owners: Option<&[UserId]>,
        order: Order,
        index: &Index,
        partition: &Partition,
    ) -> Self {
        let mut placeholders = Expression::new();
        let mut key = placeholders.equals("pk", "partition", partition.as_str());
        let mut filters = Vec::new();
        if index.name.is_none() {
            // Deleted records have left the indexes; in the table itself they are still there.
            filters.push(placeholders.absent("deletedAt"));
        }
        if let Some(owners) = owners {
            filters.push(placeholders.any_of(OWNER, "owner", owners));
        }
        for (number, filter) in given.iter().enumerate() {
            let value = format!("filter{number}");
            match filter {
                Filter::Equals(attribute, wanted) => {
                    filters.push(placeholders.equals(attribute, &value, wanted));
                }
                Filter::Not(attribute, other) => {
                    filters.push(placeholders.compare(attribute, "<>", &value, other));
                }
                Filter::Contains(attribute, wanted) => {
                    filters.push(placeholders.function("contains", attribute, &value, wanted));
                }
                Filter::From(attribute, first) => {
                    filters.push(placeholders.compare(attribute, ">=", &value, first));
                }
                Filter::Until(attribute, last) => {
                    filters.push(placeholders.compare(attribute, "<=", &value, last));
                }
                // What is below is not known yet.
                Filter::Within(..) => {}
                Filter::NamePrefix(prefix) => {
                    let test = placeholders.function("begins_with", "gsi1sk", &value, &fold(prefix));
                    if order == Order::Name {
                        key = format!("{key} AND {test}");
                    } else {
                        filters.push(test);
                    }
                }
            }
        }
        Self { key, filter: (!filters.is_empty()).then(|| filters.join(" AND ")), placeholders }
    }

    /// Leaves out what has this attribute.
    fn without(&mut self, attribute: &str) {
        let test = self.placeholders.absent(attribute);
        let others = self.filter.take().map(|others| format!("{others} AND ")).unwrap_or_default();
        self.filter = Some(format!("{others}{test}"));
    }

    /// The attribute names one of these records. A comparison takes 100 of them.
    fn within<'a>(&mut self, attribute: &str, kind: Kind, records: impl Iterator<Item = &'a str>) {
        let ids: Vec<_> = records.map(|ulid| format!("{}_{ulid}", kind.prefix())).collect();
        let hundreds = ids.chunks(100).enumerate();
        let tests: Vec<_> = hundreds
            .map(|(number, ids)| self.placeholders.any_of(attribute, &format!("w{number}_"), ids))
            .collect();
        // There may be no such record: nothing names it.
        let test = if tests.is_empty() { self.placeholders.absent(RECORD_KIND) } else { tests.join(" OR ") };
        let others = self.filter.take().map(|others| format!("{others} AND ")).unwrap_or_default();
        self.filter = Some(format!("{others}({test})"));
    }
}

fn start_key(index: &Index, partition: &Partition, after: &Position) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut key = Item::from([("pk".into(), text(partition.as_str())), ("sk".into(), text(&after.record))]);
    if index.name.is_some() {
        key.insert(index.sort.into(), text(after.sorted_by.as_deref().unwrap_or_default()));
    }
    key
}

fn position(index: &Index, item: &Item) -> Option<Position> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Position { record: text("sk")?, sorted_by: index.name.and_then(|_| text(index.sort)) })
}
