//! Laws: whatever comes in whatever order, the identities hold.

use std::collections::BTreeSet;

use onhand::domain::order::{LineTarget, OrderSnapshot, Part};
use onhand::domain::stock::Balances;
use onhand::domain::transfer::TransferNews;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::moves::{self, ReceiptRow, TransferRow};
use proptest::prelude::*;

use super::{House, at, counted, order, paper, place, receipt, sku};

/// One fact that somebody tells the books.
#[derive(Debug, Clone)]
enum Fact {
    Count(Counted),
    Receipt(ReceiptRow),
    Transfer(TransferRow),
    Order(OrderSnapshot),
}

impl Fact {
    async fn tell(&self, house: &House) {
        match self.clone() {
            Self::Count(row) => {
                let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
                    counts::count(t, std::slice::from_ref(&row), "ann", at(1_000))
                };
                house.ledger.write(work).await.unwrap();
            }
            Self::Receipt(row) => drop(house.receive(row).await),
            Self::Transfer(row) => {
                let terms = house.terms();
                let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
                    moves::transfer(t, std::slice::from_ref(&row), &terms)
                };
                house.ledger.write(work).await.unwrap();
            }
            Self::Order(snapshot) => house.say(snapshot).await,
        }
    }
}

/// Orders of which something is promised, shipped and returned, from the channel's own place, from another one, or from both.
fn lives() -> impl Strategy<Value = Vec<Fact>> {
    (1u32..5, 1i64..30, 0usize..4, 0usize..3).prop_map(|(units, minute, n, where_from)| {
        let id = format!("{n}-{minute}");
        let state = |version, target, there: LineTarget| {
            let mut found = order("shop", &id, version, "A", target);
            found.placed_at = at(minute);
            // From the channel's own place, from another one, or from both.
            let split = where_from == 2;
            found.lines[0].location = (where_from == 1).then(|| place("east"));
            found.lines[0].elsewhere = split
                .then(|| Part {
                    location: place("east"),
                    target: there,
                    damaged: 0,
                    taken: 0,
                })
                .into_iter()
                .collect();
            Fact::Order(found)
        };
        let none = LineTarget::default();
        let (committed, returned) = (1, units / 2);
        vec![
            state(minute, (units, 0, 0), LineTarget { committed, ..none }),
            state(
                minute + 4,
                (units - 1, 1, 0),
                LineTarget { committed, ..none },
            ),
            state(
                minute + 9,
                (0, units, returned),
                LineTarget {
                    shipped: 1,
                    returned,
                    ..none
                },
            ),
        ]
    })
}

/// Receipts, transfers with partial news, orders with their lives, and at most one count of each place.
fn facts() -> impl Strategy<Value = Vec<Vec<Fact>>> {
    let receipt = (1u32..20, 1i64..40, 0usize..3).prop_map(|(units, minute, n)| {
        let mut row = receipt(&format!("R{n}"), None, "A", units);
        row.at = at(minute);
        vec![Fact::Receipt(row)]
    });
    let transfer = (1u32..20, 0u32..20, 0u32..20, 1i64..20, 0usize..3).prop_map(
        |(sent, first, second, minute, n)| {
            let news = |received: u32, minute| {
                Fact::Transfer(TransferRow {
                    transfer: paper(&format!("T{n}-{sent}")),
                    news: TransferNews {
                        sku: sku("A"),
                        from: place("main"),
                        to: place("store"),
                        sent,
                        received: received.min(sent),
                    },
                    at: at(minute),
                })
            };
            // Each piece of news may come at any place among the others.
            vec![
                news(0, minute),
                news(first, minute + 5),
                news(second, minute + 15),
            ]
        },
    );
    let sold = lives();
    let count = |location: &'static str| {
        (0i64..40, 5i64..35).prop_map(move |(units, minute)| {
            vec![Fact::Count(counted("A", location, units, minute))]
        })
    };
    let moves = prop::collection::vec(prop_oneof![receipt, transfer, sold], 1..6);
    (
        moves,
        prop::option::of(count("main")),
        prop::option::of(count("store")),
    )
        .prop_map(|(mut all, main, store)| {
            all.extend(main);
            all.extend(store);
            all
        })
}

/// Facts in the order that the dice say. What belongs to one order stays in its own order: an order that is first seen when
/// it was shipped is dated by its placement. News of transfers stand by themselves.
fn mixed(groups: &[Vec<Fact>], dice: &[usize]) -> Vec<Fact> {
    let mut queues: Vec<std::collections::VecDeque<Fact>> = Vec::new();
    for group in groups {
        if matches!(group[0], Fact::Transfer(_)) {
            queues.extend(group.iter().map(|fact| [fact.clone()].into()));
        } else {
            queues.push(group.iter().cloned().collect());
        }
    }
    let mut mixed = Vec::new();
    let mut n = 0;
    while !queues.is_empty() {
        let pick = dice[n % dice.len()] % queues.len();
        n += 1;
        mixed.extend(queues[pick].pop_front());
        queues.retain(|queue| !queue.is_empty());
    }
    mixed
}

/// What every place holds.
async fn everywhere(house: &House) -> Vec<Balances> {
    let mut found = Vec::new();
    for location in ["main", "east", "store"] {
        found.push(house.at("A", location).await);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Design §4: the identities hold after every fact; and the same facts in any order end alike (rule R47).
    #[test]
    fn any_interleaving_keeps_the_identities_and_ends_alike(
        groups in facts(),
        dice in prop::collection::vec(0usize..1_000, 1..40),
        other in prop::collection::vec(0usize..1_000, 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (one, two) = (House::new(), House::new());
            for house in [&one, &two] {
                let known = BTreeSet::from([sku("A")]);
                let known = house.ledger.write(move |t| t.add_skus(&known));
                known.await.unwrap();
            }
            // Receipts of one number and transfers over their numbers are refused by what came first; each number
            // stands once here.
            let groups = once(groups);
            for fact in mixed(&groups, &dice) {
                fact.tell(&one).await;
                one.whole().await;
                for held in everywhere(&one).await {
                    assert!(held.committed >= 0);
                    assert_eq!(held.available(), held.on_hand - held.committed - held.set_aside);
                }
            }
            for fact in mixed(&groups, &other) {
                fact.tell(&two).await;
                // Said twice is said once.
                fact.tell(&two).await;
            }
            two.whole().await;
            assert_eq!(everywhere(&one).await, everywhere(&two).await);
        });
    }
}

fn once(groups: Vec<Vec<Fact>>) -> Vec<Vec<Fact>> {
    let mut seen = BTreeSet::new();
    let name = |group: &Vec<Fact>| match &group[0] {
        Fact::Count(row) => format!("count {}", row.location),
        Fact::Receipt(row) => format!("receipt {}", row.reference),
        Fact::Transfer(row) => format!("transfer {}", row.transfer),
        Fact::Order(snapshot) => format!("order {}", snapshot.order),
    };
    let new = |group: &Vec<Fact>| seen.insert(name(group));
    let mut groups = groups;
    let mut new = new;
    groups.retain(|group| new(group));
    groups
}
