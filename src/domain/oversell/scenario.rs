//! What might be otherwise: how channels learn of each other, how late, and what is withheld from them.

use super::Mode;
use super::replay::Terms;
use crate::domain::buffer::BufferRule;

/// Every scenario: each mode, with each latency, with each buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// How channels learn of each other.
    pub modes: Vec<Mode>,
    /// Latencies, or intervals of syncs, in milliseconds; above 0.
    pub latencies_ms: Vec<u64>,
    /// What is withheld from every channel.
    pub buffers: Vec<BufferRule>,
    /// Everything sells so many times as fast as it did; 1 for as it was.
    pub peak: f64,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scenario {
    /// How channels learn of each other.
    pub mode: Mode,
    /// How late, or how often, in milliseconds.
    pub latency_ms: u64,
    /// What is withheld from every channel.
    pub buffer: BufferRule,
    /// Its mode and latency, by place.
    pub speed_idx: usize,
}

impl Grid {
    /// Modes with latencies: what pairs are counted for.
    pub fn speeds(&self) -> impl Iterator<Item = (Mode, u64)> {
        let latencies = || self.latencies_ms.iter().copied();
        self.modes
            .iter()
            .flat_map(move |&mode| latencies().map(move |latency| (mode, latency)))
    }

    /// All scenarios: by mode, then latency, then buffer, each in the order given.
    pub fn scenarios(&self) -> Vec<Scenario> {
        self.speeds()
            .enumerate()
            .flat_map(|(speed_idx, (mode, latency_ms))| {
                self.buffers.iter().map(move |&buffer| Scenario {
                    mode,
                    latency_ms,
                    buffer,
                    speed_idx,
                })
            })
            .collect()
    }

    /// A latency as it is felt: while everything sells N times as fast, it is N times as long.
    pub fn felt_ms(&self, latency_ms: u64) -> f64 {
        super::whole_u64(latency_ms) * self.peak
    }

    /// As one stockout is replayed: the syncs at this phase, so many units withheld.
    pub fn terms(&self, (mode, latency_ms): (Mode, u64), phase: f64, buffer: f64) -> Terms {
        Terms {
            mode,
            latency_ms: self.felt_ms(latency_ms),
            phase,
            buffer,
        }
    }
}
