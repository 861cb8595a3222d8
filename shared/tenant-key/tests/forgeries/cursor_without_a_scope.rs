use nexo_tenant_key::{AccountId, CursorKey};

fn forge(key: &CursorKey, victim: &AccountId) {
    let _ = key.open(victim, "/api/clients", "", "");
}

fn main() {}
