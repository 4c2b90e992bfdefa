//! Firebell
pub mod app;
pub mod clock;
pub mod config;
pub mod error;
pub mod handler;
pub mod json;
pub mod model;
pub mod registry;
pub mod reply;
pub mod route;
pub mod server;
pub mod source;
pub mod store;
