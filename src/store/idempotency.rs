//! Idempotency keys: a retry of a request that was already done gets the first result again.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tx::{Failure, Tx};
use crate::error::{Error, Kind};

/// How long a key is good for.
pub const LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;

/// An `Idempotency-Key` and the body that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// At most 255 characters.
    pub key: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
}

/// Within which keys of webhooks differ: the integration in that row.
pub fn scope_of(integration: i64) -> String {
    format!("integration:{integration}")
}

/// The result of the request that used the key before, if one did.
///
/// # Errors
/// `idempotency_conflict` when that one had another body.
pub fn find_tx<T: DeserializeOwned>(
    tx: &Tx<'_>,
    scope: &str,
    key: &IdempotencyKey,
) -> Result<Option<T>, Failure> {
    let sql = "SELECT digest, result FROM idempotency WHERE scope = ?1 AND key = ?2 AND at > ?3";
    let kept = |row: &Row<'_>| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?));
    let since = tx.now_ms - LIFETIME_MS;
    let found =
        tx.connection.prepare_cached(sql)?.query_row(params![scope, key.key, since], kept).optional()?;
    match found {
        None => Ok(None),
        Some((digest, result)) if digest == key.digest => {
            Ok(Some(serde_json::from_str(&result).map_err(Error::internal)?))
        }
        Some(_) => Err(Error::new(
            Kind::IdempotencyConflict,
            "this Idempotency-Key came with another body within 24 hours; send a new key, or the same body",
        )
        .into()),
    }
}

/// Keeps a result. At most `most` keys stay; the oldest make room.
pub fn keep_tx(
    tx: &mut Tx<'_>,
    scope: &str,
    key: &IdempotencyKey,
    result: &impl Serialize,
    most: u32,
) -> Result<(), Failure> {
    let count = match tx.memory.idempotency_keys {
        Some(count) => count,
        None => tx.connection.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0))?,
    };
    let result = serde_json::to_string(result).map_err(Error::internal)?;
    // An expired row of the same key may still be there, and counted.
    let sql = "DELETE FROM idempotency WHERE scope = ?1 AND key = ?2";
    let count = count - tx.connection.prepare_cached(sql)?.execute(params![scope, key.key])? as i64;
    let sql = "INSERT INTO idempotency (scope, key, digest, at, result) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.connection.prepare_cached(sql)?.execute(params![scope, key.key, key.digest, tx.now_ms, result])?;
    let excess = count + 1 - i64::from(most);
    let forgotten = if excess > 0 { forget_oldest_tx(tx, excess)? } else { 0 };
    tx.memory.idempotency_keys = Some(count + 1 - forgotten);
    Ok(())
}

/// Forgets keys that are past their lifetime, at most `most` of them; how many it were is returned.
pub fn forget_expired_tx(tx: &mut Tx<'_>, most: i64) -> rusqlite::Result<i64> {
    let sql = "DELETE FROM idempotency WHERE (scope, key) IN
                   (SELECT scope, key FROM idempotency WHERE at <= ?1 ORDER BY at LIMIT ?2)";
    let forgotten = tx.connection.prepare_cached(sql)?.execute([tx.now_ms - LIFETIME_MS, most])? as i64;
    tx.memory.idempotency_keys = tx.memory.idempotency_keys.map(|count| count - forgotten);
    Ok(forgotten)
}

/// Forgets all keys of a scope.
pub fn forget_scope_tx(tx: &Tx<'_>, scope: &str) -> rusqlite::Result<()> {
    tx.connection.execute("DELETE FROM idempotency WHERE scope = ?1", [scope])?;
    Ok(())
}

fn forget_oldest_tx(tx: &Tx<'_>, excess: i64) -> rusqlite::Result<i64> {
    let sql = "DELETE FROM idempotency WHERE (scope, key) IN
                   (SELECT scope, key FROM idempotency ORDER BY at LIMIT ?1)";
    Ok(tx.connection.prepare_cached(sql)?.execute([excess])? as i64)
}
