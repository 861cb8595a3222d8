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
        (at_nothing(&description, path), methods)
    });
    routes.collect()
}

/// The path with the id that the description gives as an example: well-formed, and names nothing.
fn at_nothing(description: &Value, path: &str) -> String {
    if !path.contains("{id}") {
        return path.to_owned();
    }
    let operation = description["paths"][path].as_object().unwrap().values().next().unwrap();
    let parameters = operation["parameters"].as_array().unwrap();
    let id = parameters.iter().find(|parameter| parameter["in"] == "path").unwrap();
    let schema = id["schema"]["$ref"].as_str().map_or(&id["schema"], |reference| {
        description.pointer(reference.trim_start_matches('#')).expect("a schema")
    });
    path.replace("{id}", schema["examples"][0].as_str().expect("an example"))
}
