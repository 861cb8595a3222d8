//! Nobody gives, or takes, what they lack.

use nexo_api::{Code, Problem};
use nexo_domain::Grants;
use nexo_identity::Standing;

/// Refuses unless `caller` may do everything that `grants` allow.
pub(crate) fn may_grant(caller: &Standing, grants: Grants) -> Result<(), Problem> {
    let lacking: Vec<String> = caller.grants.lacks(grants).map(|grant| grant.to_string()).collect();
    let Some(first) = lacking.first() else { return Ok(()) };
    let names = lacking.join("`, `");
    let detail = format!("Nobody gives or takes what they lack: you lack `{names}`.");
    Err(Problem::new(Code::PermissionDenied, detail)
        .with_member("permission", first.as_str())
        .with_member("lacking", lacking.clone()))
}
