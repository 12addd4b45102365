#![no_main]

use futures_executor::block_on;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use identity_fuzz::{VERIFIER, judged};
use libfuzzer_sys::fuzz_target;

// Each line is one `Authorization` header.
fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let outcome = block_on(VERIFIER.verify_request(&headers)).map(drop);
    let token = std::str::from_utf8(data).ok().and_then(|text| text.split_once(' ')).map_or("", |(_, token)| token);
    judged(token, outcome);
});
