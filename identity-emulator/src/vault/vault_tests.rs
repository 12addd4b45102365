use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use super::*;

struct Place {
    _root: TempDir,
    data: PathBuf,
    key: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (data, key) = (root.path().join("data"), root.path().join("config/key"));
        Self { _root: root, data, key }
    }

    fn open(&self) -> Result<Vault, VaultError> {
        Vault::on_disk(&self.data, &self.key)
    }
}

#[derive(Debug)]
struct Refused;

impl From<VaultError> for Refused {
    fn from(_: VaultError) -> Self {
        Self
    }
}

impl From<Refusal> for Refused {
    fn from(_: Refusal) -> Self {
        Self
    }
}

async fn add_key(vault: &Vault, name: &'static str, key: &'static str) -> Result<(), Refused> {
    let change = move |state: &mut State| {
        state.create_key_provider(name, SecretString::from(key), Timestamp::UNIX_EPOCH)?;
        Ok::<_, Refused>(())
    };
    vault.change(change).await
}

fn refused(result: Result<Vault, VaultError>) -> VaultError {
    result.err().expect("the data directory is refused")
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_unreadable_meanwhile() {
    let place = Place::new();
    let vault = place.open().unwrap();
    add_key(&vault, "demo-key", "plain-sight-key").await.unwrap();
    vault.close();
    for entry in fs::read_dir(&place.data).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        for plain in [&b"plain-sight-key"[..], b"demo-key"] {
            assert!(!bytes.windows(plain.len()).any(|window| window == plain), "{:?}", entry.path());
        }
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
    assert_eq!(fs::metadata(&place.key).unwrap().permissions().mode() & 0o777, 0o600);
    let vault = place.open().unwrap();
    assert_eq!(vault.read().key_provider("demo-key").unwrap().key.expose_secret(), "plain-sight-key");
}

#[tokio::test]
async fn a_refused_change_leaves_no_trace() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let change = |state: &mut State| {
        state.create_user_key_provider("half-done", Timestamp::UNIX_EPOCH)?;
        state.delete_identity("nobody")?;
        Ok::<_, Refused>(())
    };
    vault.change(change).await.unwrap_err();
    assert!(vault.read().user_key_provider("half-done").is_err());
    vault.close();
    assert!(add_key(&vault, "demo-key", "k").await.is_err(), "closed");
    assert!(place.open().unwrap().read().user_key_provider("half-done").is_err());
}

#[tokio::test]
async fn a_failed_write_is_no_acknowledgement() {
    let place = Place::new();
    let vault = place.open().unwrap();
    add_key(&vault, "first-key", "k").await.unwrap();
    // A directory in the way of the temporary file: no permission games, so that it also fails for root.
    fs::create_dir_all(place.data.join("vault.snapshot.new/occupied")).unwrap();
    add_key(&vault, "second-key", "k").await.unwrap_err();
    assert!(vault.read().key_provider("second-key").is_err());
    vault.close();
    fs::remove_dir_all(place.data.join("vault.snapshot.new")).unwrap();
    let vault = place.open().unwrap();
    assert!(vault.read().key_provider("first-key").is_ok() && vault.read().key_provider("second-key").is_err());
}

#[tokio::test]
async fn a_wrong_or_missing_key_overwrites_nothing() {
    let place = Place::new();
    let vault = place.open().unwrap();
    add_key(&vault, "demo-key", "k").await.unwrap();
    vault.close();
    let snapshot = fs::read(place.data.join("vault.snapshot")).unwrap();
    let right = fs::read_to_string(&place.key).unwrap();

    fs::write(&place.key, crypto::Key::random().to_text().as_bytes()).unwrap();
    assert!(matches!(refused(place.open()), VaultError::SnapshotRefused { .. }));
    fs::write(&place.key, "nonsense").unwrap();
    assert!(matches!(refused(place.open()), VaultError::KeyMalformed { .. }));
    fs::remove_file(&place.key).unwrap();
    assert!(matches!(refused(place.open()), VaultError::KeyMissing { .. }));
    assert!(!place.key.exists(), "no new key for an old snapshot");

    assert_eq!(fs::read(place.data.join("vault.snapshot")).unwrap(), snapshot);
    fs::write(&place.key, right).unwrap();
    fs::set_permissions(&place.key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(place.open().unwrap().read().key_provider("demo-key").is_ok());
}

#[test]
fn a_key_that_others_can_read_or_that_lies_with_the_data_is_refused() {
    let place = Place::new();
    drop(place.open().unwrap());
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&place.key, fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(place.open());
        assert!(matches!(error, VaultError::KeyReadableByOthers { .. }), "{mode:o}");
        assert!(error.to_string().contains("chmod 600"));
    }
    let inside = place.data.join("key");
    assert!(matches!(refused(Vault::on_disk(&place.data, &inside)), VaultError::KeyInsideDataDirectory { .. }));
    let below = place.data.join("deeper/key");
    assert!(matches!(refused(Vault::on_disk(&place.data, &below)), VaultError::KeyInsideDataDirectory { .. }));
    let link = place.data.with_file_name("link");
    std::os::unix::fs::symlink(&place.data, &link).unwrap();
    assert!(matches!(
        refused(Vault::on_disk(&place.data, &link.join("key"))),
        VaultError::KeyInsideDataDirectory { .. }
    ));
    assert!(!inside.exists());
}

#[test]
fn one_process_at_a_time() {
    let place = Place::new();
    let first = place.open().unwrap();
    let error = refused(place.open());
    assert!(matches!(error, VaultError::InUse { .. }), "{error}");
    first.close();
    place.open().unwrap();
}

#[test]
fn damage_is_noticed() {
    let place = Place::new();
    drop(place.open().unwrap());
    fs::write(place.data.join("vault.snapshot"), b"").unwrap();
    assert!(matches!(refused(place.open()), VaultError::SnapshotForeign { .. }));
    fs::write(place.data.join("vault.snapshot"), [b"IDEMUV\x00\x01".as_slice(), &[0; 60]].concat()).unwrap();
    assert!(matches!(refused(place.open()), VaultError::SnapshotRefused { .. }));
}

fn grant(identity: &str, provider_id: &str, user: &str) -> Grant {
    Grant { identity: identity.to_owned(), provider_id: provider_id.to_owned(), user: user.to_owned() }
}

fn token(text: &str) -> StoredToken {
    StoredToken {
        access_token: SecretString::from(text),
        token_type: "Bearer".to_owned(),
        refresh_token: Some(SecretString::from("refresh")),
        expires_at: Some(Timestamp::MAX),
    }
}

fn scopes(text: &str) -> std::collections::BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn tokens_are_found_by_scopes_and_never_across_grants() {
    let mut state = State::default();
    let mine = grant("agent", "p", "me");
    for (text, set) in [("wide", "a b c"), ("narrow", "a")] {
        state.store_token(TokenKey { grant: mine.clone(), scopes: scopes(set) }, token(text)).unwrap();
    }
    let found = |grant: &Grant, set: &str| {
        state.token(grant, &scopes(set)).map(|(_, token)| token.access_token.expose_secret().to_owned())
    };
    assert_eq!(found(&mine, "a").as_deref(), Some("narrow"), "exact before covering");
    assert_eq!(found(&mine, "b a").as_deref(), Some("wide"));
    assert_eq!(found(&mine, "a d"), None);
    for other in
        [grant("agent", "p", "you"), grant("agent", "q", "me"), grant("other", "p", "me"), grant("agent", "p", "")]
    {
        assert_eq!(found(&other, "a"), None, "{other:?}");
    }
}

#[test]
fn ends_of_identities_and_providers_end_what_users_granted() {
    let mut state = State::default();
    let now = Timestamp::UNIX_EPOCH;
    state.create_identity("agent-one", None, Vec::new(), now).unwrap();
    let provider = state.create_user_key_provider("provider", now).unwrap();
    let both = [grant("agent-one", &provider.id, "me"), grant("agent-two", &provider.id, "me")];
    for grant in &both {
        state.store_user_key(grant.clone(), SecretString::from("k")).unwrap();
    }
    state.delete_identity("agent-one").unwrap();
    assert!(state.user_key(&both[0]).is_none() && state.user_key(&both[1]).is_some());
    state.delete_user_key_provider("provider").unwrap();
    assert!(state.user_key(&both[1]).is_none());
}

#[test]
fn a_provider_that_moves_loses_its_tokens_and_one_that_rotates_keeps_them() {
    let mut state = State::default();
    let now = Timestamp::UNIX_EPOCH;
    let at = |host: &str| Endpoints::Outside {
        authorization_url: format!("https://{host}/authorize"),
        token_url: format!("https://{host}/token"),
    };
    let secret = || SecretString::from("s");
    let provider = state.create_oauth_provider("provider", "id".to_owned(), secret(), at("a.example"), now).unwrap();
    let key = TokenKey { grant: grant("agent", &provider.id, "me"), scopes: scopes("a") };
    state.store_token(key.clone(), token("t")).unwrap();
    state.update_oauth_provider("provider", "id".to_owned(), SecretString::from("new"), at("a.example"), now).unwrap();
    assert!(state.tokens.contains_key(&key));
    state.update_oauth_provider("provider", "id".to_owned(), secret(), at("b.example"), now).unwrap();
    assert!(!state.tokens.contains_key(&key));
}
