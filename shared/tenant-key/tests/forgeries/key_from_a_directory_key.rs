use nexo_domain::{AccountId, SessionId, UserId};
use nexo_tenant_key::{DirectoryKey, Key};

fn read(_: &Key) {}

fn forge(account: &AccountId, user: &UserId, session: &SessionId) {
    read(&DirectoryKey::session(account, user, session));
}

fn main() {}
