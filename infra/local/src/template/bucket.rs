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
    /// The days after which an upload in parts ends that nobody has put together; `None` keeps it.
    pub unfinished_days: Option<i64>,
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
    let unfinished_days = match resolver.property(resource, "LifecycleConfiguration")? {
        None => None,
        Some(settings) => unfinished_days(&Object::new(
            resolver.place(&[resource.id, "LifecycleConfiguration"]),
            settings,
        )?)?,
    };
    let (name, arn) = (resolver.physical_name(resource, 0)?, resolver.arn(resource, 0)?);
    Ok(Some(Bucket { name, arn, cors, unfinished_days }))
}

/// The one rule of the lifecycle that is known locally.
fn unfinished_days(lifecycle: &Object) -> Result<Option<i64>, TemplateError> {
    for rule in lifecycle.objects("Rules")? {
        if let Some(ends) = rule.optional_object("AbortIncompleteMultipartUpload")? {
            let days = i64::try_from(ends.number("DaysAfterInitiation")?);
            return days.map(Some).map_err(|error| ends.error(error.to_string()));
        }
    }
    Ok(None)
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
