//! `cargo xtask event`: an event that the running local server's table and keys know.

use std::fs;

use clap::Args;
use nexo_local::demo;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::process::project;

/// Prints an event with the tokens and ids of the running local server.
#[derive(Args)]
pub(crate) struct Event {
    /// The name of a file in events/, without .json
    name: String,
    /// The port of the local server
    #[arg(long, default_value_t = 4000)]
    port: u16,
}

impl Event {
    /// Fills in the file's placeholders and prints it.
    ///
    /// # Errors
    /// There is no such file, or no server that knows the demo account.
    pub(crate) fn print(&self) -> Result<(), String> {
        let folder = project().join("events");
        let text = fs::read_to_string(folder.join(&self.name).with_extension("json"))
            .map_err(|_| format!("there is no events/{}.json; there are {}", self.name, names(&folder)))?;
        print!("{}", crate::runtime()?.block_on(self.fill(text))?);
        Ok(())
    }

    async fn fill(&self, mut text: String) -> Result<String, String> {
        if !text.contains("{{") {
            return Ok(text);
        }
        let server = LocalServer { url: format!("http://127.0.0.1:{}", self.port), http: Client::new() };
        if text.contains("{{LINK_TOKEN}}") {
            let mails = server.call(Method::GET, "/dev/mail.json", None, None).await?;
            let mails = mails["data"].as_array().map(Vec::as_slice).unwrap_or_default();
            let token = demo::link_token(mails, "register").ok_or("no mail of a registration is there")?;
            text = text.replace("{{LINK_TOKEN}}", &token);
        }
        let login = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
        let tokens = server.call(Method::POST, "/api/auth/login", None, Some(&login)).await?;
        let access = member(&tokens, "accessToken")?;
        if text.contains("{{CLIENT_ID}}") {
            text = text.replace("{{CLIENT_ID}}", &server.any_client(access).await?);
        }
        text = text.replace("{{ACCESS_TOKEN}}", access);
        Ok(text.replace("{{REFRESH_TOKEN}}", member(&tokens, "refreshToken")?))
    }
}

/// The names of the events, for a person who mistyped one.
fn names(folder: &std::path::Path) -> String {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |file: fs::DirEntry| Some(file.file_name().to_str()?.strip_suffix(".json")?.to_owned());
    let mut names: Vec<_> = files.filter_map(name).collect();
    names.sort();
    names.join(", ")
}

struct LocalServer {
    url: String,
    http: Client,
}

impl LocalServer {
    /// The demo account's first client, made if there is none.
    async fn any_client(&self, token: &str) -> Result<String, String> {
        let listed = self.call(Method::GET, "/api/clients?limit=1", Some(token), None).await?;
        if let Some(first) = listed["data"].get(0) {
            return member(first, "id").map(str::to_owned);
        }
        let client = json!({"name": "Northwind Traders"});
        let created = self.call(Method::POST, "/api/clients", Some(token), Some(&client)).await?;
        member(&created, "id").map(str::to_owned)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .map_err(|_| format!("no server answers at {}: start one with `cargo dev`", self.url))?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => answer.json().await.map_err(|error| error.to_string()),
            StatusCode::UNAUTHORIZED => Err(format!(
                "{} does not know the demo account: start `cargo dev` without --no-demo",
                self.url
            )),
            status => Err(format!("{}{path} answers {status}", self.url)),
        }
    }
}

fn member<'a>(answer: &'a Value, name: &str) -> Result<&'a str, String> {
    answer[name].as_str().ok_or_else(|| format!("the server's answer has no {name}"))
}
