//! The API's description, from the declarations of the routes.

use std::sync::Arc;

use aws_credential_types::Credentials;
use nexo_api::{Platform, openapi};
use nexo_identity::Clock;
use nexo_store::StoreConfig;

use crate::functions::{Environment, FUNCTIONS};

/// The description of every function in the registry, as `openapi.json` holds it.
///
/// # Errors
/// When a function does not say its routes.
pub fn description() -> Result<String, String> {
    // Routes are only listed: nothing is called, so nothing here need exist.
    let store = StoreConfig {
        table: "none".into(),
        region: "none".into(),
        endpoint: None,
        own_role: Credentials::new("none", "none", None, None, "none"),
        http: StoreConfig::https(),
        clock: Clock::system(),
    };
    let mut platform = Platform::new(store, "none", None);
    platform.log = Arc::new(|_| ());
    let secrets = ["NEXO_SIGNING_SECRET", "NEXO_LINK_SECRET"];
    let environment: Environment = secrets.map(|name| (name.to_owned(), "n".repeat(32))).into();
    let functions: Vec<_> =
        FUNCTIONS.iter().map(|(_, make)| make(&platform, &environment)).collect::<Result<_, _>>()?;
    let text =
        serde_json::to_string_pretty(&openapi::document(&functions)).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}
