//! The `imports` function on Lambda.

fn main() -> Result<(), lambda_http::Error> {
    nexo_api::serve(async |platform| Ok(imports::routes(platform)))
}
