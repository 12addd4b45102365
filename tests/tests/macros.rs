//! The attributes, as programs that must compile and programs that must be refused with the right words at the right place.
//!
//! The expected messages were recorded with the toolchain of this workspace, which has no `rust-src`: with that component
//! the compiler quotes the standard library. Record anew with `TRYBUILD=overwrite`, and read the difference.

/// The compiler that the expected messages were recorded with; another one may word its own part differently.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
fn programs() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/programs/pass/*.rs");
    if is_recorded_compiler() {
        tests.compile_fail("tests/programs/fail/*.rs");
    } else {
        eprintln!(
            "the refused programs are compared with {RECORDED_WITH}x without `rust-src` only; this is another compiler"
        );
    }
}

fn is_recorded_compiler() -> bool {
    let rustc = |argument: &[&str]| {
        let output = std::process::Command::new("rustc").args(argument).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let source = std::path::Path::new(&rustc(&["--print", "sysroot"])).join("lib/rustlib/src/rust/library");
    rustc(&["--version"]).starts_with(RECORDED_WITH) && !source.exists()
}
