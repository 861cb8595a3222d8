use nexo_tenant_key::{AccountId, ObjectKey};

fn forge(victim: &AccountId) -> ObjectKey {
    ObjectKey::new(victim, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

fn main() {}
