//! The `uploads` function on Lambda.

fn main() -> Result<(), lambda_http::Error> {
    nexo_api::serve(async |platform| Ok(uploads::routes(platform, nexo_files::Bucket::from_env())))
}
