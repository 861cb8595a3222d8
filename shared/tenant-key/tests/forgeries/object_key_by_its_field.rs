use nexo_tenant_key::ObjectKey;

fn forge() -> ObjectKey {
    ObjectKey("a/01ARZ3NDEKTSV4RRFFQ69G5FAV/01ARZ3NDEKTSV4RRFFQ69G5FAV".into())
}

fn main() {}
