//! Throttling, and what a service in trouble answers.

use std::time::Duration;

use identity_client::{ErrorKind, HttpOptions, IdentityClient, RetryPolicy};
use identity_emulator::Fault;
use identity_tests::{AGENT, Anything, KEY, KEY_PROVIDER, fast_retry};
use tokio::time::Instant;

use crate::{Account, reached};

const KEYS: &str = "get_resource_api_key";

#[tokio::test]
async fn throttling_is_waited_out_for_as_long_as_the_service_says() -> Result<(), Anything> {
    let account = Account::open().await?;
    account.management().api_key_credential_providers().create(KEY_PROVIDER, KEY, None, None).await?;
    account.client.workload_token().await?;
    let faults = account.emulator.faults();
    faults.add(Fault::on_operation(KEYS).throttled(Duration::from_millis(700)));
    let begun = Instant::now();
    assert_eq!(account.client.api_key(KEY_PROVIDER).await?.expose_secret(), KEY);
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    assert_eq!((account.count(KEYS), faults.remaining()), (2, 0));

    // Longer than anybody has time for: said at once, with the wait.
    let http = HttpOptions::new().with_retry(RetryPolicy::new().with_deadline(Duration::from_secs(20)));
    let platform = reached(&account.emulator).with_workload_identity(AGENT).with_http(http).build()?;
    faults.add(Fault::on_operation(KEYS).throttled(Duration::from_secs(90)));
    let begun = Instant::now();
    let client = IdentityClient::builder().with_platform(platform).build()?;
    let error = client.api_key(KEY_PROVIDER).await.err().ok_or("it is throttled")?;
    assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, Some("Throttling.User")), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_makes_something_is_not() -> Result<(), Anything> {
    let account = Account::open().await?;
    let http = HttpOptions::new().with_retry(fast_retry());
    let management = reached(&account.emulator).with_http(http).build_management()?;
    let keys = management.api_key_credential_providers();
    let faults = account.emulator.faults();
    faults.add(Fault::on_operation("create_api_key_credential_provider").status(503));
    let error = keys.create(KEY_PROVIDER, KEY, None, None).await.err().ok_or("it may have been made")?;
    assert_eq!((error.kind(), account.count("create_api_key_credential_provider")), (ErrorKind::Unavailable, 1));
    keys.create(KEY_PROVIDER, KEY, None, None).await?;
    faults.add(Fault::on_operation("get_api_key_credential_provider").status(503).times(2));
    assert_eq!(keys.get(KEY_PROVIDER, None).await?.name.as_deref(), Some(KEY_PROVIDER));
    // The answer to a delete is lost, and the next try finds nothing: that is what was asked for.
    faults.add(Fault::on_operation("delete_api_key_credential_provider").cut_body_after(1));
    keys.delete(KEY_PROVIDER, None).await?;
    assert_eq!(account.count("delete_api_key_credential_provider"), 2);
    let error = keys.delete(KEY_PROVIDER, None).await.err().ok_or("it is gone")?;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}
