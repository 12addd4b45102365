//! The sections of Agent Identity: agents with roles, issuers, token vaults, applications, and the object store.

use super::pooled::endpoints;
use super::sections::{NEWEST, return_urls};
use super::shown;
use super::table::{MOST, Section, cell, code, newest};
use crate::core::Core;
use crate::html::Markup;
use crate::vault::State;

pub(super) fn agents(vault: &State) -> Markup {
    let section = Section {
        id: "bound-agents",
        title: "Agent Identity: workload identities",
        columns: &["Name", "Role", "Identity provider", "Binds sessions", "Return URLs", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateWorkloadIdentity</code>."),
    };
    let (items, total) = newest(vault.vaulted.agents.values(), |item| item.identity.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(&item.identity.name),
            code(shown::line(item.role.as_deref().unwrap_or("–"))),
            code(shown::line(item.issuer.as_deref().unwrap_or("–"))),
            cell(if item.binds_sessions { "yes" } else { "no" }),
            return_urls(&item.identity.return_urls),
            shown::moment(item.identity.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn issuers(vault: &State) -> Markup {
    let section = Section {
        id: "issuers",
        title: "Agent Identity: identity providers",
        columns: &["Name", "Discovery", "Audiences", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateIdentityProvider</code>."),
    };
    let (items, total) = newest(vault.vaulted.issuers.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(&item.name),
            code(shown::url(&item.discovery_url)),
            code(shown::line(&item.audiences.join(" "))),
            shown::moment(item.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn keys(vault: &State) -> Markup {
    let section = Section {
        id: "vaulted-keys",
        title: "Agent Identity: API key credential providers",
        columns: &["Name", "Token vault", "Created", "Key set"],
        empty: Markup::new("None yet. Create one with <code>CreateAPIKeyCredentialProvider</code>."),
    };
    let (items, total) = newest(vault.vaulted.keys.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        let known = &item.provider;
        vec![code(&known.name), code(&item.vault), shown::moment(known.created_at), shown::moment(known.updated_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn providers(core: &Core, vault: &State) -> Markup {
    let section = Section {
        id: "vaulted-oauth2",
        title: "Agent Identity: OAuth2 credential providers",
        columns: &["Name", "Token vault", "Flow", "Vendor", "Client id", "URLs", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateOAuth2CredentialProvider</code>."),
    };
    let (items, total) = newest(vault.vaulted.providers.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(&item.provider.name),
            code(&item.vault),
            cell(item.flow.as_deref().unwrap_or("as asked")),
            code(shown::line(&item.vendor)),
            code(shown::line(&item.provider.client_id)),
            endpoints(core, &item.provider),
            shown::moment(item.provider.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn applications(vault: &State) -> Markup {
    let section = Section {
        id: "applications",
        title: "Agent Identity: OAuth applications",
        columns: &["Name", "Client id", "Kind", "Scopes", "Redirect URIs", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateApplication</code> of IMS."),
    };
    let (items, total) = newest(vault.vaulted.applications.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        let scopes: Vec<&str> = item.scopes.iter().map(|(scope, _)| scope.as_str()).collect();
        let uris: Vec<String> = item.redirect_uris.iter().map(|uri| shown::url(uri)).collect();
        vec![
            code(&item.name),
            code(&item.id),
            code(&item.kind),
            code(shown::line(&scopes.join(" "))),
            code(shown::line(&uris.join(" "))),
            shown::moment(item.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn buckets(core: &Core, vault: &State) -> Markup {
    let section = Section {
        id: "buckets",
        title: "Object store: buckets",
        columns: &["Name", "Objects", "Bytes"],
        empty: Markup::new("None. Create one with a signed <code>PUT</code>."),
    };
    let rows = vault.vaulted.buckets.iter().take(MOST).map(|name| {
        let (objects, bytes) = core.agent_identity.objects.size(name);
        vec![code(name), cell(objects), cell(bytes)]
    });
    section.render("by name", &rows.collect::<Vec<_>>(), vault.vaulted.buckets.len())
}
