//! The IAM roles and their policies.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::TemplateError;
use super::resolve::Resolver;
use super::value::{Object, list};
use crate::policy::{Condition, Effect, Operator, Pattern, Statement};

/// One `AWS::IAM::Role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN here.
    pub arn: String,
    /// What it may do: the statements of all its policies.
    pub statements: Vec<Statement>,
    /// Who may assume it.
    pub trust: Vec<TrustStatement>,
}

/// A statement of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustStatement {
    /// What it does with the callers it matches.
    pub effect: Effect,
    /// The services (`lambda.amazonaws.com`) and ARNs it is about.
    pub principals: Vec<String>,
    /// The actions, such as `sts:AssumeRole`.
    pub actions: Vec<Pattern>,
    /// What else must hold.
    pub conditions: Vec<Condition>,
}

pub(super) fn read(resolver: &Resolver<'_>) -> Result<BTreeMap<String, Role>, TemplateError> {
    let mut roles = BTreeMap::new();
    let mut ids_by_name = BTreeMap::new();
    for resource in resolver.resources("AWS::IAM::Role")? {
        let mut properties = Object { place: resolver.place(&[resource.id]), fields: serde_json::Map::new() };
        for name in ["AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns"] {
            if let Some(value) = resolver.property(&resource, name)? {
                properties.fields.insert(name.to_owned(), value);
            }
        }
        check_managed(&properties)?;
        let mut statements = Vec::new();
        for policy in properties.objects("Policies")? {
            statements.extend(document(&policy, "PolicyDocument", statement)?);
        }
        let role = Role {
            arn: resolver.arn(&resource, 0)?,
            statements,
            trust: document(&properties, "AssumeRolePolicyDocument", trust)?,
        };
        ids_by_name.insert(resolver.physical_name(&resource, 0)?, resource.id);
        roles.insert(resource.id.to_owned(), role);
    }
    attach(resolver, &ids_by_name, &mut roles)?;
    Ok(roles)
}

/// Adds the policies that stand apart from the roles they are attached to.
fn attach(
    resolver: &Resolver<'_>,
    ids_by_name: &BTreeMap<String, &str>,
    roles: &mut BTreeMap<String, Role>,
) -> Result<(), TemplateError> {
    for (kind, property) in [
        ("AWS::IAM::Policy", "Roles"),
        ("AWS::IAM::ManagedPolicy", "Roles"),
        ("AWS::IAM::RolePolicy", "RoleName"),
    ] {
        for resource in resolver.resources(kind)? {
            let mut properties =
                Object { place: resolver.place(&[resource.id]), fields: serde_json::Map::new() };
            for name in ["PolicyDocument", property] {
                if let Some(value) = resolver.property(&resource, name)? {
                    properties.fields.insert(name.to_owned(), value);
                }
            }
            let statements = document(&properties, "PolicyDocument", statement)?;
            for name in properties.texts(property)? {
                let role = ids_by_name
                    .get(&name)
                    .and_then(|id| roles.get_mut(*id))
                    .ok_or_else(|| properties.error(format!("{name} is no role of this template")))?;
                role.statements.extend(statements.iter().cloned());
            }
        }
    }
    Ok(())
}

/// AWS's own managed policies cannot be read here. Those for logs say nothing of the table; any
/// other could, and is refused.
fn check_managed(properties: &Object) -> Result<(), TemplateError> {
    const HARMLESS: [&str; 2] = ["/service-role/AWSLambdaBasicExecutionRole", "/AWSXRayDaemonWriteAccess"];
    for arn in properties.texts("ManagedPolicyArns")? {
        if !HARMLESS.iter().any(|harmless| arn.ends_with(harmless)) {
            return Err(properties.error(format!("the managed policy {arn} cannot be read locally")));
        }
    }
    Ok(())
}

fn document<T>(
    owner: &Object,
    name: &str,
    read: impl Fn(&Object) -> Result<T, TemplateError>,
) -> Result<Vec<T>, TemplateError> {
    let document = owner.optional_object(name)?.ok_or_else(|| owner.error(format!("no {name}")))?;
    // In the older version policy variables are plain text, and tenant conditions mean nothing.
    if document.optional_text("Version")?.as_deref() != Some("2012-10-17") {
        return Err(document.error("its Version is not 2012-10-17"));
    }
    document.objects("Statement")?.iter().map(read).collect()
}

fn statement(object: &Object) -> Result<Statement, TemplateError> {
    only(object, &["Sid", "Effect", "Action", "Resource", "Condition"])?;
    Ok(Statement {
        effect: effect(object)?,
        actions: patterns(object, "Action")?,
        resources: patterns(object, "Resource")?,
        conditions: conditions(object)?,
    })
}

fn trust(object: &Object) -> Result<TrustStatement, TemplateError> {
    only(object, &["Sid", "Effect", "Action", "Principal", "Condition"])?;
    let mut principals = Vec::new();
    if let Some(block) = object.optional_object("Principal")? {
        for value in block.fields.values() {
            principals.extend(list(value.clone()).ok_or_else(|| block.error("is not a list of strings"))?);
        }
    }
    Ok(TrustStatement {
        effect: effect(object)?,
        principals,
        actions: patterns(object, "Action")?,
        conditions: conditions(object)?,
    })
}

/// Refuses what would silently change a statement's meaning, such as `NotAction`.
fn only(object: &Object, known: &[&str]) -> Result<(), TemplateError> {
    match object.fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(object.error(format!("{name} is not supported locally"))),
    }
}

fn effect(object: &Object) -> Result<Effect, TemplateError> {
    match object.text("Effect")?.as_str() {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        _ => Err(object.error("its Effect is neither Allow nor Deny")),
    }
}

fn patterns(object: &Object, name: &str) -> Result<Vec<Pattern>, TemplateError> {
    let texts = object.texts(name)?;
    if texts.is_empty() {
        return Err(object.error(format!("no {name}")));
    }
    Ok(texts.iter().map(|text| Pattern::new(text)).collect())
}

fn conditions(object: &Object) -> Result<Vec<Condition>, TemplateError> {
    let mut conditions = Vec::new();
    let Some(block) = object.optional_object("Condition")? else {
        return Ok(conditions);
    };
    for (operator, keys) in &block.fields {
        let Json::Object(keys) = keys else {
            return Err(block.error(format!("{operator} is not a mapping")));
        };
        for (key, values) in keys {
            let values = list(values.clone())
                .ok_or_else(|| block.error(format!("{operator}: {key} is not a list of strings")))?;
            conditions.push(Condition {
                operator: Operator::parse(operator),
                key: key.clone(),
                values: values.iter().map(|value| Pattern::new(value)).collect(),
            });
        }
    }
    Ok(conditions)
}
