//! The part of `cargo deny check` that needs no database of advisories: licences, banned crates and
//! sources, by the lists of `deny.toml`.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use crate::process::{cargo, output, project};

#[derive(Deserialize)]
struct Deny {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for a crate of this workspace.
    source: Option<String>,
}

/// Checks every crate of the lock file that any of the targets compiles.
///
/// # Errors
/// Every crate that breaks a list, one a line.
pub(crate) fn check() -> Result<(), String> {
    let path = project().join("deny.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let deny: Deny = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut arguments = vec!["metadata", "--quiet", "--locked", "--all-features", "--format-version", "1"];
    for target in &deny.graph.targets {
        arguments.extend(["--filter-platform", target]);
    }
    let metadata: Metadata =
        serde_json::from_str(&output(&mut cargo(&arguments))?).map_err(|error| error.to_string())?;
    let mut problems: Vec<_> =
        metadata.packages.iter().filter_map(|package| problem(package, &deny)).collect();
    problems.extend(sources(&metadata.packages));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn problem(package: &Package, deny: &Deny) -> Option<String> {
    let Package { name, version, license, .. } = package;
    if let Some(banned) = deny.bans.deny.iter().find(|banned| banned.name == *name) {
        return Some(format!("{name} {version} is banned: {}", banned.reason));
    }
    let licence = license.as_deref().unwrap_or_default();
    let allowed = is_allowed(licence, &deny.licenses.allow);
    (!allowed)
        .then(|| format!("{name} {version} has the licence {licence:?}, which deny.toml does not allow"))
}

/// Crates come from cargo's own registry: from one, then, and from no repository.
fn sources(packages: &[Package]) -> Option<String> {
    let known: BTreeSet<_> = packages.iter().filter_map(|package| package.source.as_deref()).collect();
    let one_registry = known.len() == 1 && known.iter().all(|source| source.starts_with("registry+"));
    (!one_registry).then(|| format!("crates come from other places than one registry: {known:?}"))
}

/// Whether an SPDX expression can be met with allowed licences alone. `/` is how crates wrote `OR`
/// before the registry asked for SPDX.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `a OR b`, which binds less than `AND`.
fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

/// A licence, with its exception if it has one, or an expression in parentheses.
fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words, allowed);
        return words.next_if_eq(&")").is_some() && met;
    }
    let Some(licence) = words.next() else { return false };
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed.contains(&format!("{licence} WITH {exception}")),
        None => allowed.contains(licence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_allowed_licences_alone() {
        let allowed: BTreeSet<_> =
            ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"].map(String::from).into();
        for (expression, is_met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT/Apache-2.0", true),
            ("(MIT OR GPL-3.0-only) AND ISC", true),
            ("MIT OR GPL-3.0-only AND AGPL-3.0-only", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("(MIT", false),
            ("MIT Apache-2.0", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), is_met, "{expression}");
        }
    }
}
