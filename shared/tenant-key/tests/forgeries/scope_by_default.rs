use nexo_tenant_key::TenantScope;

fn forge() -> TenantScope {
    TenantScope::default()
}

fn main() {}
