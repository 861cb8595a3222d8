use nexo_tenant_key::Partition;

fn forge() -> Partition {
    "A#01ARZ3NDEKTSV4RRFFQ69G5FAV#CLI".into()
}

fn main() {}
