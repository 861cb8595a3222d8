//! The registry of functions: one line each.

use std::collections::BTreeMap;

use nexo_api::{Platform, Routes};

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
    ("FallbackFunction", |platform, _| Ok(fallback::routes(platform))),
    ("HealthFunction", |platform, _| Ok(health::routes(platform))),
    ("UsersFunction", |platform, _| Ok(users::routes(platform))),
];

/// The settings of `auth`, from its environment.
pub fn auth_settings(environment: &Environment) -> auth::Settings {
    let value = |name: &str| environment.get(name).cloned().unwrap_or_default();
    auth::Settings { signing_secret: value("NEXO_SIGNING_SECRET"), issuer: value("NEXO_ISSUER") }
}
