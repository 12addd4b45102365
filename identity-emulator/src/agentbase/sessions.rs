//! What the two kinds of consent have in common.

use std::sync::Arc;

use super::error::ApiError;
use crate::clock;
use crate::core::Core;
use crate::random;
use crate::returning::is_safe;
use crate::vault::{Asks, Grant, Identity, Session, SessionStatus};

/// The return URL must be one of the identity's, to the letter: the matching rule is not documented (contract section 14), so the
/// strictest is emulated.
pub(super) fn check_return_url(identity: &Identity, return_url: &str) -> Result<(), ApiError> {
    if !identity.return_urls.iter().any(|allowed| allowed == return_url) {
        return Err(ApiError::invalid("returnUrl", "is not among the identity's allowedReturnUrls"));
    }
    if is_safe(return_url) {
        Ok(())
    } else {
        Err(ApiError::invalid("returnUrl", "must be an absolute URL that a browser can be sent to"))
    }
}

/// Opens a session, in the vault before anybody hears of it.
pub(super) async fn open(
    core: &Arc<Core>,
    grant: Grant,
    return_url: String,
    custom_state: Option<String>,
    asks: Asks,
) -> Result<Arc<Session>, ApiError> {
    let now = core.clock.now();
    let session = Session {
        id: random::uuid(),
        grant,
        return_url,
        custom_state,
        // A consent gets its state when the browser sets out for the provider.
        state: matches!(asks, Asks::Key).then(random::secret),
        asks,
        setting_out: None,
        held: None,
        status: SessionStatus::Open,
        created_at: now,
        expires_at: clock::add(now, core.session_lifetime),
    };
    let session = core.vault.change(move |state| Ok::<_, ApiError>(state.open_session(session))).await?;
    core.human.opened(core, &session);
    Ok(session)
}

/// The status on the wire: contract section 4.
pub(super) fn status_text(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Open => "IN_PROGRESS",
        SessionStatus::Completed => "COMPLETED",
        SessionStatus::Failed => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn identity(urls: &[&str]) -> Identity {
        Identity {
            id: random::uuid(),
            name: "demo-agent".to_owned(),
            description: None,
            return_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn return_urls_match_to_the_letter() {
        let identity =
            identity(&["https://app.example.com/callback", "javascript:alert(1)", "myapp:/done", "relative"]);
        for good in ["https://app.example.com/callback", "myapp:/done"] {
            assert!(check_return_url(&identity, good).is_ok(), "{good}");
        }
        for bad in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback?x=1",
            "javascript:alert(1)",
            "relative",
            "",
        ] {
            let error = check_return_url(&identity, bad).unwrap_err();
            assert!(error.message.starts_with("returnUrl: "), "{bad}");
        }
    }
}
