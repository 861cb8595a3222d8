//! Runs a function on Lambda.

use nexo_store::Meter;

use crate::{Access, Platform, Routes, app};

/// Answers the events of the Lambda runtime until the sandbox ends.
///
/// In init, where a sandbox has its full CPU and no request waits, the platform is made from the
/// environment, and where tokens are verified the public keys are read, which also opens the connection to
/// the table.
///
/// # Errors
/// When `start` fails, or the runtime API cannot be reached.
pub fn serve(
    start: impl AsyncFnOnce(&Platform) -> Result<Routes, lambda_http::Error>,
) -> Result<(), lambda_http::Error> {
    // A sandbox answers one request at a time: one thread is all there is to use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let routes = start(&Platform::from_env()).await?;
        // The routes' own platform: `auth` has another verifier.
        let platform = routes.platform().clone();
        let verifies = routes.operations().iter().any(|(_, operation)| operation.access != Access::Public);
        let app = app(routes);
        // A table that does not answer now may do so later: the first request reads the keys again.
        if verifies && let Err(error) = platform.verifier.warm(&platform.directory(&Meter::default())).await {
            (platform.log)(&serde_json::json!({"level": "WARN", "message": error.to_string()}).to_string());
        }
        lambda_http::run(app).await
    })
}
