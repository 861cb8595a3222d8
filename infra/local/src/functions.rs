//! The registry of functions: one line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_api::{LogSink, Platform, Routes};
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
    ("UploadsFunction", |platform, environment| {
        // It signs, with accounts' credentials, and calls nothing.
        let nobody = Credentials::new("none", "none", None, None, "local");
        let bucket = bucket(environment, nobody, StoreConfig::https(), platform);
        Ok(uploads::routes(platform, bucket))
    }),
    ("UsersFunction", |platform, _| Ok(users::routes(platform))),
];

/// Makes a function that the table's stream calls, out of its environment.
pub type MakeConsumer = fn(&Environment, &Mailbox, &LogSink) -> Result<FunctionHandle, String>;

/// Every function that the table's stream calls, by its logical id in `template.yaml`.
pub const CONSUMERS: &[(&str, MakeConsumer)] = &[("MailFunction", |environment, mailbox, log| {
    let value = |name: &str| environment.get(name).map(String::as_str).unwrap_or_default();
    let (secret, page) = (value("NEXO_LINK_SECRET"), value("NEXO_LINK_PAGE"));
    let sender = mail::Sender::new(secret, page, Box::new(mailbox.clone()), log.clone());
    let sender = Arc::new(sender.map_err(|error| error.to_string())?);
    Ok(consumer(move |event| {
        let sender = sender.clone();
        async move { sender.send(event).await }
    }))
})];

/// The function that new objects of the bucket are told to, by its logical id in `template.yaml`.
pub const INSPECTOR: &str = "FilesFunction";

/// Makes the function that new objects of the bucket are told to.
pub(crate) fn inspector(platform: &Platform, bucket: Bucket) -> FunctionHandle {
    let inspector = Arc::new(files::Inspector::new(platform, bucket));
    fallible(move |event| {
        let inspector = inspector.clone();
        async move { inspector.inspect(event).await }
    })
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
