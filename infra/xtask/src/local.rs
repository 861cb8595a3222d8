//! A server of a task's own, in this process, with an account in it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode, Uri};
use nexo_identity::Clock;
use nexo_local::Server;
use nexo_local::server::Options;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::process::project;

/// The password of every account that tasks make.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server without limits per address, on any port.
///
/// # Errors
/// Says why it does not start.
pub(crate) async fn start(data: Option<PathBuf>, clock: Clock) -> Result<Server, String> {
    let options = Options {
        template: project().join("template.yaml"),
        data,
        port: 0,
        rate_limit: Some(None),
        external: None,
        engine_port: None,
        log: Arc::new(|_| ()),
        clock,
    };
    Server::start(options).await.map_err(|error| error.to_string())
}

/// A user of an account.
pub(crate) struct User<'a> {
    server: &'a Server,
    /// The access token.
    pub(crate) token: String,
}

impl<'a> User<'a> {
    /// Registers a company.
    ///
    /// # Errors
    /// The server does not take it.
    pub(crate) async fn register(server: &'a Server, email: &str) -> Result<Self, String> {
        let tokens = nexo_local::demo::register(server, &registration(email)).await?;
        Self::with(server, &tokens.ok_or("the address has an account already")?)
    }

    /// Logs in to a company that was registered here, or copied from one that was.
    ///
    /// # Errors
    /// The server does not know it.
    pub(crate) async fn log_in(server: &'a Server, email: &str) -> Result<Self, String> {
        Self::enter(server, "/api/auth/login", &json!({"email": email, "password": PASSWORD})).await
    }

    async fn enter(server: &'a Server, path: &str, body: &Value) -> Result<Self, String> {
        let nobody = Self { server, token: String::new() };
        Self::with(server, &nobody.call(Method::POST, path, Some(body)).await?)
    }

    fn with(server: &'a Server, tokens: &Value) -> Result<Self, String> {
        let token = tokens["accessToken"].as_str().ok_or("no access token")?.to_owned();
        Ok(Self { server, token })
    }

    /// A request through the gateway; its answer's body.
    ///
    /// # Errors
    /// The answer is no success.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", "127.0.0.1")
            .header("content-type", "application/json");
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.server.handle(request.body(body).map_err(|error| error.to_string())?).await;
        let (status, body) = (answer.status(), answer.into_body());
        let bytes = to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        match status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())
            }
            _ => Err(format!("{method} {path} answers {status}: {}", String::from_utf8_lossy(&bytes))),
        }
    }

    /// Uploads a CSV file and answers its id.
    ///
    /// # Errors
    /// The server does not take it.
    pub(crate) async fn upload(&self, bytes: Vec<u8>) -> Result<String, String> {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let announcement = json!({
            "name": "records.csv", "contentType": "text/csv", "size": bytes.len(), "sha256": digest.concat(),
            "category": "other",
        });
        let file = self.call(Method::POST, "/api/uploads", Some(&announcement)).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let address: Uri = text(&file["upload"]["url"]).parse().map_err(|_| "no address to upload to")?;
        let mut request =
            Request::builder().method(Method::PUT).uri(address.path_and_query().map_or("", |it| it.as_str()));
        request = request.header("host", address.authority().map_or("", |authority| authority.as_str()));
        for (name, value) in file["upload"]["headers"].as_object().into_iter().flatten() {
            request = request.header(name, text(value));
        }
        let request = request.body(Body::from(bytes)).map_err(|error| error.to_string())?;
        let answer = self.server.handle(request).await;
        if answer.status() != StatusCode::OK {
            return Err(format!("the upload is answered {}", answer.status()));
        }
        self.server.catch_up().await;
        Ok(text(&file["id"]))
    }

    /// Creates a client and answers its id.
    ///
    /// # Errors
    /// The server does not take it.
    pub(crate) async fn create_client(&self, name: &str) -> Result<String, String> {
        let created = self.call(Method::POST, "/api/clients", Some(&client(name))).await?;
        created["id"].as_str().map(str::to_owned).ok_or_else(|| "a client without an id".to_owned())
    }
}

/// A company's registration.
pub(crate) fn registration(email: &str) -> Value {
    json!({
        "companyName": "Acme GmbH", "email": email, "password": PASSWORD,
        "firstName": "Ada", "lastName": "Lovelace",
    })
}

/// A client as companies have them: about 400 bytes stored.
pub(crate) fn client(name: &str) -> Value {
    json!({"name": name, "type": "company", "status": "active", "industry": "engineering"})
}
