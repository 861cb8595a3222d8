//! The API's description: it is what is checked in, what is served, what is deployed and what is
//! answered.

mod schema;
mod tour;

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use nexo_api::Platform;
use nexo_identity::Clock;
use nexo_local::FUNCTIONS;
use nexo_local::functions::Environment;
use nexo_store::StoreConfig;
use nexo_tests::{Nexo, project};
use serde_json::Value;

/// A platform for handlers that ask nothing of the table.
pub(crate) fn platform_without_table() -> Platform {
    let store = StoreConfig {
        table: "none".into(),
        region: "local".into(),
        endpoint: None,
        own_role: Credentials::new("none", "none", None, None, "none"),
        http: StoreConfig::https(),
        clock: Clock::system(),
    };
    Platform::new(store, "none", None)
}

fn checked_in() -> String {
    std::fs::read_to_string(project().join("openapi.json")).unwrap()
}

#[test]
fn the_description_is_made_of_the_routes_and_checked_in() {
    let (made, checked_in) = (nexo_local::description::description().unwrap(), checked_in());
    let differs = made.lines().zip(checked_in.lines()).find(|(made, checked_in)| made != checked_in);
    assert_eq!(differs, None, "run `cargo xtask openapi`");
    assert_eq!(made.len(), checked_in.len(), "run `cargo xtask openapi`");
}

#[tokio::test]
async fn the_template_the_functions_and_the_description_have_the_same_routes() {
    let nexo = Nexo::start().await;
    let mut deployed = BTreeSet::new();
    for (id, function) in &nexo.server().template().functions {
        let routes = function.routes.iter().filter(|route| route.path != "$default");
        deployed.extend(routes.map(|route| (id.clone(), route.method.clone(), route.path.clone())));
    }
    let secrets = ["NEXO_SIGNING_SECRET", "NEXO_LINK_SECRET"];
    let environment: Environment = secrets.map(|name| (name.to_owned(), "n".repeat(32))).into();
    let mut coded = BTreeSet::new();
    for (id, make) in FUNCTIONS {
        for (path, operation) in make(&platform_without_table(), &environment).unwrap().operations() {
            coded.insert(((*id).to_owned(), operation.method.as_str().to_owned(), path.clone()));
        }
    }
    // Each with its function: a route that leads to the wrong one is a route that is missing.
    assert_eq!(deployed, coded);

    let description: Value = serde_json::from_str(&checked_in()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let coded: BTreeSet<_> = coded.into_iter().map(|(_, method, path)| (method, path)).collect();
    assert_eq!(described, coded);
}

#[tokio::test]
async fn the_description_is_served() {
    let nexo = Nexo::start().await;
    let answer = nexo.get("/api/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.body, serde_json::from_str::<Value>(&checked_in()).unwrap());
    assert_eq!(answer.body["openapi"], "3.1.0");
}
