//! What a request asks for, in the terms of policies.

use std::borrow::Cow;

use super::body::{Attributes, Call, Names, Text, string};
use super::expression::{Assignment, Expression};
use crate::template::{KeyAttribute, KeyKind, Table};

/// One action on the table: what AWS authorises.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Access<'a> {
    /// The IAM action.
    pub(super) action: &'static str,
    /// The ARN of the table or the index.
    pub(super) resource: String,
    /// The partition key values it names: `dynamodb:LeadingKeys`.
    pub(super) keys: Vec<Cow<'a, str>>,
    /// The partition keys of indexes it would write. AWS does not look at them; this guard holds
    /// them to the same patterns, so that no item of one account shows up in another's index.
    pub(super) index_keys: Vec<Cow<'a, str>>,
    /// Whether it changes the items it names.
    pub(super) writes: bool,
}

/// The table's names, as the guard needs them.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    table: String,
    arn: String,
    partition: String,
    /// Each index and its partition key.
    indexes: Vec<(String, String)>,
}

type Read<T> = Result<T, String>;

impl Keys {
    pub(super) fn new(table: &Table) -> Self {
        Self {
            table: table.name.clone(),
            arn: table.arn.clone(),
            partition: partition(&table.key),
            indexes: table.indexes.iter().map(|index| (index.name.clone(), partition(&index.key))).collect(),
        }
    }

    /// The actions a request consists of; `Err` says what cannot be read.
    pub(super) fn read<'a>(&self, operation: &str, body: &'a [u8]) -> Read<Vec<Access<'a>>> {
        let call: Call<'a> = serde_json::from_slice(body).map_err(|error| format!("the request: {error}"))?;
        match operation {
            "TransactWriteItems" | "TransactGetItems" => self.transaction(operation, call),
            "BatchGetItem" => Ok(vec![self.batch(&call)?]),
            "DescribeTable" => {
                self.check_table(call.table_name.as_ref())?;
                Ok(vec![self.access("dynamodb:DescribeTable", Vec::new())])
            }
            single => Ok(vec![self.single(single, &call)?]),
        }
    }

    fn transaction<'a>(&self, operation: &str, call: Call<'a>) -> Read<Vec<Access<'a>>> {
        let members = call.transact_items.ok_or("no TransactItems")?;
        if members.is_empty() {
            return Err("no TransactItems".to_owned());
        }
        members
            .iter()
            .map(|member| {
                let [(kind, call)] = member.entries() else {
                    return Err("a transaction's member is not one action".to_owned());
                };
                let name = match (operation, kind.as_ref()) {
                    ("TransactGetItems", "Get") => "GetItem",
                    ("TransactWriteItems", "Put") => "PutItem",
                    ("TransactWriteItems", "Update") => "UpdateItem",
                    ("TransactWriteItems", "Delete") => "DeleteItem",
                    ("TransactWriteItems", "ConditionCheck") => "ConditionCheckItem",
                    _ => return Err(format!("{kind} is no action of {operation}")),
                };
                self.single(name, call)
            })
            .collect()
    }

    fn batch<'a>(&self, call: &Call<'a>) -> Read<Access<'a>> {
        let tables = call.request_items.as_ref().ok_or("no RequestItems")?;
        let [(table, batch)] = tables.entries() else {
            return Err("RequestItems is not of one table".to_owned());
        };
        self.check_name(table)?;
        let keys = batch.keys.iter().map(|key| self.leading(Some(key))).collect::<Read<Vec<_>>>()?;
        Ok(self.access("dynamodb:BatchGetItem", keys))
    }

    fn single<'a>(&self, name: &str, call: &Call<'a>) -> Read<Access<'a>> {
        self.check_table(call.table_name.as_ref())?;
        if call.is_legacy() {
            return Err("KeyConditions and AttributeUpdates are not read".to_owned());
        }
        let keyed = |action| Ok(self.access(action, vec![self.leading(call.key.as_ref())?]));
        match name {
            "GetItem" => keyed("dynamodb:GetItem"),
            "DeleteItem" => keyed("dynamodb:DeleteItem").map(Access::writing),
            "ConditionCheckItem" => keyed("dynamodb:ConditionCheckItem"),
            "UpdateItem" => {
                let mut access = keyed("dynamodb:UpdateItem")?.writing();
                if let Some(expression) = &call.update_expression {
                    access.index_keys = self.assigned(expression.as_ref(), call)?;
                }
                Ok(access)
            }
            "PutItem" => {
                let item = call.item.as_ref();
                let mut access = self.access("dynamodb:PutItem", vec![self.leading(item)?]).writing();
                for (_, attribute) in &self.indexes {
                    if let Some(value) = item.and_then(|item| item.get(attribute)) {
                        let value = string(value)
                            .ok_or_else(|| format!("the value of {attribute} is not a string"))?;
                        access.index_keys.push(value);
                    }
                }
                Ok(access)
            }
            "Query" => self.query(call),
            other => Err(format!("{other} is not an operation of this table")),
        }
    }

    fn query<'a>(&self, call: &Call<'a>) -> Read<Access<'a>> {
        let (resource, partition) = match &call.index_name {
            None => (self.arn.clone(), &self.partition),
            Some(name) => {
                let (name, partition) = self
                    .indexes
                    .iter()
                    .find(|(index, _)| index == name.as_ref())
                    .ok_or_else(|| format!("{} is no index", name.as_ref()))?;
                (format!("{}/index/{name}", self.arn), partition)
            }
        };
        let condition = call.key_condition_expression.as_ref().ok_or("no KeyConditionExpression")?;
        let key = Expression::new(
            condition.as_ref(),
            call.expression_attribute_names.as_ref(),
            call.expression_attribute_values.as_ref(),
        )
        .and_then(|expression| expression.partition(partition))
        .ok_or_else(|| format!("KeyConditionExpression names no one {partition}"))?;
        Ok(Access { resource, ..self.access("dynamodb:Query", vec![key]) })
    }

    /// The index partition keys an update sets.
    fn assigned<'a>(&self, text: &str, call: &Call<'a>) -> Read<Vec<Cow<'a, str>>> {
        let names: Option<&Names<'a>> = call.expression_attribute_names.as_ref();
        let attributes: Vec<&str> = self.indexes.iter().map(|(_, attribute)| attribute.as_str()).collect();
        Expression::new(text, names, call.expression_attribute_values.as_ref())
            .and_then(|expression| expression.assignments(&attributes))
            .ok_or("UpdateExpression is not read")?
            .into_iter()
            .map(|assignment| match assignment {
                Assignment::String(value) => Ok(value),
                Assignment::Unreadable => {
                    Err("UpdateExpression sets an index's partition key to no plain value".to_owned())
                }
            })
            .collect()
    }

    fn leading<'a>(&self, attributes: Option<&Attributes<'a>>) -> Read<Cow<'a, str>> {
        attributes
            .and_then(|attributes| attributes.get(&self.partition))
            .and_then(string)
            .ok_or_else(|| format!("no string {} in the key", self.partition))
    }

    fn check_table(&self, name: Option<&Text<'_>>) -> Read<()> {
        self.check_name(name.map(AsRef::as_ref).ok_or("no TableName")?)
    }

    fn check_name(&self, name: &str) -> Read<()> {
        // DynamoDB takes the ARN as well; the functions use the name.
        if name == self.table { Ok(()) } else { Err(format!("{name} is not the table")) }
    }

    fn access<'a>(&self, action: &'static str, keys: Vec<Cow<'a, str>>) -> Access<'a> {
        Access { action, resource: self.arn.clone(), keys, index_keys: Vec::new(), writes: false }
    }
}

impl Access<'_> {
    fn writing(self) -> Self {
        Self { writes: true, ..self }
    }
}

fn partition(key: &[KeyAttribute]) -> String {
    key.iter()
        .find(|attribute| attribute.kind == KeyKind::Partition)
        .map(|attribute| attribute.name.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
