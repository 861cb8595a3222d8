use nexo_tenant_key::{ObjectKey, TenantScope};

fn forge(scope: &TenantScope) -> ObjectKey {
    scope.object("../01ARZ3NDEKTSV4RRFFQ69G5FAV/passport.pdf")
}

fn main() {}
