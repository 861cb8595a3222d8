use nexo_domain::{AccountId, ClientId, SessionId};
use nexo_tenant_key::DirectoryKey;

fn forge(account: &AccountId, client: &ClientId, session: &SessionId) -> DirectoryKey {
    DirectoryKey::session(account, client, session)
}

fn main() {}
