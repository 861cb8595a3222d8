//! The part of IAM that the template's policies use, evaluated for each call to the local table.
//!
//! It follows AWS's evaluation logic for one identity policy: an explicit deny wins, and without an
//! allow the answer is no. Where AWS has rules this module does not know (an operator, a condition
//! key, a variable), the whole evaluation is refused rather than guessed, so that a policy can never
//! be more generous here than in the cloud.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
//! and <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_operators.html>.

mod condition;
mod pattern;

use std::collections::BTreeMap;

pub use condition::{Condition, Operator, Qualifier};
pub use pattern::Pattern;

/// What a statement does with the requests it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Lets the request through, unless another statement denies it.
    Allow,
    /// Refuses the request, whatever other statements say.
    Deny,
}

/// One statement of an identity policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it does with the requests it matches.
    pub effect: Effect,
    /// The actions it is about, such as `dynamodb:GetItem`; compared without regard to case.
    pub actions: Vec<Pattern>,
    /// The ARNs it is about.
    pub resources: Vec<Pattern>,
    /// What else must hold: all of them.
    pub conditions: Vec<Condition>,
}

/// One request, as IAM sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The action, such as `dynamodb:PutItem`.
    pub action: &'a str,
    /// Every resource the request touches; each of them must be allowed.
    pub resources: &'a [String],
    /// The condition keys of the request. A key without values counts as absent.
    pub context: &'a BTreeMap<&'a str, Vec<&'a str>>,
    /// The caller's tags: `aws:PrincipalTag/<name>`.
    pub tags: &'a BTreeMap<String, String>,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allowed,
    /// It is refused; the text says why, for the log and for whoever reads the answer.
    Denied(String),
}

/// Evaluates an identity policy, given as its statements, for one request.
pub fn evaluate(statements: &[Statement], request: &Request<'_>) -> Decision {
    if request.resources.is_empty() {
        return Decision::Denied("the request names no resource".to_owned());
    }
    for resource in request.resources {
        let answer = evaluate_one(statements, request, resource);
        if answer != Decision::Allowed {
            return answer;
        }
    }
    Decision::Allowed
}

fn evaluate_one(statements: &[Statement], request: &Request<'_>, resource: &str) -> Decision {
    let mut allowed = false;
    for statement in statements {
        match statement.applies(request, resource) {
            Err(reason) => return Decision::Denied(reason),
            Ok(false) => {}
            Ok(true) => match statement.effect {
                // Not an early return: a later statement that cannot be understood must still refuse.
                Effect::Allow => allowed = true,
                Effect::Deny => {
                    return Decision::Denied(format!(
                        "an explicit deny covers {} on {resource}",
                        request.action
                    ));
                }
            },
        }
    }
    if allowed {
        Decision::Allowed
    } else {
        Decision::Denied(format!("no statement allows {} on {resource}", request.action))
    }
}

impl Statement {
    /// Whether the statement is about this request; `Err` when that cannot be told.
    fn applies(&self, request: &Request<'_>, resource: &str) -> Result<bool, String> {
        let action_matches = self.actions.iter().any(|pattern| pattern.matches_ignoring_case(request.action));
        if !action_matches {
            return Ok(false);
        }
        let mut resource_matches = false;
        for pattern in &self.resources {
            resource_matches |= pattern.matches(resource, request.tags)?;
        }
        if !resource_matches {
            return Ok(false);
        }
        let mut holds = true;
        for condition in &self.conditions {
            // All are read even after one fails: an unknown one must always refuse.
            holds &= condition.holds(request)?;
        }
        Ok(holds)
    }
}

#[cfg(test)]
mod tests;
