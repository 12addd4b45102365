#![no_main]

use futures_executor::block_on;
use identity_fuzz::{VERIFIER, judged};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(token) = std::str::from_utf8(data) else { return };
    judged(token, block_on(VERIFIER.verify(token)).map(drop));
});
