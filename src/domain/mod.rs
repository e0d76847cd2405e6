//! PURE. What stock is, what a sale does to it, what each channel may show, and when to say so.
//!
//! No clock, no dice, no IO, no async: the time is an argument and everything returns values. Reads best in this order:
//! [`ids`], [`order`], [`booking`], [`stock`], [`transfer`], [`receipt`], [`hold`], [`bundle`], [`catalog`], [`buffer`],
//! [`promise`], [`desired`], [`lane`], [`delivery`], [`decide`], [`incident`], [`retry`]; how fast goods sell: [`velocity`],
//! [`tier`], [`abc`]; what overselling there is, what it costs and what to do about it: [`oversell`], [`stats`], [`money`],
//! [`cost`], [`decision`]; what runs beside the sales: [`drift`], [`brake`], [`schedule`].
#![warn(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub mod abc;
pub mod booking;
pub mod brake;
pub mod buffer;
pub mod bundle;
pub mod catalog;
pub mod clock;
pub mod cost;
pub mod decide;
pub mod decision;
pub mod delivery;
pub mod desired;
pub mod drift;
pub mod hold;
pub mod ids;
pub mod incident;
pub mod lane;
pub mod message;
pub mod money;
pub mod order;
pub mod oversell;
pub mod policy;
pub mod promise;
pub mod quantity;
pub mod receipt;
pub mod retry;
pub mod schedule;
pub mod share;
pub mod stats;
pub mod stock;
pub mod tier;
pub mod transfer;
pub mod velocity;
