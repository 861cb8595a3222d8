//! Who works in an account, and what they may do: users, roles, teams, API keys, and the account itself.
//!
//! Everything is reached through credentials that the engine limits to the caller's account. Logins and
//! passwords are `auth`'s alone: this function could not read one. It looks at the session of every request,
//! so that whoever lost a right cannot give it away.

mod account;
mod api_keys;
mod authz;
mod grant;
mod invitations;
mod roles;
mod teams;
mod user;
mod users;

use nexo_api::{Platform, Routes, list_and_get, list_get_and_delete};

use crate::invitations::Invitation;
use crate::user::User;

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    let platform = platform.always_checking_the_session();
    let [change, remove, activity] = users::OPERATIONS;
    let [invite, resend] = invitations::OPERATIONS;
    let [list_roles, create_role, get_role, change_role, delete_role, effective] = roles::OPERATIONS;
    let [list_teams, create_team, get_team, rename_team, delete_team] = teams::OPERATIONS;
    let [list_keys, create_key, get_key, revoke_key] = api_keys::OPERATIONS;
    let [get_account, change_account, transfer, leave] = account::OPERATIONS;
    list_and_get::<User>(&platform)
        .on(change, users::change)
        .on(remove, users::remove)
        .on(activity, users::activity)
        .and(
            list_get_and_delete::<Invitation>(&platform)
                .on(invite, invitations::create)
                .on(resend, invitations::resend),
        )
        .and(
            Routes::new(&platform, "/api/roles")
                .on(list_roles, roles::list)
                .on(create_role, roles::create)
                .on(get_role, roles::get)
                .on(change_role, roles::change)
                .on(delete_role, roles::delete)
                .on(effective, roles::effective),
        )
        .and(
            Routes::new(&platform, "/api/teams")
                .on(list_teams, teams::list)
                .on(create_team, teams::create)
                .on(get_team, teams::get)
                .on(rename_team, teams::rename)
                .on(delete_team, teams::delete),
        )
        .and(
            Routes::new(&platform, "/api/account")
                .on(get_account, account::get)
                .on(change_account, account::change)
                .on(transfer, account::transfer)
                .on(leave, account::leave),
        )
        .and(
            Routes::new(&platform, "/api/api-keys")
                .on(list_keys, api_keys::list)
                .on(create_key, api_keys::create)
                .on(get_key, api_keys::get)
                .on(revoke_key, api_keys::revoke),
        )
        .and(Routes::new(&platform, "/api/authz").on(authz::CHECK, authz::check))
}
