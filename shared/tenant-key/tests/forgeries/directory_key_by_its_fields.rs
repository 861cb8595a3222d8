use nexo_tenant_key::DirectoryKey;

fn forge() -> DirectoryKey {
    DirectoryKey { partition: "A#01ARZ3NDEKTSV4RRFFQ69G5FAV#CLI".into(), sort: String::new() }
}

fn main() {}
