use super::*;

fn consumed(units: f64) -> ConsumedCapacity {
    ConsumedCapacity::builder().capacity_units(units).build()
}

#[test]
fn a_new_meter_stands_at_zero() {
    assert_eq!(Meter::default().usage(), Usage { calls: 0, read_units: 0.0, write_units: 0.0 });
}

#[test]
fn calls_and_units_add_up() {
    let meter = Meter::default();
    meter.call();
    meter.consumed(Units::Read, Some(&consumed(0.5)));
    meter.call();
    meter.consumed(Units::Read, &[consumed(1.0), consumed(2.5)]);
    meter.call();
    meter.consumed(Units::Write, &[consumed(2.0), consumed(4.0)]);
    assert_eq!(meter.usage(), Usage { calls: 3, read_units: 4.0, write_units: 6.0 });
}

#[test]
fn halves_do_not_get_lost() {
    let meter = Meter::default();
    for _ in 0..1001 {
        meter.consumed(Units::Read, Some(&consumed(0.5)));
    }
    assert_eq!(meter.usage(), Usage { calls: 0, read_units: 500.5, write_units: 0.0 });
}

#[test]
fn an_answer_that_names_no_units_costs_none() {
    let meter = Meter::default();
    meter.consumed(Units::Write, None);
    meter.consumed(Units::Write, Some(&ConsumedCapacity::builder().build()));
    assert_eq!(meter.usage(), Usage::default());
}

#[test]
fn clones_share_the_count() {
    let meter = Meter::default();
    meter.clone().call();
    meter.clone().consumed(Units::Write, Some(&consumed(1.0)));
    assert_eq!(meter.usage(), Usage { calls: 1, read_units: 0.0, write_units: 1.0 });
}
