//! CloudFormation's intrinsic functions, evaluated for one machine.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_yaml_ng::{Mapping, Value as Yaml};

use super::TemplateError;
use super::names::{ACCOUNT_ID, REGION};
use super::value::{list, scalar, text};

const STACK: &str = "nexo";
/// Its last part is unique to a stack, as long as it lives.
const STACK_ID: &str =
    "arn:aws:cloudformation:local:000000000000:stack/nexo/00000000-0000-0000-0000-000000000000";
/// Intrinsics may refer to names that are intrinsics themselves, but not forever.
const MAX_DEPTH: usize = 24;

/// A template's text with what its references mean here.
pub(super) struct Resolver<'a> {
    file: &'a str,
    parameters: BTreeMap<String, Json>,
    conditions: Option<&'a Mapping>,
    mappings: Option<&'a Mapping>,
    pub(super) globals: Option<&'a Mapping>,
    resources: &'a Mapping,
}

/// One resource of the template.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) properties: Option<&'a Mapping>,
}

type Resolved = Result<Option<Json>, TemplateError>;

impl<'a> Resolver<'a> {
    pub(super) fn new(
        file: &'a str,
        document: &'a Yaml,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let section = |name: &str| document.get(name).and_then(Yaml::as_mapping);
        let resources = section("Resources").ok_or_else(|| TemplateError::new(file, "no Resources"))?;
        Ok(Self {
            file,
            parameters: parameters(file, section("Parameters"), overrides)?,
            conditions: section("Conditions"),
            mappings: section("Mappings"),
            globals: section("Globals"),
            resources,
        })
    }

    /// The place of an error: the file, then `parts`.
    pub(super) fn place(&self, parts: &[&str]) -> String {
        let mut place = self.file.to_owned();
        for part in parts {
            place.push_str(": ");
            place.push_str(part);
        }
        place
    }

    /// The resources of one type that this stack would make.
    pub(super) fn resources(&self, kind: &str) -> Result<Vec<Resource<'a>>, TemplateError> {
        let mut found = Vec::new();
        for (id, body) in self.resources {
            let (Some(id), Some(of_kind)) = (id.as_str(), body.get("Type").and_then(Yaml::as_str)) else {
                continue;
            };
            if of_kind != kind {
                continue;
            }
            if let Some(condition) = body.get("Condition").and_then(Yaml::as_str)
                && !self.condition(&self.place(&[id]), condition, 0)?
            {
                continue;
            }
            found.push(Resource {
                id,
                kind: of_kind,
                properties: body.get("Properties").and_then(Yaml::as_mapping),
            });
        }
        Ok(found)
    }

    /// A parameter's value, when the template has that parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&Json> {
        self.parameters.get(name)
    }

    /// One property with its references resolved; `None` when absent or `AWS::NoValue`.
    pub(super) fn property(&self, resource: &Resource<'_>, name: &str) -> Resolved {
        match resource.properties.and_then(|all| all.get(name)) {
            None => Ok(None),
            Some(value) => self.resolve(&self.place(&[resource.id, name]), value, 0),
        }
    }

    /// Any value with its references resolved.
    pub(super) fn resolve(&self, place: &str, value: &Yaml, depth: usize) -> Resolved {
        if depth > MAX_DEPTH {
            return Err(TemplateError::new(place, "refers to itself"));
        }
        match value {
            Yaml::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                let name = tag.trim_start_matches('!');
                let function = match name {
                    "Ref" | "Condition" => name.to_owned(),
                    other => format!("Fn::{other}"),
                };
                self.call(place, &function, &tagged.value, depth + 1)
            }
            Yaml::Mapping(mapping) => {
                if mapping.len() == 1
                    && let Some((Yaml::String(name), argument)) = mapping.iter().next()
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.call(place, name, argument, depth + 1);
                }
                let mut object = serde_json::Map::new();
                for (key, value) in mapping {
                    let key =
                        scalar(key).ok_or_else(|| TemplateError::new(place, "a key is not a string"))?;
                    if let Some(value) = self.resolve(&format!("{place}: {key}"), value, depth + 1)? {
                        object.insert(key, value);
                    }
                }
                Ok(Some(Json::Object(object)))
            }
            Yaml::Sequence(items) => {
                let mut array = Vec::with_capacity(items.len());
                for item in items {
                    array.extend(self.resolve(place, item, depth + 1)?);
                }
                Ok(Some(Json::Array(array)))
            }
            plain => serde_json::to_value(plain)
                .map(Some)
                .map_err(|error| TemplateError::new(place, error.to_string())),
        }
    }

    fn call(&self, place: &str, function: &str, argument: &Yaml, depth: usize) -> Resolved {
        if depth > MAX_DEPTH {
            return Err(TemplateError::new(place, "refers to itself"));
        }
        let unreadable = || TemplateError::new(place, format!("{function} cannot be read"));
        match function {
            "Ref" => self.reference(place, argument.as_str().ok_or_else(unreadable)?, depth),
            "Fn::GetAtt" => {
                let (id, attribute) = match argument {
                    Yaml::String(path) => path.split_once('.').ok_or_else(unreadable)?,
                    Yaml::Sequence(parts) => match parts.as_slice() {
                        [Yaml::String(id), Yaml::String(attribute)] => (id.as_str(), attribute.as_str()),
                        _ => return Err(unreadable()),
                    },
                    _ => return Err(unreadable()),
                };
                self.attribute(place, id, attribute, depth).map(Some)
            }
            "Fn::Sub" => self.sub(place, argument, depth).map(Some),
            "Fn::If" => {
                let [condition, yes, no] = arguments(argument).ok_or_else(unreadable)?;
                let name = condition.as_str().ok_or_else(unreadable)?;
                let chosen = if self.condition(place, name, depth)? { yes } else { no };
                self.resolve(place, chosen, depth)
            }
            "Fn::FindInMap" => {
                let [map, first, second] = arguments(argument).ok_or_else(unreadable)?;
                let map = self.text(place, map, depth)?;
                let first = self.text(place, first, depth)?;
                let second = self.text(place, second, depth)?;
                let found = self
                    .mappings
                    .and_then(|all| all.get(&map)?.get(&first)?.get(&second))
                    .ok_or_else(unreadable)?;
                self.resolve(place, found, depth)
            }
            "Fn::Join" => {
                let [separator, items] = arguments(argument).ok_or_else(unreadable)?;
                let separator = self.text(place, separator, depth)?;
                let items = self.resolve(place, items, depth)?.ok_or_else(unreadable)?;
                let items = list(items).ok_or_else(unreadable)?;
                Ok(Some(Json::String(items.join(&separator))))
            }
            "Fn::Split" => {
                let [separator, whole] = arguments(argument).ok_or_else(unreadable)?;
                let separator = self.text(place, separator, depth)?;
                let whole = self.text(place, whole, depth)?;
                Ok(Some(whole.split(&separator).map(Json::from).collect()))
            }
            "Fn::Select" => {
                let [index, items] = arguments(argument).ok_or_else(unreadable)?;
                let index: usize = self.text(place, index, depth)?.parse().map_err(|_| unreadable())?;
                match self.resolve(place, items, depth)? {
                    Some(Json::Array(mut items)) if index < items.len() => Ok(Some(items.swap_remove(index))),
                    _ => Err(unreadable()),
                }
            }
            "Condition" | "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                self.logic(place, function, argument, depth).map(|truth| Some(Json::Bool(truth)))
            }
            other => Err(TemplateError::new(place, format!("{other} is not supported locally"))),
        }
    }

    pub(super) fn text(&self, place: &str, value: &Yaml, depth: usize) -> Result<String, TemplateError> {
        self.resolve(place, value, depth)?
            .as_ref()
            .and_then(text)
            .ok_or_else(|| TemplateError::new(place, "is not a string"))
    }

    fn condition(&self, place: &str, name: &str, depth: usize) -> Result<bool, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::new(place, "refers to itself"));
        }
        let rule = self
            .conditions
            .and_then(|all| all.get(name))
            .ok_or_else(|| TemplateError::new(place, format!("no condition {name}")))?;
        self.truth(&self.place(&[name]), rule, depth + 1)
    }

    fn truth(&self, place: &str, rule: &Yaml, depth: usize) -> Result<bool, TemplateError> {
        match self.resolve(place, rule, depth)? {
            Some(Json::Bool(truth)) => Ok(truth),
            _ => Err(TemplateError::new(place, "is not a condition")),
        }
    }

    fn logic(
        &self,
        place: &str,
        function: &str,
        argument: &Yaml,
        depth: usize,
    ) -> Result<bool, TemplateError> {
        let unreadable = || TemplateError::new(place, format!("{function} cannot be read"));
        if function == "Condition" {
            return self.condition(place, argument.as_str().ok_or_else(unreadable)?, depth);
        }
        if function == "Fn::Equals" {
            let [left, right] = arguments(argument).ok_or_else(unreadable)?;
            return Ok(self.text(place, left, depth)? == self.text(place, right, depth)?);
        }
        let mut truths = Vec::new();
        for rule in argument.as_sequence().ok_or_else(unreadable)? {
            truths.push(match rule.get("Condition").and_then(Yaml::as_str) {
                Some(name) => self.condition(place, name, depth)?,
                None => self.truth(place, rule, depth)?,
            });
        }
        match (function, truths.as_slice()) {
            ("Fn::Not", [one]) => Ok(!one),
            ("Fn::And", all) => Ok(all.iter().all(|truth| *truth)),
            ("Fn::Or", any) => Ok(any.iter().any(|truth| *truth)),
            _ => Err(unreadable()),
        }
    }

    fn reference(&self, place: &str, name: &str, depth: usize) -> Resolved {
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => Some(REGION),
            "AWS::AccountId" => Some(ACCOUNT_ID),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some(STACK),
            "AWS::StackId" => Some(STACK_ID),
            _ => None,
        };
        if let Some(value) = pseudo {
            return Ok(Some(Json::from(value)));
        }
        if let Some(value) = self.parameters.get(name) {
            if value.is_null() {
                return Err(TemplateError::new(place, format!("parameter {name} has no default")));
            }
            return Ok(Some(value.clone()));
        }
        let resource =
            self.find(name).ok_or_else(|| TemplateError::new(place, format!("nothing is called {name}")))?;
        Ok(Some(Json::String(match resource.kind {
            // Their Ref is their ARN.
            "AWS::SecretsManager::Secret" => self.arn(&resource, depth)?,
            _ => self.physical_name(&resource, depth)?,
        })))
    }

    pub(super) fn find(&self, id: &str) -> Option<Resource<'a>> {
        let (key, body) = self.resources.iter().find(|(key, _)| key.as_str() == Some(id))?;
        Some(Resource {
            id: key.as_str()?,
            kind: body.get("Type")?.as_str()?,
            properties: body.get("Properties").and_then(Yaml::as_mapping),
        })
    }

    fn sub(&self, place: &str, argument: &Yaml, depth: usize) -> Result<Json, TemplateError> {
        let unreadable = || TemplateError::new(place, "Fn::Sub cannot be read");
        let (pattern, variables) = match argument {
            Yaml::String(pattern) => (pattern.as_str(), None),
            Yaml::Sequence(parts) => match parts.as_slice() {
                [Yaml::String(pattern), Yaml::Mapping(variables)] => (pattern.as_str(), Some(variables)),
                _ => return Err(unreadable()),
            },
            _ => return Err(unreadable()),
        };
        let mut result = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let (name, after) = after.split_once('}').ok_or_else(unreadable)?;
            rest = after;
            // `${!name}` is how a policy variable is written: it stays, without the mark.
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(literal);
                result.push('}');
                continue;
            }
            let value = match variables.and_then(|all| all.get(name)) {
                Some(value) => self.resolve(place, value, depth)?,
                None => match name.split_once('.') {
                    Some((id, attribute)) => Some(self.attribute(place, id, attribute, depth)?),
                    None => self.reference(place, name, depth)?,
                },
            };
            result.push_str(&value.as_ref().and_then(text).ok_or_else(unreadable)?);
        }
        result.push_str(rest);
        Ok(Json::String(result))
    }
}

fn arguments<const N: usize>(argument: &Yaml) -> Option<&[Yaml; N]> {
    argument.as_sequence()?.as_slice().try_into().ok()
}

/// The parameters' values: the override, else the default, else null.
fn parameters(
    file: &str,
    section: Option<&Mapping>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Json>, TemplateError> {
    let mut values = BTreeMap::new();
    for (name, body) in section.into_iter().flatten() {
        let Some(name) = name.as_str() else { continue };
        let given = overrides.get(name).map(|value| Json::from(value.as_str()));
        let value = match (given, body.get("Default")) {
            (Some(given), _) => given,
            (None, None) => Json::Null,
            (None, Some(default)) => Json::String(scalar(default).ok_or_else(|| {
                TemplateError::new(format!("{file}: {name}"), "its default is not a scalar")
            })?),
        };
        let kind = body.get("Type").and_then(Yaml::as_str).unwrap_or("String");
        let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
        let value = match value {
            Json::String(text) if is_list => text.split(',').map(|part| Json::from(part.trim())).collect(),
            other => other,
        };
        values.insert(name.to_owned(), value);
    }
    if let Some(unknown) = overrides.keys().find(|name| !values.contains_key(*name)) {
        return Err(TemplateError::new(file, format!("no parameter is called {unknown}")));
    }
    Ok(values)
}
