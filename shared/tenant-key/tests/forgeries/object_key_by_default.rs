use nexo_tenant_key::ObjectKey;

fn forge() -> ObjectKey {
    ObjectKey::default()
}

fn main() {}
