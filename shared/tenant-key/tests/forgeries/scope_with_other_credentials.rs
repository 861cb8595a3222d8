use nexo_identity::Credentials;
use nexo_tenant_key::TenantScope;

fn forge(scope: TenantScope, credentials: Credentials) -> TenantScope {
    TenantScope { credentials, ..scope }
}

fn main() {}
