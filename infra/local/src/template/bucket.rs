//! The bucket of files, and who is told of new objects.

use std::time::Duration;

use super::TemplateError;
use super::api::Cors;
use super::resolve::Resolver;
use super::value::Object;

/// The one `AWS::S3::Bucket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name here.
    pub name: String,
    /// Its ARN here; an object is `<arn>/<key>`.
    pub arn: String,
    /// Cross-origin settings; without them no page may use it.
    pub cors: Option<Cors>,
}

pub(super) fn read(resolver: &Resolver<'_>) -> Result<Option<Bucket>, TemplateError> {
    let buckets = resolver.resources("AWS::S3::Bucket")?;
    let resource = match buckets.as_slice() {
        [] => return Ok(None),
        [one] => one,
        more => {
            let problem = format!("at most one AWS::S3::Bucket is known locally, {} are there", more.len());
            return Err(TemplateError::new(resolver.place(&[]), problem));
        }
    };
    let cors = match resolver.property(resource, "CorsConfiguration")? {
        None => None,
        Some(settings) => {
            let settings = Object::new(resolver.place(&[resource.id, "CorsConfiguration"]), settings)?;
            match settings.objects("CorsRules")?.as_slice() {
                [rule] => Some(cors(rule)?),
                _ => return Err(settings.error("one rule is known locally")),
            }
        }
    };
    Ok(Some(Bucket { name: resolver.physical_name(resource, 0)?, arn: resolver.arn(resource, 0)?, cors }))
}

fn cors(rule: &Object) -> Result<Cors, TemplateError> {
    Ok(Cors {
        allow_origins: rule.texts("AllowedOrigins")?,
        allow_methods: rule.texts("AllowedMethods")?,
        allow_headers: rule.texts("AllowedHeaders")?,
        expose_headers: rule.texts("ExposedHeaders")?,
        allow_credentials: false,
        max_age: rule.optional_number("MaxAge")?.map(Duration::from_secs),
    })
}
