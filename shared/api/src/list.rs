//! Reads the parameters of a list.

use std::str::FromStr;

use nexo_domain::kind::User;
use nexo_domain::{Id, IdKind, Invalid, Kind, Tag, Text};
use nexo_store::{Filter, ListQuery, Order, Tree};
use nexo_tenant_key::{CursorKey, TenantScope};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

use crate::{Code, Problem};

/// A query parameter that narrows a list.
#[derive(Clone, Copy)]
pub struct FilterParameter {
    /// The parameter's name.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// How it narrows.
    pub kind: FilterKind,
    /// Reads a value into the form it is stored in.
    pub parse: fn(&str) -> Result<String, Invalid>,
}

/// How a [`FilterParameter`] narrows a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// The attribute has the value.
    Equals(&'static str),
    /// The attribute, a list, has the value among its members.
    Contains(&'static str),
    /// The name begins with the value.
    NamePrefix,
    /// The attribute, which sorts as its text does, is not before the value.
    From(&'static str),
    /// The attribute, which sorts as its text does, is not after the value.
    Until(&'static str),
    /// The attribute names the record of a tree, or one below it.
    Within(&'static str, Kind, Tree),
}

/// Reads a choice into its stored form.
///
/// # Errors
/// `invalid_choice`, with what there is to choose from.
pub fn choice<T: DeserializeOwned>(text: &str) -> Result<String, Invalid> {
    let read = T::deserialize(StrDeserializer::<serde::de::value::Error>::new(text));
    read.map(|_| text.to_owned()).map_err(|error| {
        let message = error.to_string();
        let choices: Vec<_> = message.split('`').skip(3).step_by(2).collect();
        Invalid::new("invalid_choice", format!("must be one of {}", choices.join(", ")))
    })
}

/// Reads an id.
///
/// # Errors
/// `invalid_id`.
pub fn id_of<K: IdKind>(text: &str) -> Result<String, Invalid> {
    Id::<K>::parse(text).map(|id| id.to_string())
}

/// Reads whatever has a text of one form.
///
/// # Errors
/// Those of the form.
pub fn text<T: FromStr<Err = Invalid> + ToString>(text: &str) -> Result<String, Invalid> {
    text.parse::<T>().map(|value| value.to_string())
}

impl FilterParameter {
    /// By who is responsible.
    pub const OWNER: Self = Self {
        name: "ownerId",
        summary: "Only records of this owner",
        kind: FilterKind::Equals("ownerId"),
        parse: id_of::<User>,
    };

    /// By a tag.
    pub const TAG: Self = Self {
        name: "tag",
        summary: "Only records with this tag",
        kind: FilterKind::Contains("tags"),
        parse: text::<Tag>,
    };

    /// By the beginning of the name.
    pub const NAME: Self = Self {
        name: "q",
        summary: "Only records whose name begins so, without regard to case",
        kind: FilterKind::NamePrefix,
        parse: text::<Text<249>>,
    };
}

pub(crate) const DEFAULT_LIMIT: usize = 25;
pub(crate) const LARGEST_LIMIT: usize = 100;

/// The sorts every list has; a leading `-` turns one around.
pub(crate) const SORTS: [(&str, Order); 3] =
    [("createdAt", Order::Created), ("name", Order::Name), ("updatedAt", Order::Updated)];

/// Newest first.
pub(crate) const DEFAULT_SORT: &str = "-createdAt";

/// A list's parameters, read.
pub(crate) struct ListRequest {
    pub(crate) query: ListQuery,
    /// What a cursor of this list is bound to: everything but `limit` and `cursor`.
    pub(crate) bound_to: String,
}

impl ListRequest {
    pub(crate) fn read(
        query: &str,
        filters: &[FilterParameter],
        route: &str,
        scope: &TenantScope,
        cursors: &CursorKey,
    ) -> Result<Self, Problem> {
        let mut limit = DEFAULT_LIMIT;
        let (mut cursor, mut sort) = (None, DEFAULT_SORT.to_owned());
        let mut wanted: Vec<(&'static str, String, FilterKind)> = Vec::new();
        read_parameters(query, |name, value| {
            match name {
                "limit" => limit = read_limit(value)?,
                "cursor" => cursor = Some(value.to_owned()),
                "sort" => value.clone_into(&mut sort),
                _ => {
                    let filter = filters.iter().find(|filter| filter.name == name);
                    let filter =
                        filter.ok_or_else(|| Problem::invalid_parameter(name, "is not known here"))?;
                    let value = (filter.parse)(value)
                        .map_err(|invalid| Problem::invalid_parameter(name, invalid.message()))?;
                    wanted.push((filter.name, value, filter.kind));
                }
            }
            Ok(())
        })?;
        let (order, descending) = read_sort(&sort)?;
        wanted.sort_by_key(|(name, ..)| *name);
        let mut bound_to = sort;
        for (name, value, _) in &wanted {
            bound_to.extend(["\u{1f}", name, "=", value]);
        }
        let after = cursor.map(|cursor| cursors.open(scope, route, &bound_to, &cursor)).transpose();
        let after = after.map_err(|_| Problem::invalid_cursor())?;
        let filters = wanted
            .into_iter()
            .map(|(_, value, kind)| match kind {
                FilterKind::Equals(attribute) => Filter::Equals(attribute, value),
                FilterKind::Contains(attribute) => Filter::Contains(attribute, value),
                FilterKind::NamePrefix => Filter::NamePrefix(value),
                FilterKind::From(attribute) => Filter::From(attribute, value),
                FilterKind::Until(attribute) => Filter::Until(attribute, value),
                FilterKind::Within(attribute, kind, tree) => Filter::Within(attribute, kind, tree, value),
            })
            .collect();
        Ok(Self { query: ListQuery { order, descending, limit, after, filters }, bound_to })
    }
}

/// Has `read` take each parameter of a query string, none of which is given twice.
pub fn read_parameters(
    query: &str,
    mut read: impl FnMut(&str, &str) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let given: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| Problem::new(Code::MalformedRequest, "The query string cannot be read."))?;
    for (position, (name, value)) in given.iter().enumerate() {
        if given[..position].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::invalid_parameter(name, "is given twice"));
        }
        read(name, value)?;
    }
    Ok(())
}

/// Refuses every parameter, for an operation that has none.
///
/// # Errors
/// 400 with the parameter's name.
pub fn no_parameters(query: Option<String>) -> Result<(), Problem> {
    let query = query.unwrap_or_default();
    read_parameters(&query, |name, _| Err(Problem::invalid_parameter(name, "is not known here")))
}

/// The value of an operation's only parameter, which is one of `choices`; the first when it is not given.
///
/// # Errors
/// 400 with the parameter's name.
pub fn chosen(
    query: Option<String>,
    parameter: &str,
    choices: &[&'static str],
) -> Result<&'static str, Problem> {
    let mut chosen = choices.first().copied().unwrap_or_default();
    read_parameters(&query.unwrap_or_default(), |name, value| {
        if name != parameter {
            return Err(Problem::invalid_parameter(name, "is not known here"));
        }
        let known = choices.iter().find(|choice| **choice == value);
        let one_of = || Problem::invalid_parameter(name, format!("must be one of {}", choices.join(", ")));
        chosen = known.copied().ok_or_else(one_of)?;
        Ok(())
    })?;
    Ok(chosen)
}

pub(crate) fn read_limit(value: &str) -> Result<usize, Problem> {
    match value.parse() {
        // Rust would take a sign, too.
        Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) && !value.starts_with('+') => Ok(limit),
        _ => Err(Problem::invalid_parameter(
            "limit",
            format!("must be a whole number from 1 to {LARGEST_LIMIT}"),
        )),
    }
}

fn read_sort(value: &str) -> Result<(Order, bool), Problem> {
    let (name, descending) = value.strip_prefix('-').map_or((value, false), |name| (name, true));
    let order = SORTS.iter().find(|(known, _)| *known == name).map(|(_, order)| *order);
    order.map(|order| (order, descending)).ok_or_else(|| {
        let names: Vec<_> = SORTS.iter().map(|(name, _)| *name).collect();
        Problem::invalid_parameter(
            "sort",
            format!("must be one of {}, with `-` in front for descending", names.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests;
