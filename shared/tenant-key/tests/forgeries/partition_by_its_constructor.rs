use nexo_tenant_key::{AccountId, Partition};

fn forge(victim: &AccountId) -> Partition {
    Partition::new(victim, "CLI")
}

fn main() {}
