//! The conformance tests: the real binary, started as a user starts it, asked over HTTP, on SQLite and
//! on PostgreSQL.
//!
//! Behaviour is written down in `suites/**/*.test`, one behaviour a file; what needs threads, signals
//! or thousands of resources is a test in Rust beside it. Names of tests are sentences.
//!
//! | variable | meaning |
//! |---|---|
//! | `UPDATE=1` | rewrites what suites expect to what the server answers; review the difference |
//! | `SUITE=text` | runs only the suites whose path holds the text |
//! | `REMIT_TEST_DATA` | folder of the test data; without it `../shared/data` beside the repository |
//! | `REMIT_TEST_POSTGRES` | address of an existing PostgreSQL server whose user may make databases |
//! | `REMIT_TEST_SEARCHES=number` | how many random searches are compared with the naive evaluator |
//! | `REMIT_TEST_SEED=number` | makes other random resources and searches; a failure says its own |
//! | `REMIT_TEST_SPARK=1` | demands that shipped SQL is compared on Spark too (Java, pyspark 3.5) |
//! | `REMIT_TEST_SKIP_POSTGRES=1` | leaves PostgreSQL out, loudly |

mod access;
mod asking;
mod background;
mod billing;
mod cage;
mod capability;
mod cedar;
mod cedar_files;
mod cedar_x12;
mod clients;
mod commands;
mod compatibility;
mod concurrency;
mod connections;
mod crash;
mod data;
mod database;
mod differential;
mod disk_full;
mod examples;
mod graphql;
mod gross_collection;
mod hostile;
mod hostile_x12;
mod http;
mod juniper;
mod ledgers;
mod limits;
mod naive;
mod outage;
mod own_measures;
mod portable;
mod privacy;
mod recovery;
mod reindex;
mod remittances;
mod revenue;
mod server;
mod suite;
mod suites;
mod synthea;
mod tidy;
mod two_nodes;
mod us_core;
mod verify;
mod views;
mod words;
mod work;
mod x12;
