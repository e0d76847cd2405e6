//! What arrives on stdout and stderr.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// A writer whose bytes can be looked at afterwards.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that fails after so many bytes.
struct Failing(usize, io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            Err(self.1.into())
        } else {
            Ok(taken)
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: Format, quiet: bool, act: impl FnOnce(&mut Out)) -> (String, String) {
    let (data, talk) = (Page::default(), Page::default());
    let wishes = Wishes {
        format,
        quiet,
        ..Wishes::default()
    };
    act(&mut Out::to(wishes, data.clone(), talk.clone()));
    (data.text(), talk.text())
}

fn rows() -> Vec<Vec<Cell>> {
    vec![
        vec!["=1+1".into(), Cell::Whole(-5), Cell::Decimal(0.5, 2)],
        vec![
            "größe\u{1b}[31m".into(),
            Cell::Empty,
            Cell::Decimal(f64::NAN, 2),
        ],
    ]
}

#[test]
fn one_result_in_three_formats() {
    let write = |out: &mut Out| {
        let body = json!({"skus": 2});
        out.result("onhand.x/1", &body, &["sku", "units", "share"], &rows())
            .unwrap();
    };
    let (data, talk) = written(Format::Table, false, write);
    assert_eq!(
        data,
        "sku         units  share\n=1+1           -5   0.50\ngröße\u{fffd}[31m\n"
    );
    assert_eq!(talk, "");
    let (data, _) = written(Format::Csv, false, write);
    assert_eq!(data, "sku,units,share\n'=1+1,-5,0.50\ngröße\u{1b}[31m,,\n");
    let (data, _) = written(Format::Json, false, write);
    assert_eq!(data, "{\n  \"schema\": \"onhand.x/1\",\n  \"skus\": 2\n}\n");
}

#[test]
fn talk_is_on_stderr_and_notes_can_be_silenced() {
    let act = |out: &mut Out| {
        out.note("read 3 rows");
        out.warning("a\u{202e}b");
        out.error("config.toml:1:1: x: unknown key\nconfig.toml:2:1: \u{1b}]0;t\u{7}");
    };
    let loud = "warning: a\u{fffd}b\nerror: config.toml:1:1: x: unknown key\nconfig.toml:2:1: \u{fffd}]0;t\u{fffd}\n";
    let (data, talk) = written(Format::Json, false, act);
    assert_eq!((data.as_str(), talk), ("", format!("read 3 rows\n{loud}")));
    assert_eq!(written(Format::Json, true, act).1, loud);
}

#[test]
fn a_closed_pipe_is_success_and_ends_streams() {
    let failing = Failing(3, io::ErrorKind::BrokenPipe);
    let mut out = Out::to(Wishes::default(), failing, io::sink());
    assert!(!out.is_closed());
    out.text("longer than three").unwrap();
    assert!(out.is_closed());
    out.json_line("onhand.x/1", &json!({})).unwrap();
}

#[test]
fn a_full_disk_is_an_error() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied] {
        let mut out = Out::to(Wishes::default(), Failing(0, kind), io::sink());
        let error = out.table(&["a"], &[]).unwrap_err();
        assert!(
            matches!(&error, OutputError::Write(source) if source.kind() == kind),
            "{error}"
        );
        assert!(!out.is_closed());
    }
}

#[test]
fn a_lost_stderr_does_not_stop_the_work() {
    let mut out = Out::to(
        Wishes::default(),
        io::sink(),
        Failing(0, io::ErrorKind::BrokenPipe),
    );
    out.error("nobody hears this");
    out.text("data").unwrap();
    assert!(!out.is_closed());
}

#[test]
fn color_is_refused_by_the_variables() {
    for (no_color, term, refused) in [
        (None, None, false),
        (Some(""), Some("xterm"), false),
        (Some("1"), None, true),
        (Some("0"), None, true),
        (None, Some("dumb"), true),
    ] {
        assert_eq!(Wishes::forbids_color(no_color, term), refused);
    }
}

#[test]
fn formats_have_one_spelling() {
    assert_eq!("json".parse(), Ok(Format::Json));
    for text in ["", "JSON", "yaml", " csv", "text"] {
        assert!(text.parse::<Format>().is_err());
    }
}
