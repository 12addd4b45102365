//! Signing out.

use http::Method;
use serde_json::json;

use crate::stage::{Anything, Stage};

#[tokio::test]
async fn a_user_signs_out_here_and_at_the_issuer() -> Result<(), Anything> {
    let stage = Stage::with(|builder| builder.with_post_logout_redirect_uri("https://app.example.com/bye")).await?;
    stage.sign_in().await?;
    let (copy, token) = (stage.browser.cookies(), stage.get("/csrf").await?.text);
    let page = stage.browser.post(&stage.url("/logout"), &format!("csrf_token={token}")).await?;
    let place = page.place()?;
    assert_eq!((page.status, place.path()), (303, "/end"));
    let query: Vec<_> = place.query_pairs().into_owned().collect();
    assert_eq!(
        query,
        [
            ("client_id".into(), "front-end".into()),
            ("post_logout_redirect_uri".into(), "https://app.example.com/bye".into())
        ]
    );
    assert!(stage.browser.cookies().is_empty());
    stage.browser.set_cookies(copy);
    assert_eq!(stage.who().await?, None, "a copy of the cookie is of no use");
    let page = stage.get("/who").await?;
    assert!(page.set.is_empty());
    Ok(())
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_page_of_somebody_else() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.sign_in().await?;
    let token = stage.get("/csrf").await?.text;
    let url = stage.url("/logout");
    for form in [
        String::new(),
        "csrf_token=".to_owned(),
        "csrf_token=AAAA".to_owned(),
        format!("csrf_token={token}&csrf_token={token}"),
    ] {
        assert_eq!(stage.browser.post(&url, &form).await?.status, 403, "{form}");
    }
    let good = format!("csrf_token={token}");
    for site in ["cross-site", "same-site", "none"] {
        let cross = stage.browser.send(Method::POST, &url, Some(&good), &[("sec-fetch-site", site)]).await?;
        assert_eq!(cross.status, 403, "{site}");
    }
    assert_eq!(stage.get("/logout").await?.status, 405);
    assert_eq!(stage.who().await?.as_deref(), Some("alice"));
    let own = stage.browser.send(Method::POST, &url, Some(&good), &[("sec-fetch-site", "same-origin")]).await?;
    assert_eq!(own.status, 303);
    assert_eq!(stage.who().await?, None);
    Ok(())
}

#[tokio::test]
async fn an_issuer_without_a_page_for_it_is_not_visited() -> Result<(), Anything> {
    let stage = Stage::new().await?;
    stage.issuer.manners().document = json!({ "end_session_endpoint": null });
    stage.sign_in().await?;
    let token = stage.get("/csrf").await?.text;
    let page = stage.browser.post(&stage.url("/logout"), &format!("csrf_token={token}")).await?;
    assert_eq!(page.place()?.as_str(), stage.url("/"));
    // Once more, with nobody signed in.
    let page = stage.browser.post(&stage.url("/logout"), "").await?;
    assert_eq!(page.place()?.as_str(), stage.url("/"));

    let local = Stage::with(|builder| builder.with_local_logout_only().with_signed_out_path("/bye").unwrap()).await?;
    local.sign_in().await?;
    let token = local.get("/csrf").await?.text;
    let page = local.browser.post(&local.url("/logout"), &format!("csrf_token={token}")).await?;
    assert_eq!(page.place()?.as_str(), local.url("/bye"));
    Ok(())
}
