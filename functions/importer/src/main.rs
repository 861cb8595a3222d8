//! The `importer` function on Lambda.

use importer::{Event, Importer};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use nexo_api::Platform;
use nexo_files::Bucket;

fn main() -> Result<(), Error> {
    let importer = Importer::new(&Platform::from_env(), Bucket::from_env());
    // A sandbox has one event at a time: one thread is all there is to use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let follow = async |event: LambdaEvent<Event>| Ok::<_, Error>(importer.handle(event.payload).await);
    runtime.block_on(lambda_runtime::run(service_fn(follow)))
}
