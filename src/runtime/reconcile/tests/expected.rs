//! The table of what should be shown says the same as the rows that the lanes read, whatever the catalogue and the plan.

use proptest::prelude::*;

use super::*;
use crate::domain::bundle::Need;
use crate::domain::hold::Hold;
use crate::domain::ids::DocumentId;
use crate::domain::promise::{Backorder, Promises};
use crate::domain::tier::{Kept, Tier};
use crate::ledger::life::{Paper, PaperKind};
use crate::ledger::record::BookRules;
use crate::ledger::tables::KeptTier;

const PLACES: [&str; 3] = ["main", "east", "shelf"];

fn sku(n: usize) -> Sku {
    Sku::new(["A", "B", "C", "D", "E", "SET"][n % 6]).unwrap()
}

fn place(n: usize) -> LocationId {
    LocationId::new(PLACES[n % 3]).unwrap()
}

/// A listing: its goods, units of them, a place of its own, and why its number may not be ours.
#[derive(Debug, Clone)]
struct Offer {
    sku: Option<usize>,
    factor: u32,
    own: Option<usize>,
    kind: u8,
}

#[derive(Debug, Clone)]
struct Catalogue {
    stock: Vec<(usize, usize, i64)>,
    offers: Vec<Offer>,
    tiers: Vec<Option<bool>>,
    holds: Vec<(usize, usize, u32, bool)>,
    promises: Promises,
    buffers: [String; 3],
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let offer = (
        proptest::option::weighted(0.9, 0..6_usize),
        1..4_u32,
        proptest::option::weighted(0.2, 0..3_usize),
        0..8_u8,
    );
    let offer = offer.prop_map(|(sku, factor, own, kind)| Offer {
        sku,
        factor,
        own,
        kind,
    });
    let promises = (
        proptest::collection::btree_map(0..6_usize, 0..9_u32, 0..3),
        proptest::collection::btree_set(0..6_usize, 0..3),
        proptest::collection::btree_map(0..6_usize, 1..9_u32, 0..2),
    );
    let promises = promises.prop_map(|(backorder, untracked, daily)| Promises {
        backorder: backorder
            .into_iter()
            .map(|(n, units)| (sku(n), Backorder::Units(units)))
            .collect(),
        untracked: untracked.into_iter().map(sku).collect(),
        daily: daily
            .into_iter()
            .map(|(n, units)| (sku(n), units))
            .collect(),
        ..Promises::default()
    });
    (
        proptest::collection::vec((0..5_usize, 0..3_usize, 0..60_i64), 0..12),
        proptest::collection::vec(offer, 0..12),
        proptest::collection::vec(proptest::option::of(any::<bool>()), 6),
        proptest::collection::vec((0..5_usize, 0..3_usize, 1..9_u32, any::<bool>()), 0..4),
        promises,
        ["[0-9]", "[1-9]0%", "[1-9]% min [0-9]"],
    )
        .prop_map(
            |(stock, offers, tiers, holds, promises, buffers)| Catalogue {
                stock,
                offers,
                tiers,
                holds,
                promises,
                buffers,
            },
        )
}

impl Catalogue {
    fn policy(&self) -> Policy {
        let mut policy = Policy {
            places: BTreeMap::from([(web(), vec![place(0), place(1)])]),
            promises: self.promises.clone(),
            ..Policy::default()
        };
        policy.buffers.default = self.buffers[0].parse().unwrap();
        policy
            .buffers
            .tier
            .insert(Tier::B, self.buffers[1].parse().unwrap());
        policy
            .buffers
            .sku
            .insert(sku(0), self.buffers[2].parse().unwrap());
        policy
    }

    fn write(&self, t: &mut dyn crate::ledger::tables::Tables) -> Result<(), StoreError> {
        let at = Timestamp::from_millis(NOW_MS - 3_600_000);
        for (n, location, units) in &self.stock {
            let counted = Counted {
                sku: sku(*n),
                location: place(*location),
                units: *units,
                basis: Basis::OnHand,
                set_aside: None,
                at,
            };
            count(t, &[counted], "test", at)?;
        }
        let needs = |n, units| Need { sku: sku(n), units };
        t.put_recipes(&BTreeMap::from([(sku(5), vec![needs(0, 2), needs(1, 1)])]))?;
        for (n, offer) in self.offers.iter().enumerate() {
            t.put_listings(&[CatalogRow {
                key: key(&format!("{n}")),
                alias: None,
                their_sku: None,
                mapping: offer.sku.map(|goods| Mapping {
                    sku: sku(goods),
                    factor: offer.factor,
                    location: offer.own.map(place),
                    fulfilment: if offer.kind == 0 {
                        Fulfilment::Channel
                    } else {
                        Fulfilment::Merchant
                    },
                }),
                not_publishable: (offer.kind == 1).then(|| "a parent".to_owned()),
            }])?;
        }
        let kept = |fast: bool| KeptTier {
            kept: Kept {
                tier: if fast { Tier::A } else { Tier::B },
                below: 0,
            },
            as_of: at,
            stale: false,
        };
        let tiers = self.tiers.iter().enumerate();
        let tiers = tiers.filter_map(|(n, tier)| Some((sku(n), kept((*tier)?))));
        t.set_tiers(&tiers.collect())?;
        let papers: Vec<_> = self.holds.iter().enumerate().map(paper).collect();
        t.put_papers(PaperKind::Hold, &papers)
    }
}

fn paper((n, (goods, location, units, over)): (usize, &(usize, usize, u32, bool))) -> Paper {
    let minute = if *over { -60_000 } else { 60_000 };
    let until = Some(Timestamp::from_millis(NOW_MS + minute));
    let hold = Hold {
        sku: sku(*goods),
        location: place(*location),
        units: *units,
        reason: "cart".to_owned(),
        until,
        over: false,
    };
    Paper {
        id: DocumentId::new(&format!("h{n}")).unwrap(),
        line: String::new(),
        sku: hold.sku.clone(),
        open: true,
        until,
        state: serde_json::to_string(&hold).unwrap(),
    }
}

/// What the table and what the rows say of each listing.
async fn both(catalogue: &Catalogue) -> (Vec<Option<Due>>, Vec<Option<Due>>) {
    let rules = BookRules {
        promises: Arc::new(catalogue.promises.clone()),
        ..BookRules::default()
    };
    let store = Box::new(Sqlite::in_memory().unwrap());
    let desk = Desk {
        ledger: Ledger::inline(store, rules, Arc::new(Noon)),
        bell: Doorbell::default(),
        clock: Arc::new(Noon),
    };
    let own = catalogue.clone();
    desk.ledger.write(move |t| own.write(t)).await.unwrap();
    let policy = Arc::new(catalogue.policy());
    let all = Expected::read(&desk, &policy, &[web()]).await.unwrap();
    let states = desk.ledger.read(|t| t.listings(&Selection::default()));
    let rows: BTreeMap<_, _> = states
        .await
        .unwrap()
        .into_iter()
        .map(|state| {
            (
                state.key.clone(),
                super::super::expected::due(&policy, &state),
            )
        })
        .collect();
    let ids = || (0..catalogue.offers.len()).map(|n| key(&format!("{n}")));
    let table = |key: ListingKey| {
        let table = &all[&web()];
        table.due(table.find(&key.listing)?)
    };
    (
        ids().map(table).collect(),
        ids().map(|key| rows.get(&key).copied()).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_table_says_what_the_rows_say(catalogue in catalogue()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (table, rows) = runtime.block_on(both(&catalogue));
        prop_assert_eq!(table, rows);
    }
}
