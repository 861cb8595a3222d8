use nexo_tenant_key::DirectoryKey;

fn forge() -> DirectoryKey {
    DirectoryKey::new("A#01ARZ3NDEKTSV4RRFFQ69G5FAV#CLI".into(), "01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

fn main() {}
