//! What holds for every route: errors, methods, bodies, ids of requests, limits, cross-origin rules.

mod bodies;
mod cors;
mod deadline;
mod limits;
mod methods;
mod request_id;
mod template;

use nexo_tests::project;
use serde_json::Value;

/// The checked-in description.
fn description() -> Value {
    serde_json::from_str(&std::fs::read_to_string(project().join("openapi.json")).unwrap()).unwrap()
}

/// Path and methods of every route. Ids are well-formed and name nothing.
fn routes() -> Vec<(String, Vec<String>)> {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let routes = paths.iter().map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let kind = if path.contains("sessions") { "ses" } else { "cli" };
        (path.replace("{id}", &format!("{kind}_01ARZ3NDEKTSV4RRFFQ69G5FAV")), methods)
    });
    routes.collect()
}
