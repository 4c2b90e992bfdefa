//! Firebell
pub mod clock;
pub mod config;
pub mod error;
pub mod model;
pub mod registry;
