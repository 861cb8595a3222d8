//! The `files` function on Lambda.

use files::{Event, Inspector, Scanner};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use nexo_api::Platform;
use nexo_files::Bucket;

fn main() -> Result<(), Error> {
    let scanner = Scanner::of(&Platform::required_variable("NEXO_MALWARE_SCAN"));
    let inspector = Inspector::new(&Platform::from_env(), Bucket::from_env(), scanner);
    // A sandbox has one event at a time: one thread is all there is to use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inspect =
        async |event: LambdaEvent<Event>| inspector.handle(event.payload).await.map_err(Error::from);
    runtime.block_on(lambda_runtime::run(service_fn(inspect)))
}
