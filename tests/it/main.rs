//! The integration tests: one binary, a module per room.

#[cfg(test)]
#[cfg(feature = "sales")]
mod browser;
#[cfg(test)]
mod bugs;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod house;
#[cfg(test)]
mod life;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod movements;
#[cfg(test)]
mod oversell;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod reports;
#[cfg(test)]
#[cfg(feature = "sales")]
mod sales;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod store;
#[cfg(test)]
mod woocommerce_deliveries;
