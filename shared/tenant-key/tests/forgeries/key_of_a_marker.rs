use nexo_tenant_key::{AccountId, Key};

fn forge(victim: &AccountId) -> Key {
    Key::marker(victim, "UNQ", &["CLI", "taxId", "1"])
}

fn main() {}
