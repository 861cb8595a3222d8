//! Denied access, which the user who was denied is told of.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nexo_domain::{SecurityEventType, UserId};

use crate::{Platform, Problem, RequestContext};

const MINUTE_MS: i64 = 60_000;

/// Who was denied what in this minute. What is noted once a minute cannot be made to cost much, nor to bury
/// what else happened.
#[derive(Default)]
pub(crate) struct Denials(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    number: i64,
    noted: HashSet<(UserId, String)>,
}

impl Denials {
    fn is_first(&self, now_ms: i64, user: UserId, permission: &str) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now_ms / MINUTE_MS;
        if minute.number != number {
            *minute = Minute { number, noted: HashSet::new() };
        }
        minute.noted.insert((user, permission.to_owned()))
    }
}

/// Notes that a request was denied. One that cannot be noted within `patience` is denied all the same.
pub(crate) async fn note(
    platform: &Platform,
    context: &RequestContext,
    problem: &Problem,
    operation: String,
    patience: Duration,
) {
    let (Some(principal), Some(permission)) = (context.principal(), problem.permission()) else { return };
    if !platform.denials.is_first(platform.clock.now_ms(), principal.user, permission) {
        return;
    }
    let event = context.event(SecurityEventType::PermissionDenied).failed();
    let event = event.with("permission", permission).with("operation", operation);
    let noted = platform.note(context, &principal.account, &principal.user, &event);
    if tokio::time::timeout(patience, noted).await.is_err() {
        context.warn("security event not kept: no time left".to_owned());
    }
}
