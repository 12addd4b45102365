#![no_main]

use futures_executor::block_on;
use identity_client::inbound::TokenVerifier;
use identity_fuzz::ISSUER;
use libfuzzer_sys::fuzz_target;

/// Signed by nobody: whatever the keys are, it must not be good.
const UNSIGNED: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIn0.AAAA";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(verifier) = TokenVerifier::fixed_keys(ISSUER, text).with_any_audience().build() {
        assert!(block_on(verifier.verify(UNSIGNED)).is_err());
    }
});
