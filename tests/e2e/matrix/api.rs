//! The operations of the API, as its description names them when the test runs.

use nexo_tests::{Answer, Nexo};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value};

/// One operation of the description.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// `security`, as written: absent, empty, or with a scheme.
    pub(crate) security: Option<Vec<Value>>,
    pub(crate) permission: Option<String>,
    /// Whether it asks for a recent proof of who calls.
    pub(crate) is_recent: bool,
    /// Whether it may be called in a session that is for setting up a second factor only.
    pub(crate) is_for_setup: bool,
    /// The names of the query parameters, and the values of those that are choices.
    pub(crate) query: Vec<(String, Vec<String>)>,
    /// The body's media type, schema and example.
    pub(crate) body: Option<Body>,
}

#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) media_type: String,
    pub(crate) schema: Value,
    pub(crate) example: Map<String, Value>,
}

impl Operation {
    pub(crate) fn is_public(&self) -> bool {
        self.security.as_ref().is_some_and(Vec::is_empty)
    }

    /// `METHOD /path`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What comes before `/{id}`: the collection the id is of. `None` for an operation without one.
    pub(crate) fn collection(&self) -> Option<&str> {
        let (collection, rest) = self.path.split_once("/{")?;
        assert!(rest.starts_with("id}") && !rest.contains('{'), "teach the matrix the path {}", self.path);
        Some(collection)
    }

    /// The operation on this record.
    pub(crate) fn at(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    /// Puts the example into a request.
    pub(crate) fn with_example(&self, request: RequestBuilder) -> RequestBuilder {
        self.with_body(request, &self.body.as_ref().map(|body| body.example.clone()).unwrap_or_default())
    }

    /// Puts `members` into a request, if the operation has a body.
    pub(crate) fn with_body(&self, request: RequestBuilder, members: &Map<String, Value>) -> RequestBuilder {
        match &self.body {
            Some(body) => {
                let text = Value::Object(members.clone()).to_string();
                request.header("content-type", &body.media_type).body(text)
            }
            None => request,
        }
    }
}

/// Every operation of the description that the server serves.
pub(crate) async fn operations(nexo: &Nexo) -> Vec<Operation> {
    let document = Answer::of(nexo.request(Method::GET, "/api/openapi.json")).await.body;
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                security: operation.get("security").map(|given| given.as_array().expect("a list").clone()),
                permission: operation["x-permission"].as_str().map(str::to_owned),
                is_recent: operation["x-max-authentication-age"] == 600,
                is_for_setup: operation["x-without-second-factor"] == true,
                query: query(operation),
                body: body(&document, operation),
            });
        }
    }
    assert!(operations.len() >= 20, "the description is there");
    operations
}

fn query(operation: &Value) -> Vec<(String, Vec<String>)> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let choices = |parameter: &Value| -> Vec<String> {
        let choices = parameter["schema"]["enum"].as_array().cloned().unwrap_or_default();
        choices.iter().filter_map(|choice| choice.as_str().map(str::to_owned)).collect()
    };
    in_query
        .map(|parameter| (parameter["name"].as_str().expect("a name").to_owned(), choices(parameter)))
        .collect()
}

fn body(document: &Value, operation: &Value) -> Option<Body> {
    let content = operation["requestBody"]["content"].as_object()?;
    let (media_type, body) = content.iter().next().expect("a media type");
    let schema = match body["schema"]["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a schema").clone(),
        None => body["schema"].clone(),
    };
    let example = body["example"].as_object().expect("each body has an example").clone();
    Some(Body { media_type: media_type.clone(), schema, example })
}
