//! What must not compile: each file in `forgeries/` tries to reach an account's data without the
//! proof, and its `.stderr` is the compiler's refusal. `TRYBUILD=overwrite` writes those anew.

#[test]
fn no_forgery_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/forgeries/*.rs");
}
