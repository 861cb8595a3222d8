use nexo_tenant_key::Partition;

fn forge() -> Partition {
    Partition::default()
}

fn main() {}
