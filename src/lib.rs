//! Firebell
pub mod clock;
pub mod config;
pub mod error;
pub mod json;
pub mod model;
pub mod registry;
pub mod store;
