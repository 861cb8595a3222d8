use nexo_tenant_key::TenantScope;

fn forge(json: &str) -> TenantScope {
    serde_json::from_str(json).unwrap()
}

fn main() {}
