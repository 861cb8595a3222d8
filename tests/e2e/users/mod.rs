//! `/api/users`, `/api/roles`, `/api/teams`, `/api/account`, `/api/authz` and
//! `/api/api-keys`.

mod account;
mod api_keys;
mod change;
mod invitations;
mod owners;
mod roles;
mod teams;

use nexo_tests::Company;

/// The path of a company's user.
fn path(company: &Company<'_>) -> String {
    format!("/api/users/{}", company.user())
}
