//! A person who has logged in.

/// A session in a browser. Neither its cookie nor its token is in it, only what proves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of what its cookie holds.
    pub id: [u8; 32],
    /// SHA-256 of the token that it was begun with: it ends with that.
    pub token: [u8; 32],
    /// When it began, in milliseconds since 1970.
    pub created_at: i64,
    /// When it ends, likewise.
    pub expires_at: i64,
}
