//! The attributes, as programs that must compile and programs that must be refused with the right words at the right place.
//!
//! The expected messages were recorded with the toolchain of this workspace, which has no `rust-src`: with that component
//! the compiler quotes the standard library. Record anew with `TRYBUILD=overwrite`, and read the difference.

#[test]
fn programs() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/programs/pass/*.rs");
    tests.compile_fail("tests/programs/fail/*.rs");
}
