//! Remit: a FHIR R4 server with the revenue cycle as operations. `src/ARCHITECTURE.md` says how it is
//! laid out and why.

pub mod app;
pub mod billing;
pub mod cli;
pub mod demo;
pub mod edi;
pub mod http;
pub mod operation;
pub mod rcm;
pub mod rest;
pub mod sql;
pub mod work;
