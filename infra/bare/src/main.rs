//! The least that `lambda_http` can be: every event is answered at once, with nothing.

use std::convert::Infallible;

use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(Body::Empty)))).await
}
