//! The time zone of each row: what its own column says, else the file's rule, else what the user says (rule R78).

use chrono_tz::Tz;

use super::cells;
use super::harvest::Map;
use super::profile::Times;
use super::zone::Zone;

/// The zones of a file.
#[derive(Debug)]
pub(super) struct Zones {
    default: Option<usize>,
    by_cell: Map<Box<[u8]>, Option<usize>>,
    names: Vec<(String, Tz)>,
    list: Vec<Zone>,
}

impl Zones {
    pub(super) fn new(times: &Times, asked: Option<Tz>) -> Self {
        let rule = times.zone.as_ref().and_then(|name| name.parse().ok());
        let zones: Vec<Zone> = rule.or(asked).map(Zone::new).into_iter().collect();
        let names = times
            .zones
            .iter()
            .filter_map(|(text, name)| Some((text.to_lowercase(), name.parse().ok()?)))
            .collect();
        Self {
            default: (!zones.is_empty()).then_some(0),
            by_cell: Map::default(),
            names,
            list: zones,
        }
    }

    /// The zone of a row with this cell.
    #[inline]
    pub(super) fn of(&mut self, cell: Option<&[u8]>) -> Option<&mut Zone> {
        let place = match cell {
            None => self.default,
            Some(cell) => match self.by_cell.get(cell) {
                Some(&known) => known,
                None => self.meet(cell),
            },
        };
        self.list.get_mut(place?)
    }

    fn meet(&mut self, cell: &[u8]) -> Option<usize> {
        let text = String::from_utf8_lossy(cell);
        let lower = cells::trimmed(&text).to_lowercase();
        let named = self
            .names
            .iter()
            .find(|(name, _)| *name == lower)
            .map(|(_, tz)| *tz);
        let zone: Option<Tz> = named.or_else(|| cells::trimmed(&text).parse().ok());
        let place = match zone {
            None => self.default,
            Some(tz) => {
                self.list.push(Zone::new(tz));
                Some(self.list.len() - 1)
            }
        };
        self.by_cell.insert(Box::from(cell), place);
        place
    }
}
