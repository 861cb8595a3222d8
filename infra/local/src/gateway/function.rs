//! Calling a function as Lambda does.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Reply = Result<Vec<u8>, FunctionError>;
type Invocation = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A function the gateway can call: an event's JSON in, an answer's JSON out. Clones share it.
#[derive(Clone)]
pub struct FunctionHandle {
    invoke: Arc<dyn Fn(Vec<u8>, Context) -> Invocation + Send + Sync>,
}

impl std::fmt::Debug for FunctionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FunctionHandle")
    }
}

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionError {
    /// It took longer than it may.
    TimedOut,
    /// It panicked, or took or gave what is not the protocol's.
    Failed,
}

/// Makes a function of its router, through the adapter that `lambda_http::run` uses: events are
/// parsed and answers written by the same code as on Lambda.
pub fn function(router: Router) -> FunctionHandle {
    FunctionHandle {
        invoke: Arc::new(move |event, context| {
            let router = router.clone();
            Box::pin(async move {
                let payload: LambdaRequest =
                    serde_json::from_slice(&event).map_err(|_| FunctionError::Failed)?;
                // Called, not awaited, in a block of its own: the adapter cannot change threads. A
                // router is always ready.
                let call = {
                    let mut adapter = Adapter::from(router);
                    adapter.call(LambdaEvent { payload, context })
                };
                let response = call.await.map_err(|never: Infallible| match never {})?;
                serde_json::to_vec(&response).map_err(|_| FunctionError::Failed)
            })
        }),
    }
}

/// Makes a function of what it does with an event of another kind.
pub(crate) fn consumer<E, F>(work: impl Fn(E) -> F + Clone + Send + Sync + 'static) -> FunctionHandle
where
    E: DeserializeOwned,
    F: Future<Output: Serialize> + Send + 'static,
{
    FunctionHandle {
        invoke: Arc::new(move |event, _| {
            let event = serde_json::from_slice(&event).map(&work);
            Box::pin(async move {
                let answer = event.map_err(|_| FunctionError::Failed)?.await;
                serde_json::to_vec(&answer).map_err(|_| FunctionError::Failed)
            })
        }),
    }
}

/// Makes a function of what it may fail to do with an event.
pub(crate) fn fallible<E, F, A, X>(work: impl Fn(E) -> F + Clone + Send + Sync + 'static) -> FunctionHandle
where
    E: DeserializeOwned,
    F: Future<Output = Result<A, X>> + Send + 'static,
    A: Serialize,
{
    FunctionHandle {
        invoke: Arc::new(move |event, _| {
            let event = serde_json::from_slice(&event).map(&work);
            Box::pin(async move {
                let done = event.map_err(|_| FunctionError::Failed)?.await;
                serde_json::to_vec(&done.map_err(|_| FunctionError::Failed)?)
                    .map_err(|_| FunctionError::Failed)
            })
        }),
    }
}

impl FunctionHandle {
    /// Calls the function. Like a Lambda invocation, the call goes on when the client has left,
    /// until it is done or its time is over.
    pub(crate) async fn invoke(
        &self,
        event: Vec<u8>,
        request_id: &str,
        now_ms: u64,
        limit: Duration,
    ) -> Reply {
        let mut context = Context::default();
        request_id.clone_into(&mut context.request_id);
        context.deadline = now_ms.saturating_add(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let function = self.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "the sandbox's boundary: catches panics, outlives the client"
        )]
        let sandbox = tokio::spawn(async move {
            let call = (function.invoke)(event, context);
            match tokio::time::timeout(limit, call).await {
                Ok(reply) => reply,
                Err(_) => Err(FunctionError::TimedOut),
            }
        });
        // A panic ends the sandbox, not the gateway.
        sandbox.await.unwrap_or(Err(FunctionError::Failed))
    }
}
