use nexo_domain::kind;
use nexo_tenant_key::{Key, TenantScope};

fn forge(scope: &TenantScope) -> Key {
    scope.record::<kind::Client>("cli_01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

fn main() {}
