use nexo_tenant_key::Partition;

fn forge() -> Partition {
    Partition::from("A#01ARZ3NDEKTSV4RRFFQ69G5FAV#CLI")
}

fn main() {}
