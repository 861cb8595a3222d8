//! The registry of functions: one line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_api::{Platform, Routes};
use nexo_files::{Bucket, BucketConfig};
use nexo_store::StoreConfig;

use crate::FunctionHandle;
use crate::gateway::{consumer, fallible};
use crate::mailbox::Mailbox;

/// A function's environment, as the template gives it.
pub type Environment = BTreeMap<String, String>;

/// Makes a function's routes on a platform.
pub type MakeRoutes = fn(&Platform, &Environment) -> Result<Routes, String>;

/// Every function, by its logical id in `template.yaml`.
pub const FUNCTIONS: &[(&str, MakeRoutes)] = &[
    ("AuthFunction", |platform, environment| {
        auth::routes(platform, &auth_settings(environment)).map_err(|error| error.to_string())
    }),
    ("ClientsFunction", |platform, _| Ok(clients::routes(platform))),
    ("EmployeesFunction", |platform, _| Ok(employees::routes(platform))),
    ("FallbackFunction", |platform, _| Ok(fallback::routes(platform))),
    ("HealthFunction", |platform, _| Ok(health::routes(platform))),
    ("ImportsFunction", |platform, _| Ok(imports::routes(platform))),
    ("UploadsFunction", |platform, environment| {
        // It signs, with accounts' credentials, and calls nothing.
        let nobody = Credentials::new("none", "none", None, None, "local");
        let bucket = bucket(environment, nobody, StoreConfig::https(), platform);
        Ok(uploads::routes(platform, bucket))
    }),
    ("UsersFunction", |platform, _| Ok(users::routes(platform))),
];

/// What a function that no request calls is made of.
pub struct Surroundings<'a> {
    /// Its environment, as the template gives it.
    pub environment: &'a Environment,
    /// The table, the clock and the log.
    pub platform: &'a Platform,
    /// The bucket, under the function's own role.
    pub bucket: &'a Bucket,
    /// Where mails go.
    pub mailbox: &'a Mailbox,
}

/// Makes a function that events call.
pub type MakeConsumer = fn(&Surroundings<'_>) -> Result<FunctionHandle, String>;

/// Every function that events call, of the table's stream, of the bucket or of a schedule, by its logical id in
/// `template.yaml`.
pub const CONSUMERS: &[(&str, MakeConsumer)] = &[
    ("FilesFunction", |surroundings| {
        let bucket = surroundings.bucket.clone();
        let inspector =
            files::Inspector::new(surroundings.platform, bucket, scanner(surroundings.environment));
        let inspector = Arc::new(inspector);
        Ok(fallible(move |event| {
            let inspector = inspector.clone();
            async move { inspector.handle(event).await }
        }))
    }),
    ("ImporterFunction", |surroundings| {
        let importer = Arc::new(importer::Importer::new(surroundings.platform, surroundings.bucket.clone()));
        Ok(consumer(move |event| {
            let importer = importer.clone();
            async move { importer.handle(event).await }
        }))
    }),
    ("MailFunction", |surroundings| {
        let value = |name: &str| surroundings.environment.get(name).map(String::as_str).unwrap_or_default();
        let (secret, page) = (value("NEXO_LINK_SECRET"), value("NEXO_LINK_PAGE"));
        let log = surroundings.platform.log.clone();
        let sender = mail::Sender::new(secret, page, Box::new(surroundings.mailbox.clone()), log);
        let sender = Arc::new(sender.map_err(|error| error.to_string())?);
        Ok(consumer(move |event| {
            let sender = sender.clone();
            async move { sender.send(event).await }
        }))
    }),
    ("SweepFunction", |surroundings| {
        let bucket = surroundings.bucket.clone();
        let sweeper = sweep::Sweeper::new(surroundings.platform, bucket, scanner(surroundings.environment));
        let sweeper = Arc::new(sweeper);
        Ok(fallible(move |event| {
            let sweeper = sweeper.clone();
            async move { sweeper.handle(event).await }
        }))
    }),
];

/// Who looks for malware, as a function's environment says.
fn scanner(environment: &Environment) -> files::Scanner {
    files::Scanner::of(environment.get("NEXO_MALWARE_SCAN").map_or("none", String::as_str))
}

/// The bucket, as a function's environment names it.
pub(crate) fn bucket(
    environment: &Environment,
    own_role: Credentials,
    http: SharedHttpClient,
    platform: &Platform,
) -> Bucket {
    let value = |name: &str| environment.get(name).cloned();
    Bucket::new(BucketConfig {
        name: value("NEXO_BUCKET").unwrap_or_default(),
        region: SIGNING_REGION.to_owned(),
        endpoint: value("NEXO_S3_ENDPOINT"),
        own_role,
        http,
        clock: platform.clock.clone(),
    })
}

/// A region that compatible servers know; the embedded ones know none.
pub(crate) const SIGNING_REGION: &str = "us-east-1";

/// The settings of `auth`, from its environment.
pub fn auth_settings(environment: &Environment) -> auth::Settings {
    let value = |name: &str| environment.get(name).cloned().unwrap_or_default();
    auth::Settings {
        signing_secret: value("NEXO_SIGNING_SECRET"),
        link_secret: value("NEXO_LINK_SECRET"),
        issuer: value("NEXO_ISSUER"),
        relying_party: value("NEXO_RELYING_PARTY"),
        origin: value("NEXO_ORIGIN"),
    }
}
