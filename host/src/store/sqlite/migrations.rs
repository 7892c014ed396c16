//! The tables, brought up to date.

use rusqlite::Connection;

/// The migrations, in order; `user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_first_light.sql"),
    include_str!("../../../migrations/sqlite/0002_whole_protocol.sql"),
    include_str!("../../../migrations/sqlite/0003_registration.sql"),
    include_str!("../../../migrations/sqlite/0004_ends.sql"),
    include_str!("../../../migrations/sqlite/0005_told.sql"),
    include_str!("../../../migrations/sqlite/0006_set_by_operator.sql"),
    include_str!("../../../migrations/sqlite/0007_events.sql"),
    include_str!("../../../migrations/sqlite/0008_claims.sql"),
    include_str!("../../../migrations/sqlite/0009_plugin_values.sql"),
    include_str!("../../../migrations/sqlite/0010_versions.sql"),
    include_str!("../../../migrations/sqlite/0011_operators.sql"),
];

pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let applied: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let applied = applied as usize;
    anyhow::ensure!(
        applied <= MIGRATIONS.len(),
        "it was written by a newer ciba-host (schema {applied}, this one knows {}).\n  do: run that version again",
        MIGRATIONS.len()
    );
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", u32::try_from(number + 1)?)?;
        transaction.commit()?;
    }
    Ok(())
}
