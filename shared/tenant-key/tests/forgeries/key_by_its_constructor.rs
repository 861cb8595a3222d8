use nexo_tenant_key::{Key, Partition};

fn forge(partition: Partition) -> Key {
    Key::new(partition, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

fn main() {}
