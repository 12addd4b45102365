//! What the platforms can do, as the README shows it.

use identity_client::Capabilities;

/// A table in Markdown: an ability a row, a platform a column.
pub(crate) fn of(platforms: &[(&str, Capabilities)]) -> String {
    let names: Vec<_> = platforms.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut lines = vec![format!("| | {} |", names.join(" | ")), format!("| --- |{}", " --- |".repeat(names.len()))];
    for (row, (ability, _)) in Capabilities::none().rows().into_iter().enumerate() {
        let answers: Vec<_> = platforms.iter().map(|(_, can)| if can.rows()[row].1 { "yes" } else { "–" }).collect();
        lines.push(format!("| {ability} | {} |", answers.join(" | ")));
    }
    lines.join("\n")
}
