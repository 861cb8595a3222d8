//! The `fallback` function on Lambda.

fn main() -> Result<(), lambda_http::Error> {
    nexo_api::serve(async |platform| Ok(fallback::routes(platform)))
}
