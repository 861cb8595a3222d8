//! Builds update expressions with every name and value as a placeholder.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An update and the condition it is made under.
#[derive(Default)]
pub(crate) struct Expression {
    sets: Vec<String>,
    removes: Vec<String>,
    adds: Vec<String>,
    deletes: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `SET attribute = value`.
    pub(crate) fn set(&mut self, attribute: &str, value: AttributeValue) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value(attribute, value));
        self.sets.push(format!("{name} = {value}"));
        self
    }

    /// `SET attribute = value`, where the attribute's name does not fit in a placeholder.
    pub(crate) fn set_named(
        &mut self,
        placeholder: &str,
        attribute: &str,
        value: AttributeValue,
    ) -> &mut Self {
        self.names.insert(format!("#{placeholder}"), attribute.to_owned());
        let value = self.value(placeholder, value);
        self.sets.push(format!("#{placeholder} = {value}"));
        self
    }

    /// `REMOVE attribute`, where the attribute's name does not fit in a placeholder.
    pub(crate) fn remove_named(&mut self, placeholder: &str, attribute: &str) -> &mut Self {
        self.names.insert(format!("#{placeholder}"), attribute.to_owned());
        self.removes.push(format!("#{placeholder}"));
        self
    }

    /// `SET attribute = attribute + number`.
    pub(crate) fn add(&mut self, attribute: &str, number: i64) -> &mut Self {
        let name = self.name(attribute);
        let value = self.value(&format!("plus_{attribute}"), AttributeValue::N(number.to_string()));
        self.sets.push(format!("{name} = {name} + {value}"));
        self
    }

    /// `SET attribute = attribute + 1`.
    pub(crate) fn increment(&mut self, attribute: &str) -> &mut Self {
        self.add(attribute, 1)
    }

    /// `ADD attribute 1`. One that does not exist yet is 0.
    pub(crate) fn add_one(&mut self, attribute: &str) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value("one", AttributeValue::N("1".into())));
        self.adds.push(format!("{name} {value}"));
        self
    }

    /// `REMOVE attribute`.
    pub(crate) fn remove(&mut self, attribute: &str) -> &mut Self {
        let name = self.name(attribute);
        self.removes.push(name);
        self
    }

    /// `ADD attribute {member}`: puts a text into a set.
    pub(crate) fn insert_into(&mut self, attribute: &str, member: &str) -> &mut Self {
        let (name, value) = (self.name(attribute), self.member(member));
        self.adds.push(format!("{name} {value}"));
        self
    }

    /// `DELETE attribute {member}`: takes a text out of a set.
    pub(crate) fn delete_from(&mut self, attribute: &str, member: &str) -> &mut Self {
        let (name, value) = (self.name(attribute), self.member(member));
        self.deletes.push(format!("{name} {value}"));
        self
    }

    fn member(&mut self, member: &str) -> String {
        self.value("member", AttributeValue::Ss(vec![member.to_owned()]))
    }

    /// The update is made only if the set `attribute` has fewer than `most` members.
    pub(crate) fn if_smaller(&mut self, attribute: &str, most: usize) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value("most", AttributeValue::N(most.to_string())));
        self.conditions.push(format!("(attribute_not_exists({name}) OR size({name}) < {value})"));
        self
    }

    /// `ADD attribute number`. One that does not exist yet is 0.
    pub(crate) fn sum(&mut self, attribute: &str, number: i128) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value("sum", AttributeValue::N(number.to_string())));
        self.adds.push(format!("{name} {value}"));
        self
    }

    /// `ADD attribute 1`, made only if it is at most `most` then. One that does not exist yet is 0.
    pub(crate) fn count_up(&mut self, attribute: &str, most: u32) -> &mut Self {
        let name = self.name(attribute);
        let most = self.value("most", AttributeValue::N(most.to_string()));
        self.add_one(attribute);
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} < {most})"));
        self
    }

    /// The update is made only if the number `attribute` is less than the number `limit`.
    pub(crate) fn if_below(&mut self, attribute: &str, limit: &str) -> &mut Self {
        let (name, limit) = (self.name(attribute), self.name(limit));
        self.conditions.push(format!("{name} < {limit}"));
        self
    }

    /// The update is made only if `attribute` exists.
    pub(crate) fn if_exists(&mut self, attribute: &str) -> &mut Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_exists({name})"));
        self
    }

    /// The update is made only if `attribute` does not exist.
    pub(crate) fn if_absent(&mut self, attribute: &str) -> &mut Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_not_exists({name})"));
        self
    }

    /// The update is made only if `attribute` has this value.
    pub(crate) fn if_equal(&mut self, attribute: &str, value: AttributeValue) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value(&format!("if_{attribute}"), value));
        self.conditions.push(format!("{name} = {value}"));
        self
    }

    /// The update is made only if `attribute` is absent or has another value than this.
    pub(crate) fn if_not_equal(&mut self, attribute: &str, value: AttributeValue) -> &mut Self {
        let (name, value) = (self.name(attribute), self.value(&format!("not_{attribute}"), value));
        self.conditions.push(format!("{name} <> {value}"));
        self
    }

    /// The text of `attribute <> value`.
    pub(crate) fn differs(&mut self, attribute: &str, value_name: &str, value: AttributeValue) -> String {
        let name = self.name(attribute);
        format!("{name} <> {}", self.value(value_name, value))
    }

    /// The text of `attribute = value`, to be used in a key condition or filter.
    pub(crate) fn equals(&mut self, attribute: &str, value_name: &str, value: &str) -> String {
        let name = self.name(attribute);
        format!("{name} = {}", self.value(value_name, AttributeValue::S(value.to_owned())))
    }

    /// The text of `attribute IN (values)`: at most 100 of them.
    pub(crate) fn any_of<T: ToString>(&mut self, attribute: &str, value_name: &str, values: &[T]) -> String {
        let name = self.name(attribute);
        let values: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(number, value)| {
                self.value(&format!("{value_name}{number}"), AttributeValue::S(value.to_string()))
            })
            .collect();
        format!("{name} IN ({})", values.join(", "))
    }

    /// The text of `attribute = number`.
    pub(crate) fn equals_number(&mut self, attribute: &str, value_name: &str, number: u64) -> String {
        let name = self.name(attribute);
        format!("{name} = {}", self.value(value_name, AttributeValue::N(number.to_string())))
    }

    /// The text of `attribute > number`.
    pub(crate) fn greater_number(&mut self, attribute: &str, value_name: &str, number: i64) -> String {
        self.greater(attribute, value_name, AttributeValue::N(number.to_string()))
    }

    /// The text of `attribute <= number`.
    pub(crate) fn at_most(&mut self, attribute: &str, value_name: &str, number: u64) -> String {
        let name = self.name(attribute);
        format!("{name} <= {}", self.value(value_name, AttributeValue::N(number.to_string())))
    }

    /// The text of `function(attribute, value)`.
    pub(crate) fn function(
        &mut self,
        function: &str,
        attribute: &str,
        value_name: &str,
        value: &str,
    ) -> String {
        let name = self.name(attribute);
        format!("{function}({name}, {})", self.value(value_name, AttributeValue::S(value.to_owned())))
    }

    /// The text of `attribute_not_exists(attribute)`.
    pub(crate) fn absent(&mut self, attribute: &str) -> String {
        format!("attribute_not_exists({})", self.name(attribute))
    }

    /// The text of `attribute_exists(attribute)`.
    pub(crate) fn exists(&mut self, attribute: &str) -> String {
        format!("attribute_exists({})", self.name(attribute))
    }

    /// The text of a comparison of texts, such as `attribute >= value`.
    pub(crate) fn compare(
        &mut self,
        attribute: &str,
        operator: &str,
        value_name: &str,
        value: &str,
    ) -> String {
        let name = self.name(attribute);
        format!("{name} {operator} {}", self.value(value_name, AttributeValue::S(value.to_owned())))
    }

    /// The text of a value alone, as the second bound of `BETWEEN`.
    pub(crate) fn operand(&mut self, value_name: &str, value: AttributeValue) -> String {
        self.value(value_name, value)
    }

    /// The text of `attribute < value`.
    pub(crate) fn less(&mut self, attribute: &str, value_name: &str, value: AttributeValue) -> String {
        let name = self.name(attribute);
        format!("{name} < {}", self.value(value_name, value))
    }

    /// The text of `attribute > value`.
    pub(crate) fn greater(&mut self, attribute: &str, value_name: &str, value: AttributeValue) -> String {
        let name = self.name(attribute);
        format!("{name} > {}", self.value(value_name, value))
    }

    /// The update is made only if `condition`, a text made with this expression's placeholders, holds.
    pub(crate) fn when(&mut self, condition: String) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    /// Both conditions must hold.
    pub(crate) fn and(&mut self, other: Self) {
        self.conditions.extend(other.conditions);
        self.names.extend(other.names);
        self.values.extend(other.values);
    }

    pub(crate) fn update(&self) -> String {
        let clause = |verb, actions: &[String]| {
            (!actions.is_empty()).then(|| format!("{verb} {}", actions.join(", ")))
        };
        let clauses = [
            clause("SET", &self.sets),
            clause("REMOVE", &self.removes),
            clause("ADD", &self.adds),
            clause("DELETE", &self.deletes),
        ];
        clauses.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// A placeholder for a value. Two values asked for under one name get one each: what was written with
    /// the first must keep it.
    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let mut placeholder = format!(":{name}");
        while self.values.get(&placeholder).is_some_and(|other| *other != value) {
            placeholder.push('_');
        }
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests;
