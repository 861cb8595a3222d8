//! The `mail` function on Lambda.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use mail::ses::Ses;
use mail::{Event, Sender};
use nexo_api::{Platform, log_to_stderr};

fn main() -> Result<(), Error> {
    let setting = Platform::required_variable;
    let sender = Sender::new(
        &setting("NEXO_LINK_SECRET"),
        &setting("NEXO_LINK_PAGE"),
        Box::new(Ses::from_env(setting("NEXO_MAIL_FROM"))),
        Arc::new(log_to_stderr),
    )?;
    // A sandbox has one batch at a time: one thread is all there is to use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let send = async |event: LambdaEvent<Event>| Ok::<_, Error>(sender.send(event.payload).await);
    runtime.block_on(lambda_runtime::run(service_fn(send)))
}
