//! The account's OAuth applications, against an emulator that read the public reference by itself.

use std::time::Duration;

use identity_client::{
    ErrorKind,
    agent_identity::{Application, ApplicationKind, ApplicationUpdate, NewApplication},
};
use identity_tests::Anything;

use crate::{
    management::{is, management},
    visitor,
};

fn scopes(application: &Application) -> Vec<(&str, bool)> {
    let mut scopes: Vec<_> = application.scopes.iter().map(|scope| (scope.name.as_str(), scope.required)).collect();
    scopes.sort_unstable();
    scopes
}

#[tokio::test]
async fn applications() -> Result<(), Anything> {
    let (emulator, management) = management().await?;
    let applications = management.applications();
    assert_eq!(applications.list().await?, []);
    let new = || NewApplication::new("sign-in", "Sample of a & b", ApplicationKind::WebApp);
    let web = new()?
        .with_redirect_uris(["http://localhost:8090", "https://a.example.com/back?tenant=hush&y=2"])?
        .with_scopes(["aliuid", "profile", "openid"])?
        .with_required_scopes(["aliuid"])?
        .with_protocol_version("2.1");
    let web = applications.create(web).await?;
    assert_eq!((web.name.as_deref(), web.display_name.as_deref()), (Some("sign-in"), Some("Sample of a & b")));
    assert_eq!((web.kind.as_deref(), web.protocol_version.as_deref()), (Some("WebApp"), Some("2.1")));
    assert_eq!(web.redirect_uris, ["http://localhost:8090", "https://a.example.com/back?tenant=hush&y=2"]);
    assert_eq!(scopes(&web), [("aliuid", true), ("openid", true), ("profile", false)]);
    assert_eq!((web.is_multi_tenant, web.secret_required), (Some(false), Some(true)));
    assert_eq!(web.refresh_token_lifetime, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(applications.get(&web.id).await?, web);
    let page = visitor::http()?.get(emulator.overview_url()).send().await?.text().await?;
    assert!(page.contains(&web.id) && page.contains("http://localhost:8090") && !page.contains("hush"), "{page}");
    is(applications.create(new()?).await.err(), ErrorKind::Conflict, "EntityAlreadyExists.Application")?;

    let native = NewApplication::new("mcp", "MCP", ApplicationKind::NativeApp)?;
    let native = applications.create(native.with_access_token_lifetime(Duration::from_secs(900))?).await?;
    assert_eq!((native.is_multi_tenant, native.secret_required), (Some(true), Some(false)));
    assert_eq!((scopes(&native), native.protocol_version.as_deref()), (vec![("openid", true)], Some("2.0")));
    assert_eq!(applications.list().await?.len(), 2);

    let update = ApplicationUpdate::default().with_scopes(["/acs/mcp-server", "aliuid"])?;
    applications.update(&web.id, update.with_redirect_uris(["https://b.example.com/"])?).await?;
    let changed = applications.get(&web.id).await?;
    assert_eq!(scopes(&changed), [("/acs/mcp-server", false), ("aliuid", true), ("openid", true)]);
    assert_eq!(
        (changed.redirect_uris, changed.display_name),
        (vec!["https://b.example.com/".to_owned()], web.display_name)
    );

    for id in [&web.id, &native.id] {
        applications.delete(id).await?;
    }
    for gone in [applications.delete(&web.id).await, applications.update(&web.id, ApplicationUpdate::default()).await] {
        is(gone.err(), ErrorKind::NotFound, "EntityNotExist.Application")?;
    }
    is(applications.get(&web.id).await.err(), ErrorKind::NotFound, "EntityNotExist.Application")
}
