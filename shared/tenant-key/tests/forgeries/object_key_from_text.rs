use nexo_tenant_key::ObjectKey;

fn forge() -> ObjectKey {
    "a/01ARZ3NDEKTSV4RRFFQ69G5FAV/passport.pdf".into()
}

fn main() {}
