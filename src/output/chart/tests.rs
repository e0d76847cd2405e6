use super::*;

fn evil() -> String {
    "<script>alert(1)</script>\"'\u{202e}\u{1b}".to_owned()
}

fn charts() -> Vec<Chart> {
    let series = |name: String, times: f64| Series {
        name,
        points: (0..5_u32)
            .map(|n| (f64::from(n) + 1.0, times * f64::from(n)))
            .collect(),
        band: vec![(1.0, 0.0, 1.0), (5.0, 3.0, 9.0)],
    };
    let lines = |log| Lines {
        x: Axis {
            label: evil(),
            log,
            ..Axis::default()
        },
        y: Axis {
            label: evil(),
            log,
            ..Axis::default()
        },
        series: (1..7_u32).map(|n| series(evil(), f64::from(n))).collect(),
        across: vec![Bound::new(evil(), 2.0)],
        upright: vec![Bound::new(evil(), 4.5)],
        marks: vec![Mark {
            name: evil(),
            x: 1.5,
            y: f64::NAN,
        }],
    };
    vec![
        Chart::Lines(lines(false)),
        Chart::Lines(lines(true)),
        Chart::Lines(Lines::default()),
        Chart::Bars(Bars {
            unit: evil(),
            bars: vec![
                Bar::new(evil(), 4.0).between(1.0, 9.0).saying(evil()),
                Bar::new("nothing", 0.0),
                Bar::new("no number", f64::NAN),
            ],
            bounds: vec![Bound::new(evil(), 20.0), Bound::new(evil(), 1.0)],
        }),
        Chart::Bars(Bars::default()),
        Chart::Heat(Heat {
            rows: vec![(evil(), vec![0, 3, 9])],
        }),
        Chart::Heat(Heat::default()),
    ]
}

#[test]
fn nothing_in_a_chart_can_act() {
    for chart in charts() {
        for width in Width::BOTH {
            let drawn = chart.drawn(width).unwrap();
            let inside = &drawn.inside;
            assert!(!inside.contains("<script"), "{inside}");
            assert!(!inside.contains(['\u{202e}', '\u{1b}']), "{inside}");
            assert!(!inside.contains("style=") && !inside.contains("http"));
            assert!(!inside.contains("NaN") && !inside.contains("<svg"));
            assert_eq!(drawn.width_px, width.px());
        }
    }
}

#[test]
fn everything_stands_inside_its_picture() {
    for chart in charts() {
        for width in Width::BOTH {
            let drawn = chart.drawn(width).unwrap();
            let (wide, high) = (f64::from(drawn.width_px), f64::from(drawn.height_px));
            for (name, most) in [
                (" x=\"", wide),
                (" x1=\"", wide),
                (" y=\"", high),
                (" cy=\"", high),
            ] {
                for rest in drawn.inside.split(name).skip(1) {
                    let value: f64 = rest.split('"').next().unwrap().parse().unwrap();
                    assert!((0.0..=most).contains(&value), "{name}{value} of {most}");
                }
            }
        }
    }
}

#[test]
fn the_numbers_behind_a_chart_are_its_values() {
    let bars = Bars {
        unit: "EUR".to_owned(),
        bars: vec![Bar::new("refunds", 1_350.0).between(800.4, 2_134.0)],
        bounds: Vec::new(),
    };
    let numbers = Chart::Bars(bars).numbers();
    assert_eq!(numbers.headers, ["", "EUR", "from", "to"]);
    let texts: Vec<_> = numbers.rows[0].iter().map(Cell::plain).collect();
    assert_eq!(texts, ["refunds", "1,350", "800", "2,134"]);
    let lines = Lines {
        x: Axis::log("latency").with_ticks([(5.0, "5 s"), (300.0, "5 min")]),
        series: vec![Series {
            name: "ours".to_owned(),
            points: vec![(5.0, 0.009_3), (300.0, 0.277_8)],
            band: Vec::new(),
        }],
        ..Lines::default()
    };
    let numbers = Chart::Lines(lines).numbers();
    let texts: Vec<Vec<_>> = numbers
        .rows
        .iter()
        .map(|row| row.iter().map(Cell::plain).collect())
        .collect();
    assert_eq!(
        texts,
        [["ours", "5 s", "0.0093"], ["ours", "5 min", "0.28"]]
    );
}

#[test]
fn numbers_are_written_as_people_write_them() {
    for (value, text) in [
        (0.0, "0"),
        (0.000_463, "0.00046"),
        (0.5, "0.5"),
        (1.0, "1"),
        (12.345, "12.35"),
        (999.4, "999"),
        (1_234_567.0, "1,234,567"),
        (-1_000.0, "-1,000"),
        (f64::NAN, ""),
    ] {
        assert_eq!(plain_number(value), text);
    }
    assert_eq!(short("abcdef", 4), "abc\u{2026}");
    assert_eq!(short("abcd", 4), "abcd");
}
