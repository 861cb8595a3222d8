use nexo_tenant_key::Partition;

fn forge(json: &str) -> Partition {
    serde_json::from_str(json).unwrap()
}

fn main() {}
