use nexo_tenant_key::{Key, Partition};

fn forge(partition: Partition) -> Key {
    Key { partition, sort: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into() }
}

fn main() {}
