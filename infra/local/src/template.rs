//! What `template.yaml` says, as far as the local platform needs it.
//!
//! The template is the one source of routes, limits and policies: the local gateway and the guard
//! of the local table are built from it, so what is not written there does not exist here either.
//! Resources of types that have no local counterpart are ignored; a resource that is needed and
//! cannot be read is one clear error that names its place.

mod api;
mod bucket;
mod function;
mod names;
mod resolve;
mod role;
mod stream;
mod table;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

pub use api::{Api, Cors, IpRateLimit, Throttle};
pub use bucket::Bucket;
pub use function::{Arrivals, Function, Route, Schedule};
pub use names::{ACCOUNT_ID, REGION};
pub use role::{Role, TrustStatement};
pub use stream::StreamSource;
pub use table::{Index, KeyAttribute, KeyKind, KeyType, Table};

use resolve::Resolver;

/// The template, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The HTTP API: CORS and throttling.
    pub api: Api,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Function>,
    /// The IAM roles by logical id.
    pub roles: BTreeMap<String, Role>,
    /// The one table.
    pub table: Table,
    /// The bucket of files.
    pub bucket: Option<Bucket>,
    /// The limit per client address, from the parameters `IpRateLimit` and `IpRateWindow`; an HTTP
    /// API has no such setting, so on AWS the edge enforces it.
    pub ip_rate_limit: Option<IpRateLimit>,
}

/// Why a template cannot be used, in one line: `template.yaml: ClientsFunction: no Role`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    /// Where: the file, then the logical id, then the property.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl TemplateError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl Template {
    /// Reads a template from a file. `parameters` replace the defaults of the template's own.
    ///
    /// # Errors
    /// The file or something needed in it cannot be read.
    pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.display().to_string());
        let text = std::fs::read_to_string(path)
            .map_err(|error| TemplateError::new(path.display().to_string(), error.to_string()))?;
        Self::parse(&name, &text, parameters)
    }

    /// Reads a template from its text; `name` is how errors call it.
    ///
    /// # Errors
    /// Something needed cannot be read.
    pub fn parse(
        name: &str,
        text: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let document =
            serde_yaml_ng::from_str(text).map_err(|error| TemplateError::new(name, error.to_string()))?;
        let resolver = Resolver::new(name, &document, parameters)?;
        let roles = role::read(&resolver)?;
        let functions = function::read(&resolver, &roles)?;
        Ok(Self {
            api: api::read(&resolver)?,
            functions,
            roles,
            table: table::read(&resolver)?,
            bucket: bucket::read(&resolver)?,
            ip_rate_limit: api::ip_rate_limit(&resolver)?,
        })
    }
}

#[cfg(test)]
mod tests;
