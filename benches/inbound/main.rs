//! What it costs to verify who is calling, beside the bare signature check of the same library in the same run.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod signer;

use std::{hint::black_box, time::SystemTime};

use aws_lc_rs::signature::ParsedPublicKey;
use criterion::{Criterion, criterion_group, criterion_main};
use identity_client::inbound::TokenVerifier;
use serde_json::json;
use signer::Signer;

const ISSUER: &str = "https://id.example.com";

/// What a user pool puts into a token.
fn claims() -> serde_json::Value {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    json!({
        "iss": ISSUER, "sub": "8b9d2f6e-5c1f-4a5e-9d0b-1f2e3d4c5b6a", "aud": ["https://agent.example.com", "other"],
        "client_id": "front-end", "scope": "agent.access calendar.read profile", "jti": "0123456789abcdef",
        "iat": now, "nbf": now, "exp": now + 86_400
    })
}

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for signer in [Signer::rs256(), Signer::es256(), Signer::ed25519()] {
        let token = signer.sign(&claims());
        let keys = json!({ "keys": [signer.jwk()] }).to_string();
        let verifier = TokenVerifier::fixed_keys(ISSUER, keys)
            .with_audience("https://agent.example.com")
            .with_allowed_client("front-end")
            .with_required_scope("agent.access")
            .build()
            .unwrap();
        runtime.block_on(verifier.verify(&token)).unwrap();

        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = signer::decode(signature);
        let bare = ParsedPublicKey::new(signer.algorithm(), signer.public_key()).unwrap();
        bare.verify_sig(message.as_bytes(), &signature).unwrap();

        let mut group = criterion.benchmark_group(format!("inbound {}", signer.name()));
        group.bench_function("bare signature", |bencher| {
            bencher.iter(|| bare.verify_sig(black_box(message.as_bytes()), black_box(&signature)));
        });
        group.bench_function("verified token", |bencher| {
            bencher.to_async(&runtime).iter(|| verifier.verify(black_box(&token)));
        });
        // What anybody can make a server do: the genuine signature of another token.
        let other = signer.sign(&json!({ "iss": ISSUER }));
        let forged = format!("{message}.{}", other.rsplit_once('.').unwrap().1);
        assert!(runtime.block_on(verifier.verify(&forged)).is_err());
        group.bench_function("forged token", |bencher| {
            bencher.to_async(&runtime).iter(|| verifier.verify(black_box(&forged)));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
