use nexo_tenant_key::Key;

fn forge(json: &str) -> Key {
    serde_json::from_str(json).unwrap()
}

fn main() {}
