//! `/api/users`, `/api/roles`, `/api/teams`, `/api/account`, `/api/authz` and
//! `/api/api-keys`.

mod account;
mod api_keys;
mod change;
mod invitations;
mod owners;
mod roles;
mod teams;

use std::sync::Arc;
use std::time::Duration;

use nexo_local::{FailNth, Fault, StoreCall};
use nexo_tests::{Answer, Company, Nexo};

/// The path of a company's user.
fn path(company: &Company<'_>) -> String {
    format!("/api/users/{}", company.user())
}

/// Where in the calls of a change, made before already, its write is, from 1.
fn place_of_write(calls: &[Arc<StoreCall>]) -> u64 {
    let before = calls.iter().take_while(|call| call.operation != "TransactWriteItems").count();
    assert!(before < calls.len(), "there is no write: {calls:?}");
    1 + u64::try_from(before).unwrap()
}

/// What is answered when call `nth` of `request` to the store is held up until `meanwhile` is done: the
/// store's client sends it again when it has waited long enough, 3 s.
async fn held_up(
    nexo: &Nexo,
    nth: u64,
    request: impl Future<Output = Answer>,
    meanwhile: impl Future<Output = Answer>,
) -> Answer {
    let faults = nexo.door().faults();
    faults.arm([FailNth { n: nth, how: Fault::Hang(Duration::from_hours(1)) }]);
    let meanwhile = async {
        while faults.calls() < nth {
            tokio::task::yield_now().await;
        }
        meanwhile.await
    };
    let (answer, meanwhile) = tokio::join!(request, meanwhile);
    assert_eq!(meanwhile.status, 200, "{meanwhile:?}");
    answer
}
