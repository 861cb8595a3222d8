//! The `auth` function on Lambda.

fn main() -> Result<(), lambda_http::Error> {
    nexo_api::serve(async |platform| {
        let settings = auth::Settings::from_env();
        auth::publish_keys(platform, &settings).await?;
        Ok(auth::routes(platform, &settings)?)
    })
}
